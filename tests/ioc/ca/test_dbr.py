"""The DBR types: every kind of record in every type, as libca's tables and caproto's decoder understand it."""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pytest
from caproto import SERVER, AlarmSeverity, AlarmStatus, ChannelType, ReadNotifyResponse, native_type
from caproto._commands import read_from_bytestream
from epicscorelibs.ca.cadef import libca

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records import Record, stamp
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.model import text_pv

NAN = math.nan
UNIX = 1_700_000_000.25
NUMPY = {"INT": "i2", "FLOAT": "f4", "ENUM": "u2", "CHAR": "u1", "LONG": "i4", "DOUBLE": "f8"}
TYPES = [ChannelType[cls + base] for cls in ("", "STS_", "TIME_", "GR_", "CTRL_") for base in ("STRING", *NUMPY)]
MOST = {"INT": 2**15 - 1, "ENUM": 2**16 - 1, "CHAR": 255, "LONG": 2**31 - 1, "FLOAT": float(np.finfo("f4").max)}


class Kind(NamedTuple):
    """A kind of record: its value, and how it reads as text and as each kind of number."""

    info: PvInfo
    value: Any
    texts: list[str]
    number: list[float]
    #: By base type, where it is another number.
    numbers: dict[str, list[float]] = {}
    alarm: str = "NO_ALARM NO_ALARM"


def _each(*of: dict[str, float]) -> dict[str, list[float]]:
    return {name: [element[name] for element in of] for name in of[0]}


KINDS = [
    Kind(
        PvInfo("double", "ao", "", 0.0, "MB/s", 2, limits=(NAN, -5.0, 100.5, NAN), drive=(-10.0, 1e6)),
        1234.5,
        ["1234.50"],
        [1234],
        {"FLOAT": [1234.5], "DOUBLE": [1234.5], "CHAR": [255]},
        "HIGH MINOR_ALARM",
    ),
    Kind(
        PvInfo("negative", "ai", "", 0.0, "GB", 1, limits=(1.0, 10.0, NAN, NAN)),
        -0.75,
        ["-0.8"],
        [0],
        {"FLOAT": [-0.75], "DOUBLE": [-0.75]},
        "LOLO MAJOR_ALARM",
    ),
    Kind(PvInfo("huge", "ai", "", 0.0), 1e300, ["1.000000e+300"], [1e300], _each(MOST)),
    Kind(PvInfo("infinite", "ai", "", 0.0), math.inf, ["inf"], [math.inf], _each({**MOST, "FLOAT": math.inf})),
    Kind(
        PvInfo("no number", "ai", "", 0.0, "µg/cm²s", limits=(NAN, NAN, NAN, 1e39), drive=(0.0, 1e39)),
        NAN,
        ["nan"],
        [0],
        {"FLOAT": [NAN], "DOUBLE": [NAN]},
        "UDF INVALID_ALARM",
    ),
    Kind(
        PvInfo("long", "longout", "", 0, "bins", drive=(1, 70000)),
        -70000,
        ["-70000"],
        [-70000],
        {"INT": [-(2**15)], "ENUM": [0], "CHAR": [0]},
    ),
    Kind(PvInfo("count", "int64in", ""), 2**53, ["9007199254740992"], [2**53], _each({**MOST, "FLOAT": 2**53})),
    Kind(
        PvInfo("enum", "mbbi", "", labels=("Idle", "On", "Half wäy"), severities=("NO_ALARM", "MINOR", "INVALID")),
        2,
        ["Half wäy"],
        [2],
        alarm="STATE INVALID_ALARM",
    ),
    Kind(
        PvInfo("string", "stringin", "", ""),
        "-12.5",
        ["-12.5"],
        [-12],
        {"FLOAT": [-12.5], "DOUBLE": [-12.5], "ENUM": [0], "CHAR": [0]},
    ),
    Kind(text_pv("text", ""), "grün " * 9, [("grün " * 9)[:32]], [*("grün " * 9).encode(), 0]),
    Kind(text_pv("empty", ""), "", [""], [0]),
    Kind(
        PvInfo("longs", "waveform", "", [0], "1/s", element="LONG", length=4),
        [1, -2, 70000],
        ["1", "-2", "70000"],
        [1, -2, 70000],
        {"INT": [1, -2, 2**15 - 1], "ENUM": [1, 0, 2**16 - 1], "CHAR": [1, 0, 255]},
    ),
    Kind(
        PvInfo("doubles", "waveform", "", [0.0], "1/s", 1, length=4),
        [0.25, NAN, 1e300],
        ["0.2", "nan", "1.000000e+300"],
        [0.25, NAN, 1e300],
        {name: [0.25 if name == "FLOAT" else 0, NAN if name == "FLOAT" else 0, most] for name, most in MOST.items()},
    ),
]


def _view(kind: Kind) -> View:
    view = View(Record(kind.info, "N"))
    view.record.post(kind.value, stamp(UNIX))
    return view


def _table(name: str) -> list[int]:
    """A table of libca about all DBR types."""
    return list((ctypes.c_ushort * 39).in_dll(libca, name))


def _plain(values: Iterable[Any]) -> list[Any]:
    """Numbers that can be compared: NaN is equal to itself here."""
    return ["NaN" if value != value else float(value) for value in values]


def _limits(lolo: float, low: float, high: float, hihi: float, *rest: float) -> dict[str, float]:
    names = ("lower_alarm", "lower_warning", "upper_warning", "upper_alarm")
    more = ("lower_disp", "upper_disp", "lower_ctrl", "upper_ctrl")
    return dict(zip((*names, *more), (lolo, low, high, hihi, *rest), strict=False))


def _held(limit: float, base: str) -> float:
    """A limit as a type holds it; 0 in integers where there is none."""
    if base not in ("FLOAT", "DOUBLE"):
        limit = int(limit) if math.isfinite(limit) else 0
    lowest = {"INT": -(2**15), "LONG": -(2**31), "ENUM": 0, "CHAR": 0, "FLOAT": -MOST["FLOAT"]}
    return limit if base == "DOUBLE" or limit != limit else min(max(limit, lowest[base]), MOST[base])


def _wanted(kind: Kind, data_type: ChannelType) -> dict[str, Any]:
    """What a client must find in this type."""
    cls, _, base = data_type.name.rpartition("_")
    info = kind.info
    wanted: dict[str, Any] = {
        "value": kind.texts if base == "STRING" else _plain(kind.numbers.get(base, kind.number)),
    }
    if cls:
        wanted["alarm"] = kind.alarm
    if cls == "TIME":
        wanted["time"] = UNIX
    if cls in ("GR", "CTRL") and base == "ENUM":
        wanted["labels"] = info.labels
    elif cls in ("GR", "CTRL") and base != "STRING":
        wanted["units"] = info.unit if info.name != "no number" else "µg/cm"  # at most 7 bytes, no half characters
        if base in ("FLOAT", "DOUBLE"):
            wanted["precision"] = info.precision
        drive = info.drive if math.isfinite(info.drive[0]) else (0.0, 0.0)
        limits = _limits(*info.limits, *drive, *(drive if cls == "CTRL" else ()))
        wanted["limits"] = dict(zip(limits, _plain(_held(limit, base) for limit in limits.values()), strict=True))
    return wanted


def _found(view: View, data_type: ChannelType) -> dict[str, Any]:
    """What caproto's client finds in a message of this type; its length is the one that libca expects."""
    size, elements, payload = view.packed(int(data_type), 0)
    assert (size, size % 8) == (len(payload), 0)
    assert size - _table("dbr_value_offset")[data_type] - elements * _table("dbr_value_size")[data_type] in range(8)
    if data_type == ChannelType.CTRL_STRING:  # of which caproto has another idea than EPICS Base
        data_type = ChannelType.STS_STRING
    header = struct.pack(">HHHHII", 15, size, int(data_type), elements, 1, 7)
    read: Any
    rest, read, _ = read_from_bytestream(bytearray(header + payload), SERVER)
    assert (len(rest), type(read)) == (0, ReadNotifyResponse)
    text = native_type(data_type) == ChannelType.STRING
    found: dict[str, Any] = {"value": [item.decode() for item in read.data] if text else _plain(read.data)}
    meta = read.metadata
    fields = [name for name, *_ in getattr(meta, "_fields_", ())]
    if "severity" in fields:
        found["alarm"] = f"{AlarmStatus(meta.status).name} {AlarmSeverity(meta.severity).name}"
    if "stamp" in fields or "secondsSinceEpoch" in fields:
        found["time"] = round(meta.timestamp, 3)
    if "no_str" in fields:
        found["labels"] = tuple(label.decode() for label in meta.enum_strings)
    if "units" in fields:
        found["units"] = meta.units.decode()
    if "precision" in fields:
        found["precision"] = meta.precision
    limits = {name.removesuffix("_limit"): getattr(meta, name) for name in fields if name.endswith("_limit")}
    if limits:
        given = (limits[name] for name in _limits(*range(len(limits))))
        numbers = _plain(ord(limit) if isinstance(limit, bytes) else limit for limit in given)
        found["limits"] = dict(zip(_limits(*range(len(limits))), numbers, strict=True))
    return found


@pytest.mark.parametrize("data_type", TYPES, ids=lambda data_type: data_type.name)
def test_every_kind_of_record_in_every_type(data_type: ChannelType) -> None:
    for kind in KINDS:
        found, wanted = _found(_view(kind), data_type), _wanted(kind, data_type)
        assert (kind.info.name, found) == (kind.info.name, wanted)


def test_acknowledge_type_and_class_name() -> None:
    view = _view(KINDS[0])
    size, count, payload = view.packed(int(ChannelType.STSACK_STRING), 0)
    acknowledge_transients, severity_to_acknowledge = 1, AlarmSeverity.MINOR_ALARM  # nobody has yet
    head = (AlarmStatus.HIGH, AlarmSeverity.MINOR_ALARM, acknowledge_transients, severity_to_acknowledge)
    assert (size, count, payload) == (48, 1, struct.pack(">4H40s", *head, b"1234.50"))
    assert view.packed(int(ChannelType.CLASS_NAME), 0) == (40, 1, b"ao".ljust(40, b"\0"))


@pytest.mark.parametrize("data_type", [ChannelType.PUT_ACKT, ChannelType.PUT_ACKS])
def test_types_that_cannot_be_read(data_type: ChannelType) -> None:
    with pytest.raises(dbr.Unconvertible, match=f"DBR type {int(data_type)} cannot be read"):
        _view(KINDS[0]).packed(int(data_type), 0)


def test_a_text_that_is_no_number_cannot_be_read_as_one() -> None:
    view = View(Record(PvInfo("N", "stringin", "", "on"), "N"))
    with pytest.raises(dbr.Unconvertible, match="N is the text 'on', not a number"):
        view.packed(dbr.DOUBLE, 0)


@pytest.mark.parametrize(
    ("kind", "data_type", "count", "elements", "payload"),
    [
        ("long", dbr.LONG, 0, 1, b"\xff\xfe\xee\x90" + b"\0" * 4),
        ("long", dbr.LONG, 1, 1, b"\xff\xfe\xee\x90" + b"\0" * 4),
        ("longs", dbr.SHORT, 2, 2, b"\0\1\xff\xfe" + b"\0" * 4),
        ("longs", dbr.SHORT, 4, 4, b"\0\1\xff\xfe\x7f\xff\0\0"),
        ("text", dbr.CHAR, 3, 3, b"gr\xc3" + b"\0" * 5),
        ("empty", dbr.CHAR, 0, 1, b"\0" * 8),
        ("empty", dbr.CHAR, 9, 9, b"\0" * 16),
        ("longs", dbr.STRING, 1, 1, b"1".ljust(40, b"\0")),
    ],
)
def test_as_many_elements_as_are_asked_for(
    kind: str, data_type: int, count: int, elements: int, payload: bytes
) -> None:
    [view] = [_view(known) for known in KINDS if known.info.name == kind]
    assert view.packed(data_type, count) == (len(payload), elements, payload)


@pytest.mark.parametrize(
    ("text", "fits"),
    [("a" * 39, "a" * 39), ("a" * 40, "a" * 39), ("ä" * 20, "ä" * 19), ("a\udc80b", "a?b"), ("", "")],
)
def test_a_string_is_cut_at_a_whole_character(text: str, fits: str) -> None:
    assert dbr.text(text) == fits.encode().ljust(40, b"\0")


@pytest.mark.parametrize(
    ("data_type", "count", "payload", "value"),
    [
        (dbr.DOUBLE, 1, struct.pack(">d", -1.5), [-1.5]),
        (dbr.FLOAT, 2, struct.pack(">ff", 0.5, 2), [0.5, 2]),
        (dbr.LONG, 1, struct.pack(">i", -7) + b"\0" * 4, [-7]),
        (dbr.SHORT, 1, struct.pack(">h", -7) + b"\0" * 6, [-7]),
        (dbr.ENUM, 1, struct.pack(">H", 65535) + b"\0" * 6, [65535]),
        (dbr.CHAR, 3, b"abc" + b"\0" * 5, [97, 98, 99]),
        (dbr.CHAR, 0, b"", []),
        (dbr.STRING, 1, b"on\0" + b"x" * 37, ["on"]),
        (dbr.STRING, 1, b"on\0\0\0\0\0\0", ["on"]),
        (dbr.STRING, 1, b"", [""]),
        (dbr.STRING, 2, b"a".ljust(40, b"\0") + "ö".encode().ljust(40, b"\0"), ["a", "ö"]),
    ],
)
def test_what_a_client_sends(data_type: int, count: int, payload: bytes, value: list[Any]) -> None:
    assert list(dbr.unpack(data_type, count, payload)) == value


@pytest.mark.parametrize(
    ("data_type", "count", "payload", "says"),
    [
        (dbr.DOUBLE, 1, b"\0" * 7, "1 elements of DBR type 6 need more than 7 bytes"),
        (dbr.LONG, 0xFFFFFFFF, b"\0" * 8, "4294967295 elements of DBR type 5 need"),
        (dbr.STRING, 2, b"a\0", "2 elements of DBR type 0 need"),
        (dbr.STRING, 1, b"\xff\0", "text is not UTF-8"),
        (20, 1, b"\0" * 24, "DBR type 20 cannot be written"),
        (int(ChannelType.PUT_ACKS), 1, b"\0" * 8, "DBR type 36 cannot be written"),
    ],
)
def test_what_a_client_cannot_send(data_type: int, count: int, payload: bytes, says: str) -> None:
    with pytest.raises(dbr.Unconvertible, match=says):
        dbr.unpack(data_type, count, payload)
