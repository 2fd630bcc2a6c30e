"""What a client of the real libca sees of names that fail, of long strings, of class names and of alarms by limits."""

from __future__ import annotations

import struct
import time
from typing import Any

import pytest

from pixieioc.ioc.ca.view import Views
from pixieioc.ioc.records import Record, stamp
from pixieioc.pvinfo import PvInfo
from tests.conftest import CA_PORTS
from tests.ioc.ca.libca import (
    CHAR,
    CLASS_NAME,
    DOUBLE,
    LONG,
    NO_WRITE_ACCESS,
    NORMAL,
    PUTFAIL,
    STRING,
    TIME,
    Libca,
    wait,
)
from tests.ioc.ca.peer import number, writable
from tests.ioc.ca.serving import serving

EPICS_EPOCH = 631152000
BADCOUNT = 176


class _Fragile(Views):
    """Records among which the handling of some names fails."""

    def record(self, name: str) -> Record | None:
        if name.startswith("Broken"):
            raise KeyError(name)
        return super().record(name)


@pytest.mark.parametrize("by", ["datagrams", "a name server"])
def test_names_that_fail_cost_no_other_name(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    good = [f"Good:{i}" for i in range(70)]
    bad = [f"Broken.{field}" for field in ("DESC", "NAME", "RTYP", "EGU", "SEVR")]
    if by == "a name server":
        monkeypatch.setenv("EPICS_CA_NAME_SERVERS", f"127.0.0.1:{CA_PORTS[0]}")
        monkeypatch.setenv("EPICS_CA_ADDR_LIST", "")
    with serving([number(name) for name in good], CA_PORTS[0]) as served:
        served.server.views = _Fragile(served.server.views.records)
        with Libca() as libca:
            made = libca.channels([*bad, *good], 0)
            assert wait(lambda: all(made[name].connected for name in good))
            assert [made[name].get() for name in good] == [[0.0]] * 70
            assert not any(made[name].connected for name in bad)
            assert wait(lambda: served.server.name_faults >= len(bad))
            # All of this is over one connection, which lives.
            assert served.do(lambda: [circuit.channels for circuit in served.server.circuits]) == [70]


def _string(name: str, record: Any = "stringout") -> Record:
    return Record(PvInfo(name, record, "", "as it was"), name)


def test_the_long_form_of_a_string_is_written_as_the_string_is() -> None:
    heard: list[str] = []
    record = _string("S")

    def put(text: str, client: object) -> None:
        heard.append(text)
        record.post(text)

    record.put = put
    with serving([record, _string("R", "stringin")], CA_PORTS[0]) as served, Libca() as libca:
        for name in ("S$", "S.VAL$"):
            served.do(lambda: record.post("as it was"))
            long = libca.channel(name)
            assert (long.native, long.length, long.writable) == (CHAR, 40, True)
            for kind, text in ((CHAR, "my line"), (LONG, "größe"), (CHAR, "x" * 39), (CHAR, "")):
                assert long.put(kind, *text.encode(), 0) == NORMAL
                assert libca.channel("S").text() == heard[-1] == text
            assert long.put(STRING, "short") == NORMAL
            assert heard[-1] == "short"
            assert long.put(CHAR, *b"x" * 40) == PUTFAIL  # one is for the end
            assert long.put(CHAR, *b"x" * 41) == BADCOUNT  # libca's
            assert libca.channel("S").text() == "short"
        read_only = libca.channel("R$")
        assert not read_only.writable
        assert read_only.put(CHAR, *b"text\0") == NO_WRITE_ACCESS
    assert len(heard) == 10


def test_the_class_of_a_field_is_that_of_its_record() -> None:
    records = [number("Number"), writable(_string("S"))]
    with serving(records, CA_PORTS[0]), Libca() as libca:
        classes = {
            name: libca.channel(name).get(CLASS_NAME, 1).partition(b"\0")[0]
            for name in ("Number", "Number.EGU", "Number.HIHI", "Number.SEVR", "Number.EGU$", "S.DESC", "S$")
        }
    assert classes == dict.fromkeys(list(classes)[:5], b"ao") | {"S.DESC": b"stringout", "S$": b"stringout"}


def test_an_alarm_that_a_written_limit_begins_or_ends_has_the_time_of_the_writing() -> None:
    record = Record(PvInfo("N", "ai", "", 5.0), "N")
    record.post(5.0, stamp(1e9))
    with serving([record], CA_PORTS[0]), Libca() as libca:
        value, high = libca.channel("N"), libca.channel("N.HIGH")
        with value.monitor(TIME + DOUBLE) as heard:
            assert wait(lambda: len(heard) == 1)
            assert _alarm_and_time(heard[0]) == (0, 1e9)
            high.put(DOUBLE, 9.0)  # nothing begins
            assert _alarm_and_time(value.get(TIME + DOUBLE, 1)) == (0, 1e9)
            for limit, severity in ((4.0, 1), (9.0, 0)):
                before = time.time()
                assert high.put(DOUBLE, limit) == NORMAL
                assert wait(lambda: _alarm_and_time(heard[-1])[0] == severity)  # noqa: B023  # it is called at once
                assert before - 1e-3 <= _alarm_and_time(heard[-1])[1] <= time.time() + 1e-3


def _alarm_and_time(value: bytes) -> tuple[int, float]:
    _, severity, seconds, nanoseconds = struct.unpack("=hhII", value[:12])
    return severity, seconds + EPICS_EPOCH + nanoseconds / 1e9
