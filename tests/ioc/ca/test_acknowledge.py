"""Alarms are acknowledged as by EPICS Base: a stock IOC and ours go through the same events."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import pytest

from pixieioc.ioc.records import Client, Record
from pixieioc.pvinfo import PvInfo
from tests.conftest import CA_PORTS
from tests.ioc.ca.libca import (
    ALARM,
    DOUBLE,
    ENUM,
    NO_WRITE_ACCESS,
    NORMAL,
    PUT_ACKS,
    PUT_ACKT,
    PUTFAIL,
    STRING,
    STSACK_STRING,
    Channel,
    Libca,
    wait,
)
from tests.ioc.ca.peer import writable
from tests.ioc.ca.serving import Serving, serving
from tests.ioc.ca.stock_ioc import stock_ioc

OURS, STOCK = "Ours:", "Stock:"
NAN = math.nan
DATABASE = """
record(ao, "Stock:Number") {
    field(PREC, "1") field(HIGH, "10") field(HSV, "MINOR") field(HIHI, "20") field(HHSV, "MAJOR") field(PINI, "YES")
}
"""
NUMBER = PvInfo("Number", "ao", "", 0.0, precision=1, limits=(NAN, NAN, 10.0, 20.0))
READING = PvInfo("Reading", "ai", "", 0.0, limits=(NAN, NAN, 10.0, 20.0))
QUIET = PvInfo("Quiet", "ai", "")
OK, MINOR, MAJOR, INVALID = range(4)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Libca]:
    with stock_ioc(DATABASE, tmp_path_factory.mktemp("stock"), CA_PORTS[1]), Libca() as made:
        yield made


@pytest.fixture
def ours() -> Iterator[Serving]:
    """Our server, in no alarm."""
    records = [writable(Record(NUMBER, f"{OURS}Number")), *(Record(i, OURS + i.name) for i in (READING, QUIET))]
    with serving(records, CA_PORTS[0]) as made:
        yield made


#: What is done (a value, or what is to be acknowledged), and ackt and acks after it.
STORIES: dict[str, list[tuple[str, float, tuple[int, int]]]] = {
    "an alarm that has gone wants to be acknowledged": [
        ("value", 15, (1, MINOR)), ("value", 25, (1, MAJOR)), ("value", 15, (1, MAJOR)), ("value", 0, (1, MAJOR)),
        ("acks", MINOR, (1, MAJOR)), ("acks", MAJOR, (1, OK)), ("value", 0, (1, OK)),
    ],
    "an alarm that is acknowledged stays so until it gets worse": [
        ("value", 15, (1, MINOR)), ("acks", MINOR, (1, OK)), ("value", 16, (1, OK)), ("value", 25, (1, MAJOR)),
        ("acks", INVALID, (1, OK)),
    ],
    "an alarm that comes back is new": [
        ("value", 15, (1, MINOR)), ("acks", MAJOR, (1, OK)), ("value", 0, (1, OK)), ("value", 15, (1, MINOR)),
        ("acks", MINOR, (1, OK)),
    ],
    "an alarm that becomes less after it was acknowledged is one": [
        ("value", 25, (1, MAJOR)), ("acks", MAJOR, (1, OK)), ("value", 15, (1, MINOR)), ("acks", MINOR, (1, OK)),
    ],
    "without ACKT an alarm that has gone is forgotten": [
        ("ackt", 0, (0, OK)), ("value", 25, (0, MAJOR)), ("value", 15, (0, MINOR)), ("value", 0, (0, OK)),
        ("ackt", 1, (1, OK)),
    ],
    "ACKT that is taken away lets go what has gone": [
        ("value", 25, (1, MAJOR)), ("value", 15, (1, MAJOR)), ("ackt", 0, (0, MINOR)), ("ackt", 1, (1, MINOR)),
        ("value", 0, (1, MINOR)), ("ackt", 0, (0, OK)), ("ackt", 1, (1, OK)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_acknowledging_is_as_in_the_stock_ioc(client: Libca, ours: Serving, story: str) -> None:
    for prefix in (OURS, STOCK):
        number = client.channel(f"{prefix}Number")
        for kind, value in (("value", 0.0), ("acks", INVALID), ("ackt", 1)):  # whatever was before
            assert _does(number, kind, value) == NORMAL
        for step, (kind, value, expected) in enumerate(STORIES[story]):
            assert _does(number, kind, value) == NORMAL
            assert (prefix, step, _said(number)[2:]) == (prefix, step, expected)


def _does(number: Channel, kind: str, value: float) -> int:
    match kind:
        case "value":
            return number.put(DOUBLE, value)
        case "acks":
            return number.put(PUT_ACKS, int(value))
        case _:
            return number.put(PUT_ACKT, int(value))


def _said(channel: Channel) -> tuple[int, ...]:
    """Status, severity, ackt and acks as DBR_STSACK_STRING has them."""
    return struct.unpack("=4H", channel.get(STSACK_STRING, 1)[:8])


def test_stsack_is_told_as_by_the_stock_ioc(client: Libca, ours: Serving) -> None:
    heard = {}
    for prefix in (OURS, STOCK):
        number = client.channel(f"{prefix}Number")
        assert [_does(number, kind, value) for kind, value in (("value", 0.0), ("acks", 3))] == [NORMAL, NORMAL]
        with number.monitor(STSACK_STRING, ALARM, 1) as posts:
            assert wait(lambda: len(posts) == 1)
            for kind, value in (("value", 15.0), ("value", 0.0), ("acks", MINOR), ("ackt", 0), ("ackt", 1)):
                assert _does(number, kind, value) == NORMAL
            number.get()
            heard[prefix] = [(*struct.unpack("=4H", post[:8]), post[8:48].partition(b"\0")[0]) for post in posts]
    assert heard[OURS] == heard[STOCK]
    assert len(heard[OURS]) == 6


def test_the_fields_say_the_same_and_are_posted(client: Libca, ours: Serving) -> None:
    number, acks, ackt = (client.channel(f"{OURS}{name}") for name in ("Number", "Number.ACKS", "Number.ACKT"))
    with acks.monitor(STRING) as severities, ackt.monitor(STRING) as transient:
        assert wait(lambda: bool(severities and transient))
        for kind, value in (("value", 25.0), ("value", 0.0), ("acks", MAJOR), ("ackt", 0)):
            assert _does(number, kind, value) == NORMAL
        assert wait(lambda: transient[-1] == ["NO"])
    # The last severities come with a change of the record's alarm.
    assert [s for i, s in enumerate(severities) if i == 0 or s != severities[i - 1]] == [
        ["NO_ALARM"], ["MAJOR"], ["NO_ALARM"],
    ]  # fmt: skip


def test_a_plain_put_to_the_fields_acknowledges_too(client: Libca, ours: Serving) -> None:
    number, acks, ackt = (client.channel(f"{OURS}{name}") for name in ("Number", "Number.ACKS", "Number.ACKT"))
    assert number.put(DOUBLE, 25.0) == NORMAL
    assert acks.put(STRING, "MINOR") == NORMAL
    assert acks.text() == "MAJOR"
    assert acks.put(ENUM, MAJOR) == NORMAL
    assert acks.text() == "NO_ALARM"
    assert ackt.put(STRING, "NO") == NORMAL
    assert _said(number)[2:] == (0, OK)


def test_alarms_of_what_is_read_only_can_be_acknowledged_and_nothing_else_be_written(
    client: Libca, ours: Serving
) -> None:
    reading = client.channel(f"{OURS}Reading")
    ours.do(lambda: ours[f"{OURS}Reading"].post(25.0))
    assert _said(reading)[1:] == (MAJOR, 1, MAJOR)
    assert reading.put(PUT_ACKS, MAJOR) == NORMAL
    assert _said(reading)[1:] == (MAJOR, 1, OK)
    assert reading.put(DOUBLE, 1.0) == NO_WRITE_ACCESS
    assert reading.get() == [25.0]


def test_what_cannot_be_in_alarm_takes_nothing(client: Libca, ours: Serving) -> None:
    quiet = client.channel(f"{OURS}Quiet")
    assert not quiet.writable
    assert quiet.put(PUT_ACKS, MAJOR) == NO_WRITE_ACCESS


@pytest.mark.parametrize(("kind", "values"), [(PUT_ACKS, (4,)), (PUT_ACKT, (2,))])
def test_what_is_no_severity_is_refused(client: Libca, ours: Serving, kind: int, values: tuple[int, ...]) -> None:
    number = client.channel(f"{OURS}Number")
    before = _said(number)
    assert number.put(kind, *values) == PUTFAIL
    assert _said(number) == before


def test_who_has_acknowledged_is_told_once(client: Libca, ours: Serving) -> None:
    heard: list[Client] = []
    record = ours[f"{OURS}Number"]
    record.on_acknowledge = heard.append
    number = client.channel(f"{OURS}Number")
    for kind, value in (("acks", MAJOR), ("value", 15), ("acks", OK), ("acks", MINOR), ("acks", MINOR)):
        assert _does(number, kind, value) == NORMAL
    assert len(heard) == 1
    assert heard[0].user


def test_a_record_that_begins_in_alarm_wants_to_be_acknowledged() -> None:
    assert Record(PvInfo("N", "ai", "", 15.0, limits=(NAN, NAN, 10.0, NAN)), "N").acks == MINOR
