"""Rights as a client sees them: reading and writing, by the group of a record and the level of a field."""

from __future__ import annotations

from typing import Any

import caproto as ca
import pytest
from epicscorelibs.path import base_path

from pixieioc.ioc.ca.channel import Channel
from pixieioc.ioc.ca.names import find
from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.ca.view import Views
from pixieioc.ioc.records import Client, PutRefused, Record
from pixieioc.ioc.records.client import PutFailed
from pixieioc.ioc.records.field_table import FIELDS
from pixieioc.ioc.records.rights import ALL, READ_ONLY, Rights, Security
from pixieioc.ioc.records.written import Written
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.model import NO_LIMITS
from tests.conftest import CA_PORTS
from tests.ioc.ca.peer import Peer, conversation, raw, writable

NOTHING = Rights(read=False, write=False, trap=False)
LOCAL = ["127.0.0.1"]
LIMITS = (*NO_LIMITS[:3], 5.0)


@pytest.fixture(autouse=True)
def port_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CAS_SERVER_PORT", str(CA_PORTS[0]))


class _Ruled(Server):
    """What is not in `given` may be done by everybody."""

    def __init__(self, *records: Record) -> None:
        super().__init__(records, LOCAL)
        self.given: dict[str, Rights] = {}

    def rights(self, security: Security, client: Client) -> Rights:
        return self.given.get(security.writing, ALL)


def _record(name: str = "secret", access: Any = "EN") -> Record:
    return writable(Record(PvInfo(name, "ao", "", 1.0, access=access), name))


@pytest.mark.parametrize(
    ("name", "security"),
    [
        ("written", ("EN", "EN", 0)),
        ("written.VAL", ("EN", "EN", 0)),
        ("written.HIHI", ("EN", "EN", 1)),
        ("written.SEVR", ("EN", "EN", 1)),
        ('written.{"dbnd":{"abs":1}}', ("EN", "EN", 0)),
        ('written.HIHI{"dbnd":{"abs":1}}', ("EN", "EN", 1)),
        ("shown", ("DEFAULT", "OP", 0)),
        ("shown.HIHI", ("DEFAULT", "EX", 1)),
        ("shown.ACKS", ("DEFAULT", "OP", 1)),
        ("shown.SEVR", ("DEFAULT", "DEFAULT", 1)),
        ("text$", ("EX", "EX", 0)),
        ("text.DESC$", ("EX", "EX", 1)),
    ],
)  # fmt: skip
def test_what_the_rights_to_a_name_follow_from(name: str, security: tuple[str, str, int]) -> None:
    records = [
        _record("written"),
        Record(PvInfo("shown", "ai", "", 0.0, limits=LIMITS), "shown"),
        writable(Record(PvInfo("text", "stringout", "", "", access="EX"), "text")),
    ]
    view = find(Views(records), name)
    assert view is not None
    assert view.security == security


@pytest.mark.parametrize("record", FIELDS)
def test_the_value_alone_is_of_level_0_as_in_base(record: str) -> None:
    from pathlib import Path

    levels = {}
    for name in ("dbCommon", f"{record}Record"):
        text = (Path(base_path) / "dbd" / f"{name}.dbd").read_text()
        for field in text.split("field(")[1:]:
            levels[field.partition(",")[0]] = 0 if "asl(ASL0)" in field else 1
    assert {field for field, level in levels.items() if level == 0} == {"VAL"}


@conversation
async def test_what_must_not_be_read_is_not_and_monitors_pause() -> None:
    record = _record()
    async with _Ruled(record, _record("open", "OP")) as server:
        peer = await Peer.connect(server.port)
        secret = await peer.channel("secret")
        assert await peer.monitor(secret) == [1.0]
        server.given["EN"] = NOTHING
        server.review_rights()
        event = await peer.hear(ca.EventAddResponse)
        assert (event.subscriptionid, event.status.name) == (77, "ECA_NORDACCESS")
        assert (await peer.hear(ca.AccessRightsResponse)).access_rights == 0
        record.post(2.0)
        peer.say(ca.ReadNotifyRequest(ca.ChannelType.DOUBLE, 1, secret, 9))
        answer = await peer.hear(ca.ReadNotifyResponse)
        assert (answer.ioid, answer.status.name) == (9, "ECA_NORDACCESS")
        peer.say(raw(3, 0, 6, 1, secret, 4))
        assert await peer.error() == "ECA_NORDACCESS"
        peer.say(peer.subscribing(secret, 78))
        assert (await peer.hear(ca.EventAddResponse)).status.name == "ECA_NORDACCESS"
        assert await peer.put(secret, 3.0) == "ECA_NOWTACCESS"
        assert await peer.get(await peer.channel("open")) == [1.0]
        server.given["EN"] = READ_ONLY
        server.review_rights()
        assert [await peer.event(77), await peer.event(78)] == [[2.0], [2.0]]
        assert (await peer.hear(ca.AccessRightsResponse)).access_rights == 1
        peer.say(ca.EventCancelRequest(ca.ChannelType.DOUBLE, secret, 77))
        await peer.hear(ca.EventAddResponse)  # the confirmation
        record.post(4.0)
        assert await peer.event(78) == [4.0]


@conversation
async def test_a_client_that_may_not_read_from_the_beginning_may_go_away() -> None:
    async with _Ruled(_record()) as server:
        server.given["EN"] = NOTHING
        peer = await Peer.connect(server.port)
        secret = await peer.channel("secret")
        peer.say(peer.subscribing(secret))
        assert (await peer.hear(ca.EventAddResponse)).status.name == "ECA_NORDACCESS"
        peer.say(ca.EventCancelRequest(ca.ChannelType.DOUBLE, secret, 77))
        await peer.hear(ca.EventAddResponse)  # the confirmation
        peer.say(peer.subscribing(secret))
        assert (await peer.hear(ca.EventAddResponse)).status.name == "ECA_NORDACCESS"
        await peer.gone()
        other = await Peer.connect(server.port)
        server.given.clear()
        assert await other.get(await other.channel("secret")) == [1.0]


@conversation
async def test_channels_are_looked_at_only_when_a_right_of_theirs_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    take = Channel.take

    def noted(channel: Channel, rights: Rights) -> bool:
        taken.append(channel.view.name)
        return take(channel, rights)

    monkeypatch.setattr(Channel, "take", noted)
    async with _Ruled(_record(), _record("open", "OP")) as server:
        peer = await Peer.connect(server.port)
        for name in ("secret", "open", "secret.HIHI"):
            await peer.channel(name)
        server.review_rights()
        assert taken == []
        server.given["EN"] = READ_ONLY
        server.review_rights()
        assert taken == ["secret", "secret.HIHI"]


def _refusing(value: Any, client: Client) -> None:
    raise PutRefused("not now")


@conversation
async def test_puts_are_told_of_with_what_they_write_and_what_becomes_of_them() -> None:
    trapped, refusing = _record("trapped", "OP"), _record("refusing", "OP")
    refusing.put = _refusing
    alarm = Record(PvInfo("alarm", "ai", "", 9.0, limits=LIMITS), "alarm")
    heard: list[Written] = []
    async with _Ruled(trapped, refusing, alarm, _record("quiet", "EX"), _record("closed")) as server:
        server.given |= {
            "OP": Rights(read=True, write=True, trap=True),
            "EN": Rights(read=True, write=False, trap=True),
        }
        server.put_listener = heard.append
        peer = await Peer.connect(server.port)
        peer.say(ca.ClientNameRequest("jan"), ca.HostNameRequest("wall"))
        channels = {name: await peer.channel(name) for name in ("trapped", "refusing", "alarm", "quiet", "closed")}
        for name, value, kind in (
            ("trapped", 2.0, ca.ChannelType.DOUBLE),
            ("refusing", 2.0, ca.ChannelType.DOUBLE),
            ("trapped", b"much", ca.ChannelType.STRING),
            ("quiet", 2.0, ca.ChannelType.DOUBLE),
            ("closed", 2.0, ca.ChannelType.DOUBLE),
            ("alarm", 2, ca.ChannelType.PUT_ACKS),
        ):
            await peer.put(channels[name], value, data_type=kind)
        assert [(put.name, put.new, put.old, put.outcome, put.why) for put in heard] == [
            ("trapped", 2.0, 1.0, "accepted", ""),
            ("refusing", 2.0, 1.0, "refused", "not now"),
            ("trapped", "much", 2.0, "refused", "'much' is not a number"),
            ("closed", 2.0, 1.0, "refused", "no write access"),
            ("alarm.ACKS", 2, 2, "accepted", ""),
        ]
        assert {str(put.client) for put in heard} == {"jan@wall"}
        server.all_puts = True
        await peer.put(channels["quiet"], 3.0)
        assert heard[-1].name == "quiet"


@conversation
async def test_a_put_that_goes_on_is_told_of_when_it_has_begun_and_when_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import asyncio

    from pixieioc.ioc.records import told

    monkeypatch.setattr(told, "SOON", 0.05)
    end, record = asyncio.Event(), _record("run", "OP")

    async def run() -> None:
        await end.wait()
        raise PutRefused("a task has failed")

    record.put = lambda value, client: run()
    heard: list[Written] = []
    begun = asyncio.Event()

    def hear(put: Written) -> None:
        heard.append(put)
        begun.set()

    async with _Ruled(record) as server:
        server.all_puts, server.put_listener = True, hear
        peer = await Peer.connect(server.port)
        channel = await peer.channel("run")
        peer.say(peer.writing(channel, 1.0))
        await begun.wait()
        assert [put.outcome for put in heard] == ["started"]
        end.set()
        assert (await peer.hear(ca.WriteNotifyResponse)).status.name == "ECA_PUTFAIL"
        assert [(put.outcome, put.why) for put in heard[1:]] == [("failed", "a task has failed")]
        assert heard[0].stamp == heard[1].stamp


@conversation
async def test_what_was_accepted_has_failed_and_is_not_refused_however_soon_that_is() -> None:
    record = _record("run", "OP")

    async def run() -> None:
        raise PutFailed("a task has failed")

    record.put = lambda value, client: run()
    heard: list[Written] = []
    async with _Ruled(record) as server:
        server.all_puts, server.put_listener = True, heard.append
        peer = await Peer.connect(server.port)
        channel = await peer.channel("run")
        peer.say(peer.writing(channel, 1.0))
        assert (await peer.hear(ca.WriteNotifyResponse)).status.name == "ECA_PUTFAIL"
        assert [(put.outcome, put.why) for put in heard] == [("failed", "a task has failed")]
