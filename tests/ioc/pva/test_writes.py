"""What a client sends over PVAccess becomes a value of the record, or is refused, by the same rules as any put."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pixieioc.ioc.pva.operations import Operation, client_of
from pixieioc.ioc.pva.writes import accept
from pixieioc.ioc.records import Client, Record
from pixieioc.ioc.records.conversion import Unconvertible
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.model import RecordType, text_pv

MODE = PvInfo("x", "mbbo", "", labels=("Soft", "Hard"))
WIDE = PvInfo("x", "int64out", "", drive=(-(2.0**63), 2.0**63))


def _accept(info: PvInfo, process: str = "", **fields: Any) -> Any:
    sent = {name.replace("__", "."): value for name, value in fields.items()}
    return accept(Record(info, "x"), Operation(0, Client("", ""), sent, process, block=False))


def _info(record: RecordType, **more: Any) -> PvInfo:
    return PvInfo("x", record, "", **more)


@pytest.mark.parametrize(
    ("info", "sent", "value"),
    [
        (_info("ao"), 2.5, 2.5),
        (_info("ao", drive=(0.0, 1.0)), 2.5, 1.0),
        (_info("longout"), 7, 7),
        (_info("int64out"), 2**63 - 1, 2**63 - 1),
        (_info("int64out"), -(2**63), -(2**63)),
        (_info("stringout", initial=""), "abc", "abc"),
        (text_pv("x", "", 4096), "é" * 2000, "é" * 2000),
        (_info("waveform", initial=[0.0], length=3), np.array([1.0, 2.0]), [1.0, 2.0]),
        (_info("waveform", initial=[0], length=3, element="LONG"), np.array([1, 2], np.int32), [1, 2]),
    ],
)
def test_a_value_is_taken(info: PvInfo, sent: Any, value: Any) -> None:
    taken = _accept(info, value=sent)
    assert np.array_equal(taken, value)
    assert isinstance(taken, np.ndarray | type(value))


def test_a_state_is_its_index_and_may_come_with_its_own_choices() -> None:
    assert _accept(MODE, value__index=1) == 1
    assert _accept(MODE, value__index=1, value__choices=["Soft", "Hard"]) == 1


@pytest.mark.parametrize(
    ("info", "fields", "why"),
    [
        (MODE, {"value__index": 2}, "2 is none of: 0 Soft, 1 Hard"),
        (MODE, {"value__choices": ["A", "B"]}, "value.choices cannot be written"),
        (MODE, {}, "no value was sent"),
        (_info("ao"), {"alarm__severity": 2}, "alarm.severity cannot be written, only the value can"),
        (_info("ao"), {"value": 1.0, "display__units": "h"}, "display.units cannot be written, only the value can"),
        (_info("stringout", initial=""), {"value": "x" * 4097}, "the text has 4097 bytes, 39 fit"),
        (text_pv("x", "", 10), {"value": "0123456789"}, "the text has 10 bytes, 9 fit"),
        (_info("waveform", initial=[0.0], length=2), {"value": np.zeros(3)}, "3 elements, 2 fit"),
    ],
)
def test_what_cannot_be_taken_is_refused(info: PvInfo, fields: dict[str, Any], why: str) -> None:
    with pytest.raises(Unconvertible) as refused:
        _accept(info, **fields)
    assert str(refused.value) == why


def test_a_value_is_not_written_without_being_used() -> None:
    with pytest.raises(Unconvertible, match="process=false"):
        _accept(_info("ao"), "false", value=1.0)
    assert _accept(_info("ao"), "true", value=1.0) == 1.0


@pytest.mark.parametrize(
    ("peer", "host", "address"),
    [
        ("10.0.0.7:5075", "10.0.0.7", "10.0.0.7:5075"),
        ("[::ffff:10.0.0.7]:5075", "10.0.0.7", "10.0.0.7:5075"),
        ("[::1]:5075", "::1", "::1:5075"),
        ("somewhere", "", "somewhere"),
    ],
)
def test_a_client_is_known_by_its_address(peer: str, host: str, address: str) -> None:
    assert client_of("jan", peer) == Client("jan", host, address)
