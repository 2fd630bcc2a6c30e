"""Messages of recsync, against those that a real recceiver (recsync of 2026-05) has sent and accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.ioc.recsync import protocol
from pixieioc.ioc.recsync.protocol import Announcement, Inbox, ProtocolError, Recceiver, announcement_of

#: Sent by a real recceiver: an announcement, a greeting and a ping.
ANNOUNCED = bytes.fromhex("52430000ffffffffac0700007935bbd3")
GREETED, PINGED = bytes.fromhex("524380010000000100"), bytes.fromhex("5243800200000004bc5996a2")

#: All that EPICS' own caster (recsync's C code of 2026-05) sent for two records, with the recceiver's part as above.
CAST = bytes.fromhex(
    "52430001000000080000000000c0ffee52430006000000100000000007000001494f434e414d45545243000600000018000000000800000845"
    "4e47494e4545524dc3a4646368656e524300030000000e00000001000200046169543a5830524300060000001b000000010a0000097265636f"
    "72644465736341206e756d6265722e5243000300000013000000020008000377617665666f726d543a59524300060000002000000002070000"
    "11617263686976656d6f6e69746f722c20312e302c2056414c5243000500000004000000005243000200000004bc5996a2"
)


def test_an_announcement_means_its_sender_or_says_whom() -> None:
    assert announcement_of(ANNOUNCED, "10.0.0.5") == Announcement(Recceiver("10.0.0.5", 44039), 0x7935BBD3)
    proxied = ANNOUNCED[:4] + bytes([10, 0, 0, 9]) + ANNOUNCED[8:] + b"more"
    own = ANNOUNCED[:4] + bytes([127, 0, 0, 1]) + ANNOUNCED[8:]
    assert announcement_of(own, "127.0.0.1") == Announcement(Recceiver("127.0.0.1", 44039), 0x7935BBD3)
    assert announcement_of(proxied, "10.0.0.5") == Announcement(Recceiver("10.0.0.9", 44039), 0x7935BBD3)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        ANNOUNCED[:15],
        b"XX" + ANNOUNCED[2:],
        ANNOUNCED[:2] + b"\1" + ANNOUNCED[3:],  # another version
        ANNOUNCED[:8] + b"\0\0" + ANNOUNCED[10:],  # no port
        ANNOUNCED[:4] + bytes([224, 0, 0, 1]) + ANNOUNCED[8:],
        ANNOUNCED[:4] + bytes(4) + ANNOUNCED[8:],
        ANNOUNCED[:4] + bytes([127, 0, 0, 1]) + ANNOUNCED[8:],  # this computer, says another one
    ],
)
def test_what_is_no_announcement_is_none(datagram: bytes) -> None:
    assert announcement_of(datagram, "10.0.0.5") is None


@given(st.binary(max_size=40))
def test_no_datagram_breaks_anything(datagram: bytes) -> None:
    found = announcement_of(datagram, "10.0.0.5")
    assert found is None or 0 < found.recceiver.port < 65536


def test_messages_that_a_real_recceiver_has_accepted() -> None:
    assert protocol.greeting(0x7935BBD3).hex() == "5243000100000008" + "00000000" + "7935bbd3"
    assert protocol.add_record(7, "ai", "X:a").hex() == "524300030000000d" + "00000007" + "00020003" + b"aiX:a".hex()
    assert protocol.add_info(0, "ENGINEER", "Eva").hex() == (
        "5243000600000013" + "00000000" + "08000003" + b"ENGINEEREva".hex()
    )
    assert protocol.upload_done().hex() == "5243000500000004" + "00000000"
    [(kind, body)] = Inbox().feed(PINGED)
    assert kind == protocol.PING
    assert protocol.pong(body).hex() == "5243000200000004bc5996a2"


def test_messages_are_those_of_epics_own_caster() -> None:
    [(_, ping)] = Inbox().feed(PINGED)
    messages = [
        protocol.greeting(0xC0FFEE),
        protocol.add_info(0, "IOCNAME", "T"),
        protocol.add_info(0, "ENGINEER", "Mädchen"),
        protocol.add_record(1, "ai", "T:X0"),
        protocol.add_info(1, "recordDesc", "A number."),
        protocol.add_record(2, "waveform", "T:Y"),
        protocol.add_info(2, "archive", "monitor, 1.0, VAL"),
        protocol.upload_done(),
        protocol.pong(ping),
    ]
    assert b"".join(messages) == CAST


def test_a_text_is_cut_between_letters_and_has_no_nul() -> None:
    message = protocol.add_info(1, "k" * 300, "\0" + "µ" * 40_000)
    assert message[12] == 255
    assert int.from_bytes(message[14:16]) == 65_535
    assert message[16 + 255 :].decode() == " " + "µ" * 32_767


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=30)), max_size=8), st.integers(1, 13))
def test_messages_are_the_same_however_they_are_cut(messages: list[tuple[int, bytes]], size: int) -> None:
    stream = b"".join(protocol.message(kind, body) for kind, body in messages)
    inbox = Inbox()
    got = [found for i in range(0, len(stream), size) for found in inbox.feed(stream[i : i + size])]
    assert got == [(kind, body[:8]) for kind, body in messages]


def test_of_a_body_without_end_nothing_is_kept() -> None:
    inbox = Inbox()
    assert list(inbox.feed(bytes.fromhex("52438009ffffffff") + b"12345678")) == [(0x8009, b"12345678")]
    for _ in range(1000):
        assert list(inbox.feed(bytes(65_536))) == []


def test_what_is_no_message_is_an_error() -> None:
    inbox = Inbox()
    assert list(inbox.feed(GREETED)) == [(protocol.SERVER_GREET, b"\0")]
    with pytest.raises(ProtocolError, match="sent b'HT' rather than b'RC'"):
        list(inbox.feed(b"HTTP/1.1 400 Bad Request"))
    with pytest.raises(ProtocolError, match="a ping without a number"):
        protocol.pong(b"\1\2")
