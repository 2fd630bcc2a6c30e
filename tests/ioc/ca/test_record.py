"""A record: what it posts to whom, and what it takes from a client."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from typing import Any

import numpy as np
import pytest
from caproto import ChannelType
from hypothesis import example, given
from hypothesis import strategies as st

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca.listeners import DBE_ALARM, DBE_LOG, DBE_PROPERTY, DBE_VALUE, Body
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records import MAJOR, MINOR, AlarmStatus, Client, Record, stamp
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.model import Source, text_pv
from tests.ioc.ca.put_records import RECORDS

NAN, INF = math.nan, math.inf
DOUBLE = PvInfo("N", "ao", "", 0.0, precision=1, limits=(NAN, NAN, 10.0, 20.0))
LONG = PvInfo("N", "longout", "")
DRIVEN = PvInfo("N", "ao", "", 0.0, drive=(-5.0, 10.0))
STEPS = PvInfo("N", "longout", "", drive=(-5, 10))
WIDE = PvInfo("N", "int64out", "")
ENUM = PvInfo(
    "N", "mbbo", "", labels=("Off", "On", "3", "Half way"), severities=("NO_ALARM", "MINOR", "MAJOR", "INVALID")
)
TEXT = text_pv("N", "", 8)
STRING = PvInfo("N", "stringin", "", "")
DOUBLES = PvInfo("N", "waveform", "", [0.0], length=3)
LONGS = PvInfo("N", "waveform", "", [0], element="LONG", length=3)


class Listening:
    """A subscription that remembers what it was told: the value and its severity."""

    count = 0
    kind = int(ChannelType.STS_STRING)

    def __init__(self, view: View, mask: int) -> None:
        self.mask = mask
        self.told: list[str] = []
        view.listeners.add(self)

    def notify(self, body: Body) -> None:
        size, count, payload = body
        assert size == len(payload)
        text = payload[4 : 4 + 40 * count].replace(b"\0" * 40, b"-").replace(b"\0", b" ").decode()
        self.told.append(f"{' '.join(text.split())} {payload[3]}")

    def fail(self) -> None:
        self.told.append("no form")


def _told(info: PvInfo, *posts: Any, mask: int = DBE_VALUE | DBE_ALARM, **more: Any) -> list[str]:
    """What a listener hears of some posts; a tuple is a value with options."""
    record = Record(info, "N")
    listening = Listening(View(record), mask)
    for post in posts:
        if isinstance(post, tuple):
            record.post(post[0], **post[1])
        else:
            record.post(post)
    return listening.told


DEAD = PvInfo("N", "ai", "", 0.0, precision=1, mdel=1.0, adel=3.0)
ALWAYS = PvInfo("N", "ai", "", 0.0, precision=1, mdel=-1.0)
HYSTERESIS = PvInfo("N", "ai", "", 0.0, precision=1, limits=(NAN, NAN, 10.0, NAN), hysteresis=2.0, mdel=100.0)


@pytest.mark.parametrize(
    ("info", "posts", "mask", "told"),
    [
        (DEAD, [0.5, 1.0, 1.5, 2.5, 2.6, 3.5, 0.4], DBE_VALUE, ["1.5 0", "2.6 0", "0.4 0"]),
        (DEAD, [0.5, 1.0, 1.5, 2.5, 2.6, 3.5, 0.4, 0.6], DBE_LOG, ["3.5 0", "0.4 0"]),
        (DEAD, [3.5, 3.6], DBE_VALUE | DBE_LOG, ["3.5 0"]),
        (DEAD, [NAN, NAN, 0.0, -0.5, INF, INF, -INF], DBE_VALUE, ["nan 0", "0.0 0", "inf 0", "-inf 0"]),
        (DEAD, [(0.1, {"force": True})], DBE_VALUE, ["0.1 0"]),
        (ALWAYS, [0.0, 0.0, NAN, NAN], DBE_VALUE, ["0.0 0", "0.0 0", "nan 0", "nan 0"]),
        (ALWAYS, [0.0, 0.0, 1.0], DBE_LOG, ["1.0 0"]),
        # An alarm is told whatever the deadband.
        (HYSTERESIS, [9.0, 10.0, 8.5, 7.9], DBE_VALUE | DBE_ALARM, ["10.0 1", "7.9 0"]),
    ],
)
def test_deadbands(info: PvInfo, posts: list[Any], mask: int, told: list[str]) -> None:
    assert _told(info, *posts, mask=mask) == told


def test_an_array_is_what_it_was_when_it_was_posted() -> None:
    values = np.zeros(3)
    record = Record(DOUBLES, "N")
    listening = Listening(View(record), DBE_VALUE)
    for i in range(1, 3):
        values[0] = i
        record.post(values)
    assert listening.told == ["1 0 0 0", "2 0 0 0"]


FORCE = {"force": True}


@pytest.mark.parametrize(
    ("info", "posts", "told"),
    [
        (DOUBLE, [1.0, 2.0], ["1.0 0", "2.0 0"]),
        (DOUBLE, [0.0, 1.0, 1.0, 1, np.float64(1)], ["1.0 0"]),
        (DOUBLE, [(0.0, FORCE), (0.0, FORCE)], ["0.0 0", "0.0 0"]),
        (DOUBLE, [NAN, NAN, 0.0], ["nan 3", "0.0 0"]),
        (DOUBLE, [15.0, 25.0, 25.0, 0.0], ["15.0 1", "25.0 2", "0.0 0"]),
        # A severity of its own instead of the value's; without one it follows from the value again.
        (DOUBLE, [(0.0, {"severity": 2}), (0.0, {"severity": 2}), 0.0], ["0.0 2", "0.0 0"]),
        (DOUBLE, [(25.0, {"severity": 0}), 25.0], ["25.0 0", "25.0 2"]),
        (LONG, [0, 1, True, 2.0], ["1 0", "2 0"]),
        (WIDE, [2**53], ["9007199254740992 0"]),
        (ENUM, ["Off", "On", 1, "1", "Half way", "3"], ["On 1", "Half way 3", "3 2"]),
        (TEXT, ["", "a", "a", "ab"], ["a 0", "ab 0"]),
        (TEXT, ["1234567890", "123456789", "ä" * 9, "\0\0"], ["1234567 0", "äää 0", " 0"]),
        (TEXT, ["\udc80", "a\ud800b"], ["? 0", "a?b 0"]),
        (STRING, ["x" * 50], ["x" * 39 + " 0"]),
        (DOUBLES, [[0.0], [0.0, 1.0], np.array([0.0, 1.0]), [0.0, NAN], [1, 2, 3]], ["0 1 0", "0 nan 0", "1 2 3 0"]),
        (LONGS, [[5], 5, np.array([5, 6], ">u2")], ["5 0", "5 6 0"]),
        (LONGS, [[2**40, -(2**40)], np.array([1e12, NAN])], ["2147483647 -2147483648 0", "2147483647 0 0"]),
    ],
)
def test_only_what_has_changed_is_told(info: PvInfo, posts: list[Any], told: list[str]) -> None:
    assert _told(info, *posts) == told


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (DBE_VALUE, ["5.0 0", "15.0 1", "16.0 1"]),
        (DBE_LOG, ["5.0 0", "15.0 1", "16.0 1"]),
        (DBE_ALARM, ["15.0 1", "16.0 0"]),
        (DBE_VALUE | DBE_ALARM, ["5.0 0", "15.0 1", "16.0 1", "16.0 0"]),
        (DBE_PROPERTY, []),
    ],
)
def test_a_listener_hears_what_its_mask_is_about(mask: int, told: list[str]) -> None:
    assert _told(DOUBLE, 5.0, 15.0, 16.0, (16.0, {"severity": 0}), mask=mask) == told


@pytest.mark.parametrize(
    ("info", "value", "says"),
    [
        (ENUM, "on", "'on' is none of: 0 Off, 1 On, 2 3, 3 Half way"),
        (ENUM, 4, "4 is none of"),
        (ENUM, -1, "-1 is none of"),
        (DOUBLES, [1, 2, 3, 4], "N: 4 elements, 3 fit"),
    ],
)
def test_a_value_that_it_cannot_have_changes_nothing(info: PvInfo, value: Any, says: str) -> None:
    record = Record(info, "N")
    before = (record.value, record.stamp, record.severity)
    with pytest.raises(ValueError, match=says):
        record.post(value)
    assert (record.value, record.stamp, record.severity) == before


def test_stamps() -> None:
    record = Record(DOUBLE, "N")
    record.post(1.0, stamp(1e9 + 0.5))
    assert record.stamp == 1_000_000_000_500_000_000
    assert dbr.epics_time(record.stamp) == (1_000_000_000 - 631_152_000, 500_000_000)
    before = stamp(time.time())
    record.post(1.0)  # also of a value that has not changed: it is current
    assert before <= record.stamp <= stamp()
    assert dbr.epics_time(stamp(0.0)) == (0, 0)


def test_an_alarm_alone_keeps_value_and_stamp() -> None:
    record = Record(DOUBLE, "N")
    listening = Listening(View(record), DBE_ALARM)
    record.post(1.0, stamp(1e9))
    record.post_alarm(MAJOR)
    assert listening.told == ["1.0 2"]
    assert (record.value, record.stamp, record.status) == (1.0, stamp(1e9), AlarmStatus.SOFT)


def test_whoever_sums_severities_hears_of_changes_only() -> None:
    record = Record(DOUBLE, "N")
    heard: list[tuple[int, int]] = []
    record.on_severity = lambda record, old: heard.append((old, record.severity))
    for value in (1.0, 15.0, 16.0, 25.0, 0.0, 1.0):
        record.post(value)
    assert heard == [(0, 1), (1, 2), (2, 0)]


def test_the_initial_value_has_its_severity_already() -> None:
    assert Record(PvInfo("N", "ai", "", 15.0, limits=DOUBLE.limits), "N").severity == MINOR
    assert Record(PvInfo("N", "bi", "", 1, labels=("A", "B"), severities=("MAJOR", "NO_ALARM")), "N").severity == 0


def test_a_client_is_named_as_user_at_host() -> None:
    assert str(Client("jan", "wall", "10.0.0.7:1234")) == "jan@wall"


# -- what it takes from a client --------------------------------------------------------------------------------------


def _sent(value: Any) -> tuple[int, int, bytes]:
    """A value as a client sends it: text as DBR_STRING, bytes as characters, whole numbers as LONG, others DOUBLE."""
    match value:
        case str():
            return dbr.STRING, 1, value.encode()
        case bytes():
            return dbr.CHAR, len(value), value
        case [str(), *_]:
            return dbr.STRING, len(value), b"".join(text.encode().ljust(40, b"\0") for text in value)
        case list():
            return dbr.DOUBLE, len(value), np.array(value, ">f8").tobytes()
        case int():
            return dbr.LONG, 1, value.to_bytes(4, signed=True)
        case _:
            return dbr.DOUBLE, 1, np.array([value], ">f8").tobytes()


@pytest.mark.parametrize(
    ("info", "sent", "value"),
    [
        (ENUM, "On", 1),
        (ENUM, "3", 2),  # a label comes before an index
        (ENUM, "2", 2),
        (ENUM, " 0 ", 0),
        (ENUM, 3, 3),
        (ENUM, 1.0, 1),
        (ENUM, b"\x02", 2),
        (DOUBLE, 2.5, 2.5),
        (DOUBLE, 7, 7.0),
        (DOUBLE, "1e3", 1000.0),
        (DOUBLE, " -2.5 ", -2.5),
        (DOUBLE, "0x10", 16.0),
        (LONG, -5, -5),
        (LONG, 3.0, 3),
        (LONG, "12", 12),
        (LONG, "1e3", 1000),
        (LONG, "-0x10", -16),
        (LONG, 2.0**31 - 1, 2**31 - 1),
        (LONG, 158.22, 158),
        (LONG, -158.9, -158),
        (LONG, "158.22", 158),
        (LONG, "010", 8),  # as in C
        (ENUM, 1.5, 1),
        (ENUM, "+1", 1),
        (ENUM, "0x1", 1),
        (WIDE, 2.0**53, 2**53),
        (WIDE, -5, -5),
        (DRIVEN, 9.5, 9.5),
        (DRIVEN, 10.5, 10.0),
        (DRIVEN, "-1e3", -5.0),
        (DRIVEN, INF, 10.0),
        (STEPS, 11, 10),
        (STEPS, -5.0, -5),
        (STEPS, "-0x10", -5),
        (dataclasses.replace(STEPS, record="int64out"), 1e12, 10),
        (dataclasses.replace(DRIVEN, record="ai"), 11.0, 11.0),  # which has no drive limits
        (dataclasses.replace(DRIVEN, source=Source("parameter")), 11.0, 11.0),  # run control refuses it
        (dataclasses.replace(DRIVEN, drive=(0.0, 0.0)), 11.0, 11.0),  # there is nothing between them: none
        (dataclasses.replace(DRIVEN, drive=(10.0, -5.0)), 11.0, 11.0),
        (dataclasses.replace(DRIVEN, drive=(0.0, INF)), -1.0, -1.0),  # DRVL and DRVH are two or none
        (TEXT, b"1234567\0", "1234567"),
        (TEXT, b"abc\0defghijklmn", "abc"),
        (TEXT, b"abc", "abc"),
        (TEXT, "äöü".encode(), "äöü"),
        (TEXT, "text", "text"),
        (TEXT, [65, 66], "AB"),
        (TEXT, [65.9], "A"),
        (TEXT, [-61.0, -92.0], "ä"),  # signed bytes
        (TEXT, [65, 0xC3, 0xA4], "Aä"),
        (TEXT, [65, 0xE4, 0], "Aä"),  # UTF-16, as Phoebus sends it
        (TEXT, [0x20AC, 0xD83D, 0xDE00], "€😀"),
        (TEXT, ["65", "0x42", "67"], "ABC"),
        (TEXT, "65", "65"),
        (TEXT, b"", ""),
        (TEXT, "", ""),
        (DOUBLES, [1.5, 2.5], [1.5, 2.5]),
        (DOUBLES, b"\x01\x02\x03", [1, 2, 3]),
        (DOUBLES, ["1", "0x10", "-2.5"], [1, 16, -2.5]),
        (DOUBLES, [], []),
        (LONGS, [1.0, -(2.0**31)], [1, -(2**31)]),
        (LONGS, [0.5, -2.9], [0, -2]),
        (LONGS, ["1", "2.5"], [1, 2]),
        (STRING, "a", "a"),
        (STRING, 158.22, "158.220000"),
        (STRING, -7, "-7"),
    ],
)
def test_accepted(info: PvInfo, sent: Any, value: Any) -> None:
    accepted = View(Record(info, "N")).accept(*_sent(sent))
    assert (list(accepted) if isinstance(accepted, np.ndarray) else accepted) == value
    assert isinstance(accepted, np.ndarray if isinstance(value, list) else type(value))


@pytest.mark.parametrize(
    ("info", "sent", "says"),
    [
        (ENUM, "on", "'on' is none of: 0 Off, 1 On, 2 3, 3 Half way"),
        (ENUM, 4, "4 is none of"),
        (ENUM, -1, "-1 is none of"),
        (ENUM, INF, "inf is none of"),
        (ENUM, NAN, "nan is none of"),
        (ENUM, "-1", "'-1' is none of"),
        (ENUM, "1.0", "'1.0' is none of"),
        (ENUM, "", "'' is none of"),
        (ENUM, b"", "no value was sent"),
        (DOUBLE, "much", "'much' is not a number"),
        (DOUBLE, "0xg", "'0xg' is not a number"),
        (DOUBLE, "", "'' is not a number"),
        (DOUBLE, [], "no value was sent"),
        (DOUBLE, "12.5 mm", "'12.5 mm' is not a number"),
        (DOUBLE, "1_0", "'1_0' is not a number"),
        (DOUBLE, "1e400", "'1e400' does not fit"),
        (DOUBLE, [1.0, 2.0], "2 elements, 1 fits"),
        (LONG, "08", "'08' begins with 0, as an octal number does, and is none"),
        (LONG, "1,5", "'1,5' is not a number"),
        (LONG, [4.0, 5.0], "2 elements, 1 fits"),
        (ENUM, [1.0, 0.0], "2 elements, 1 fits"),
        (STRING, ["a", "b"], "2 elements, 1 fits"),
        (STRING, "a" * 40, "a string has more than 39 bytes"),
        (LONG, NAN, "nan is not a whole number"),
        (LONG, "inf", "'inf' is not a whole number"),
        (LONG, 2.0**31, "2147483648.0 does not fit: must be from -2147483648 to 2147483647"),
        (LONG, "1e12", "does not fit"),
        (STEPS, 1e12, "does not fit: must be from -2147483648 to"),
        (WIDE, 2.0**53 + 2, "does not fit: must be from -9007199254740992 to 9007199254740992"),
        (TEXT, b"12345678", "the text has 8 bytes, 7 fit"),
        (TEXT, "ääää".encode(), "the text has 8 bytes, 7 fit"),
        (TEXT, "12345678", "the text has 8 bytes, 7 fit"),
        (TEXT, b"\xff\xfe", "text is not UTF-8"),
        (TEXT, 70000, "70000 is not a number from -128 to 65535"),
        (TEXT, [0xD83D, 65], "the numbers are no text"),
        (TEXT, [65.0, NAN], "nan is not a number from -128 to 65535"),
        (TEXT, [65.0] * 8, "the text has 8 bytes, 7 fit"),
        (TEXT, ["65", "A"], "'A' is not a number"),
        (TEXT, -1, "text is not UTF-8"),
        (DOUBLES, [1.0] * 4, "4 elements, 3 fit"),
        (DOUBLES, "much", "'much' is not a number"),
        (DOUBLES, ["1", ""], "'' is not a number"),
        (LONGS, [1.0, 1e12], "1000000000000.0 is not a number from -2147483648 to 2147483647"),
        (LONGS, [NAN], "nan is not a number from"),
        (LONGS, ["1", "1e12"], "is not a number from"),
    ],
)
def test_refused(info: PvInfo, sent: Any, says: str) -> None:
    view = View(Record(info, "N"))
    with pytest.raises(dbr.Unconvertible, match=says):
        view.accept(*_sent(sent))


_DIGITS = st.text("0123456789abcdefxinXE+-. _", max_size=39)
_SENT = st.one_of(
    st.lists(_DIGITS, max_size=4).map(
        lambda texts: (dbr.STRING, len(texts), b"".join(text.encode().ljust(40, b"\0") for text in texts))
    ),
    st.tuples(st.integers(0, 7), st.integers(0, 5), st.binary(max_size=64)),
    st.lists(st.floats(), max_size=4).map(lambda values: (dbr.DOUBLE, len(values), np.array(values, ">f8").tobytes())),
)


@example((dbr.STRING, 2, b"0x" + b"f" * 37 + b"\0" + b"0" + b"7" * 38 + b"\0"))
@example((dbr.STRING, 1, b"9" * 39 + b"\0"))
@given(_SENT)
def test_whatever_is_sent_is_a_value_of_the_record_or_refused(sent: tuple[int, int, bytes]) -> None:
    for info in RECORDS:
        view = View(Record(info, "N"))
        try:
            value = view.accept(*sent)
        except dbr.Unconvertible:
            continue
        view.record.post(value)
        for kind in range(7):
            with contextlib.suppress(dbr.Unconvertible):  # a text that is no number
                view.packed(kind, 0)


def test_drive_limits_that_change_hold_from_then_on() -> None:
    view = View(Record(DRIVEN, "N"))
    view.record.describe(drive=(0.0, 100.0))
    assert [view.accept(*_sent(value)) for value in (-1.0, 50.0, 101.0)] == [0.0, 50.0, 100.0]
    assert math.isnan(view.accept(*_sent(NAN)))
