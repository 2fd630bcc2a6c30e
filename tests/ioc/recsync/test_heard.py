"""Which recceiver is worth a connection, whoever announces what."""

from __future__ import annotations

import operator

from pixieioc.ioc.recsync.heard import FORGOTTEN, LONGEST_WAIT, MOST, Heard
from pixieioc.ioc.recsync.protocol import Announcement, Recceiver

first = operator.itemgetter(0)


def _announced(host: str, port: int = 1000, key: int = 1) -> Announcement:
    return Announcement(Recceiver(host, port), key)


def test_what_was_announced_last_counts() -> None:
    heard = Heard((), first)
    assert heard.pick(0) is None
    assert heard.note(_announced("a"), 0)
    assert heard.note(_announced("a", key=2), 5)
    assert heard.pick(6) == _announced("a", key=2)
    assert heard.pick(5 + FORGOTTEN) is None


def test_who_has_failed_waits_twice_as_long_each_time_and_must_announce_itself() -> None:
    heard, now, waits = Heard((), first), 0.0, list[float]()
    for _ in range(9):
        assert heard.note(_announced("a"), now)
        waits.append(heard.failed(Recceiver("a", 1000), now))
        assert not heard.note(_announced("a"), now + waits[-1] - 0.1)
        assert heard.pick(now + waits[-1] - 0.1) is None
        now += waits[-1]
    assert waits == [5, 10, 20, 40, 80, 160, 320, LONGEST_WAIT, LONGEST_WAIT]
    heard.note(_announced("a"), now)
    heard.succeeded(Recceiver("a", 1000))
    assert heard.pick(now) is None
    assert heard.failed(Recceiver("a", 1000), now) == 5


def test_another_one_is_preferred_to_one_that_has_failed() -> None:
    heard = Heard((), first)
    heard.note(_announced("bad"), 0)
    heard.failed(Recceiver("bad", 1000), 0)
    heard.note(_announced("bad"), 10)
    heard.note(_announced("good"), 10)
    assert heard.pick(10) == _announced("good")


def test_only_those_that_are_believed_count() -> None:
    heard = Heard(["10.0.0.5"], first)
    assert not heard.note(_announced("10.0.0.6"), 0)
    assert heard.note(_announced("10.0.0.5"), 0)
    assert heard.pick(0) == _announced("10.0.0.5")


def test_announcers_without_number_do_not_displace_who_was_heard_before() -> None:
    heard = Heard((), first)
    heard.note(_announced("good"), 0)
    for port in range(1, 5000):
        heard.note(_announced("bad", port), 1)
    assert len(heard) == MOST
    assert heard.note(_announced("good"), 15)
    assert heard.pick(15) == _announced("good")
    assert heard.note(_announced("new"), 1 + FORGOTTEN)  # what was heard once only makes place
