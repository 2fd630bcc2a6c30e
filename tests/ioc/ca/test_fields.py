"""Fields of records as process variables of their own."""

from __future__ import annotations

import gc
import math
from typing import Any

import caproto as ca
import pytest

from pixieioc.ioc.ca.fields import find_field, has_field
from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records import MAJOR, MINOR, NO_ALARM, AlarmStatus, Client, PutRefused, Record, stamp
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.model import text_pv
from tests.conftest import CA_PORTS
from tests.ioc.ca.peer import Peer, conversation, writable

NAN = math.nan
JAN = Client("jan", "wall")
LONG_DOC = "A description that is longer than the forty bytes which a string of Channel Access has."

NUMBER = PvInfo(
    "N", "ao", LONG_DOC, 2.5, "mm", 3, limits=(NAN, 1.0, 10.0, 20.0), hysteresis=0.5, drive=(0.0, 50.0), access="EX"
)
WHOLE = PvInfo("N", "longin", "", 5, limits=(NAN, NAN, 3.0, NAN))
PERCENT = PvInfo("N", "ai", "", 0.0, unit="%", mdel=0.5, adel=2.0)
BINARY = PvInfo("N", "bi", "", labels=("Off", "On"), severities=("NO_ALARM", "MINOR"))
STATES = PvInfo("N", "mbbo", "", labels=("A", "B", "C"), severities=("NO_ALARM", "MAJOR", "INVALID"))
ARRAY = PvInfo("N", "waveform", "", [1.0, 2.0], "V", length=5)
TEXT = text_pv("N", "A text.", 300, initial="so long a text " * 10)
STRING = PvInfo("N", "stringin", "", "short")


def _read(info: PvInfo, field: str) -> Any:
    """The value of a field as a client sees it."""
    found = find_field(View(Record(info, "P:N")), field)
    assert found is not None
    return found.record.label if found.record.labels else found.record.value


@pytest.mark.parametrize(
    ("info", "field", "value"),
    [
        (NUMBER, "NAME", "P:N"),
        (NUMBER, "RTYP", "ao"),
        (NUMBER, "DESC", LONG_DOC[:39]),
        (NUMBER, "DESC$", LONG_DOC),
        (NUMBER, "ASG", "EX"),
        (PERCENT, "ASG", "DEFAULT"),
        (NUMBER, "EGU", "mm"),
        (NUMBER, "EGU$", "mm"),
        (NUMBER, "PREC", 3),
        (NUMBER, "LOW", 1.0),
        (NUMBER, "HIGH", 10.0),
        (NUMBER, "HIHI", 20.0),
        (NUMBER, "HHSV", "MAJOR"),
        (NUMBER, "HSV", "MINOR"),
        (NUMBER, "LLSV", "NO_ALARM"),
        (NUMBER, "HYST", 0.5),
        (NUMBER, "DRVL", 0.0),
        (NUMBER, "DRVH", 50.0),
        (NUMBER, "HOPR", 50.0),
        (NUMBER, "SEVR", "NO_ALARM"),
        (NUMBER, "SCAN", "I/O Intr"),
        (NUMBER, "UDF", 0),
        (WHOLE, "SEVR", "MINOR"),
        (WHOLE, "STAT", "HIGH"),
        (WHOLE, "HIGH", 3.0),
        (PERCENT, "MDEL", 0.5),
        (PERCENT, "ADEL", 2.0),
        (PERCENT, "HOPR", 100.0),
        (BINARY, "ZNAM", "Off"),
        (BINARY, "ONAM", "On"),
        (BINARY, "ZSV", "NO_ALARM"),
        (BINARY, "OSV", "MINOR"),
        (STATES, "ZRST", "A"),
        (STATES, "TWST", "C"),
        (STATES, "THST", ""),
        (STATES, "ONSV", "MAJOR"),
        (STATES, "TWSV", "INVALID"),
        (STATES, "FFSV", "NO_ALARM"),
        (ARRAY, "NELM", 5),
        (ARRAY, "NORD", 2),
        (ARRAY, "FTVL", "DOUBLE"),
        (ARRAY, "EGU", "V"),
        (TEXT, "FTVL", "CHAR"),
        (TEXT, "NELM", 300),
        (STRING, "VAL$", "short"),
    ],
)
def test_a_field_is_true(info: PvInfo, field: str, value: Any) -> None:
    assert _read(info, field) == value


def test_a_limit_that_is_not_set_is_no_number() -> None:
    assert math.isnan(_read(NUMBER, "LOLO"))


@pytest.mark.parametrize(
    ("info", "field"),
    [
        (NUMBER, "ZNAM"),
        (NUMBER, "NELM"),
        (NUMBER, "egu"),
        (NUMBER, ""),
        (NUMBER, "VAL$"),
        (NUMBER, "PREC$"),
        (NUMBER, "$"),
        (PERCENT, "DRVH"),
        (WHOLE, "PREC"),
        (BINARY, "EGU"),
        (STATES, "ZNAM"),
        (TEXT, "HIHI"),
    ],
)
def test_a_field_that_a_record_has_not(info: PvInfo, field: str) -> None:
    assert (has_field(info, field), find_field(View(Record(info, "N")), field)) == (False, None)


def test_a_field_is_there_as_long_as_somebody_looks_at_it() -> None:
    view = View(Record(NUMBER, "N"))
    field = find_field(view, "SEVR")
    assert find_field(view, "SEVR") is field
    del field
    gc.collect()
    assert dict(view.fields) == {}


def test_fields_follow_their_record() -> None:
    record = Record(NUMBER, "N")
    view = View(record)
    fields = {name: find_field(view, name) for name in ("SEVR", "STAT", "TIME", "EGU")}
    record.post(25.0, stamp(1e9))
    assert [field and field.record.value for field in fields.values()][:2] == [MAJOR, AlarmStatus.HIHI]
    assert fields["TIME"] is not None
    assert fields["TIME"].record.value.startswith("2001-09-0")
    for field in fields.values():  # each has the record's alarm and time
        assert field is not None
        assert (field.record.severity, field.record.stamp) == (MAJOR, stamp(1e9))


def test_a_limit_can_be_changed() -> None:
    record = Record(NUMBER, "N")
    record.post(9.0)
    high = find_field(View(record), "HIGH")
    assert high is not None
    high.put(8.0, JAN)
    assert (record.severity, high.record.value, record.info.limits[2]) == (MINOR, 8.0, 8.0)
    high.put(30.0, JAN)  # above HIHI: each is for itself
    assert (record.severity, record.info.limits) == (NO_ALARM, pytest.approx((NAN, 1.0, 30.0, 20.0), nan_ok=True))
    record.post(25.0)
    assert record.severity == MAJOR
    high.put(NAN, JAN)
    assert math.isnan(high.record.value)


@pytest.mark.parametrize("field", ["NAME", "SEVR", "HOPR", "DRVH", "TIME", "NAME$", "PACT", "TPRO", "SIMM", "OUT"])
def test_what_is_a_fact_cannot_be_written(field: str) -> None:
    found = find_field(View(Record(NUMBER, "N")), field)
    assert found is not None
    assert not found.is_writable
    with pytest.raises(PutRefused, match=r"cannot be written"):
        found.write(1, JAN)


@pytest.fixture(autouse=True)
def port_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CAS_SERVER_PORT", str(CA_PORTS[0]))


@pytest.mark.parametrize(
    ("name", "native", "length", "rights"),
    [
        ("N.EGU", ca.ChannelType.STRING, 1, 3),
        ("N.PREC", ca.ChannelType.INT, 1, 3),
        ("N.PROC", ca.ChannelType.CHAR, 1, 3),
        ("N.OUT", ca.ChannelType.STRING, 1, 1),
        ("N.SEVR", ca.ChannelType.ENUM, 1, 1),
        ("N.HIHI", ca.ChannelType.DOUBLE, 1, 3),
        ("N.DESC$", ca.ChannelType.CHAR, 256, 3),
        ("N.VAL", ca.ChannelType.DOUBLE, 1, 3),
        ("T.VAL$", ca.ChannelType.CHAR, 300, 1),
        ("T$", ca.ChannelType.CHAR, 300, 1),
        ("S$", ca.ChannelType.CHAR, 40, 1),
    ],
)
@conversation
async def test_fields_are_channels(name: str, native: int, length: int, rights: int) -> None:
    records = [writable(Record(NUMBER, "N")), Record(TEXT, "T"), Record(STRING, "S")]
    async with Server(records, ["127.0.0.1"]) as server:
        peer = await Peer.connect(server.port)
        peer.say(ca.CreateChanRequest(name, 5, 13))
        assert (await peer.hear(ca.AccessRightsResponse)).access_rights == rights
        created = await peer.hear(ca.CreateChanResponse)
        assert (created.data_type, created.data_count) == (native, length)
        assert len(await peer.get(created.sid, native)) in (1, len(TEXT.initial) + 1, len(LONG_DOC) + 1, 6)


@conversation
async def test_changed_metadata_are_told_to_whom_they_are_about() -> None:
    record = writable(Record(NUMBER, "N"))
    async with Server([record], ["127.0.0.1"]) as server:
        peer = await Peer.connect(server.port)
        value, high, status = [await peer.channel(name) for name in ("N", "N.HIGH", "N.STAT")]
        mask = ca.SubscriptionType.DBE_PROPERTY
        peer.say(ca.EventAddRequest(ca.ChannelType.CTRL_DOUBLE, 1, value, 7, 0, 0, 0, mask))
        await peer.event(7)
        await peer.monitor(status, 8)
        assert await peer.put(value, 9.0) == "ECA_NORMAL"  # no property
        peer.say(peer.writing(high, 8.0))
        event: Any = await peer.hear(ca.EventAddResponse)
        assert (event.subscriptionid, event.metadata.upper_warning_limit, event.metadata.severity) == (7, 8.0, 1)
        assert await peer.event(8) == [AlarmStatus.HIGH]
        await peer.hear(ca.WriteNotifyResponse)
        await peer.lives()


@conversation
async def test_a_status_that_no_enum_has_is_told_as_text() -> None:
    """Channel Access has 16 labels, EPICS 22 alarm states."""
    record = Record(PvInfo("N", "ai", "", NAN, limits=(NAN, NAN, 1.0, NAN)), "N")
    async with Server([record], ["127.0.0.1"]) as server:
        peer = await Peer.connect(server.port)
        status = await peer.channel("N.STAT")
        assert await peer.get(status, ca.ChannelType.STRING) == [b"UDF"]
        assert await peer.get(status, ca.ChannelType.ENUM) == [AlarmStatus.UDF]
