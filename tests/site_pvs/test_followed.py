"""What is news of a process variable, and how it shows that a server is silent because it hangs."""

from __future__ import annotations

from pixieioc.site_pvs import NO_ANSWER, NOT_CONNECTED, OK, UNREADABLE, Reading
from pixieioc.site_pvs.followed import SEARCHED, SILENT, Followed
from pixieioc.site_pvs.reading import down

HANGS = Reading(NO_ANSWER, why="it did not answer in time")


def _followed() -> tuple[Followed, list[Reading]]:
    news: list[Reading] = []
    return Followed(100.0, news.append), news


def test_one_that_is_not_found_is_not_connected_only_after_it_was_looked_for_and_was_never_lost() -> None:
    followed, news = _followed()
    followed.tell(down(), 100.0)  # as p4p says at first
    assert followed.answer(down()).state == NO_ANSWER
    assert not followed.is_due(100.0 + SEARCHED)
    assert news == []
    assert not followed.is_due(100.1 + SEARCHED)
    assert not followed.is_due(200.0)
    assert (news, followed.answer(down()), followed.tally.disconnections) == ([down()], down(), 0)


def test_a_silent_one_is_asked_and_one_that_hangs_does_not_answer_until_it_does() -> None:
    followed, news = _followed()
    there = Reading(OK, 1.5, "nA", time=1e9)
    followed.tell(there, 101.0)
    assert [followed.is_due(101.0 + SILENT), followed.is_due(101.1 + SILENT)] == [False, True]
    followed.asked(there, 106.0)
    assert (news, followed.is_due(106.1)) == ([there], False)
    for now in (111.0, 116.0):
        followed.asked(HANGS, now)
    followed.tell(HANGS, 117.0)
    assert news[1] == there.unanswered(HANGS.why)
    followed.asked(Reading(OK, 2.0), 120.0)
    assert [each.value for each in news if each.state == OK] == [1.5, 2.0]
    assert (followed.tally.updates, followed.tally.disconnections) == (1, 0)


def test_each_loss_is_counted_once_and_what_cannot_be_read_is_no_loss() -> None:
    followed, news = _followed()
    for reading in (Reading(OK, 1), down(), down(), Reading(OK, 2), Reading(UNREADABLE, why="type"), down()):
        followed.tell(reading, 101.0)
    assert [each.state for each in news] == [OK, NOT_CONNECTED, OK, UNREADABLE, NOT_CONNECTED]
    assert (followed.tally.updates, followed.tally.disconnections) == (2, 2)
    assert not followed.is_due(200.0)


def test_that_one_is_gone_is_told_when_it_happens_and_not_because_it_could_not_be_asked() -> None:
    followed, news = _followed()
    followed.tell(Reading(UNREADABLE, why="refused"), 101.0)
    followed.asked(down(), 110.0)
    assert [each.state for each in news] == [UNREADABLE]
