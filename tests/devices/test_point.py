"""What a good point is: the rules, told what happens in the order in which it can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pixieioc.devices.point import (
    GOOD_ENDS,
    STOPPED,
    Answered,
    Bad,
    Busy,
    Event,
    Facts,
    Gather,
    Gathered,
    GivenUp,
    Good,
    Late,
    Lost,
    Point,
    Put,
    Read,
    RunFailed,
    Wait,
    run_of,
    why_not_staged,
)

BEFORE = Facts(6, False, "Preset", "run 6 has ended: Preset", "run 6 has ended: Preset")
AFTER = Facts(7, False, "Preset", "run 7 has ended: Preset", "run 7 has ended: Preset")
REFUSED = "run 7, started by a@b, has been running for 2 s"


def _point(*events: Event, good: tuple[str, ...] = GOOD_ENDS) -> Point:
    """A point whose run has been started, and to which this has happened, all of which was to be waited for."""
    point = Point(good)
    assert point.begin(BEFORE) == Put()
    for event in events:
        assert isinstance(point.happened(event), Wait)
    return point


def _answered(point: Point, failure: str = "") -> Point:
    """The same, whose put was answered, and whose values were read if it has not failed."""
    if not failure:
        assert point.happened(Answered()) == Gather()
    assert point.happened(Answered(failure) if failure else Gathered()) == Read()
    return point


def test_a_run_that_is_the_next_one_and_ends_by_its_preset_is_a_good_point() -> None:
    point = _point(Busy(False), Busy(True))
    assert point.happened(Busy(False)) == Wait(1.0)
    assert _answered(point).end(AFTER) == Good(7)


@pytest.mark.parametrize("end", ["Operator stop", "Abort", "Task error", "Task lost", "Timeout", "IOC restart"])
@pytest.mark.parametrize("failure", ["", "Channel write request failed"])
def test_a_run_that_ends_otherwise_is_none_whatever_the_put_says(end: str, failure: str) -> None:
    point = _point(Busy(True), Busy(False))
    _answered(point, failure)
    status = f"run 7 has ended: {end}"
    assert point.end(replace(AFTER, end_reason=end, status=status)) == Bad(status)


def test_a_run_that_was_stopped_is_good_where_it_was_to_be() -> None:
    point = _point(Busy(True), good=(*GOOD_ENDS, STOPPED))
    _answered(point)
    assert point.end(replace(AFTER, end_reason=STOPPED)) == Good(7)


@pytest.mark.parametrize("failure", ["", "Channel write request failed"])
def test_a_refused_start_is_none_and_says_why(failure: str) -> None:
    point = _point(Busy(False))
    _answered(point, failure)
    assert point.end(replace(BEFORE, command="no space left")) == Bad("the start was refused: no space left")


@pytest.mark.parametrize("failure", ["", "Channel write request failed"])
def test_somebody_elses_run_is_none_while_it_is_on(failure: str) -> None:
    point = _point(Busy(True))
    _answered(point, failure)
    assert point.end(Facts(7, True, "None", "run 7 is running", REFUSED)) == Bad(f"run 7 is not ours: {REFUSED}")


def test_somebody_elses_run_that_has_only_begun_is_none() -> None:
    point = _point(Busy(False))
    _answered(point, "Channel write request failed")
    assert point.end(Facts(7, False, "None", "run 7 is running", REFUSED)) == Bad(f"run 7 is not ours: {REFUSED}")


def test_somebody_elses_run_is_none_though_it_ended_well_before_it_was_looked_at() -> None:
    point = _point(Busy(True))
    _answered(point, "Channel write request failed")
    assert "but Channel write request failed" in str(point.end(AFTER))


def test_a_run_between_before_and_ours_is_none() -> None:
    point = _point(Busy(True))
    _answered(point)
    assert point.end(replace(AFTER, run_id=8)) == Bad("there is run 8 in the place of run 7: somebody else starts runs")


@pytest.mark.parametrize("events", [(), (Busy(True),), (Busy(True), Busy(False))])
def test_a_lost_connection_is_none_at_once(events: tuple[Event, ...]) -> None:
    assert _point(*events).happened(Lost("PX16:AcquireBusy")) == Bad(
        "the connection to PX16:AcquireBusy was lost while run 7 was taken"
    )


def test_a_put_that_is_not_answered_after_the_end_of_its_run_is_none() -> None:
    point = _point(Busy(True), Busy(False))
    assert point.happened(Late()) == Read()
    assert point.end(AFTER) == Bad(
        "run 7 has ended with Preset, but the put that started it was not answered: run 7 has ended: Preset"
    )


def test_an_ioc_that_does_not_answer_gives_no_point() -> None:
    assert Point().begin(None) == Bad("the IOC does not answer")
    point = _point(Busy(True))
    _answered(point)
    assert point.end(None) == Bad("the IOC does not say how run 7 has ended")


def test_before_the_run_is_on_nothing_is_over() -> None:
    assert _point().happened(Busy(False)) == Wait()


@pytest.mark.parametrize(
    "facts",
    [
        replace(AFTER, run_id=8),
        replace(AFTER, run_id=8, busy=True),
        replace(AFTER, busy=True),
        replace(AFTER, end_reason="None"),  # another one has only begun, and has no number yet
        replace(AFTER, run_id=8, end_reason="Abort"),
    ],
)
def test_values_are_of_no_point_if_somebody_has_started_another_run_before_they_were_read(facts: Facts) -> None:
    assert isinstance(_answered(_point(Busy(True))).end(facts), Bad)


def test_a_point_whose_values_cannot_be_read_is_none() -> None:
    point = _point(Busy(True))
    assert point.happened(Answered()) == Gather()
    assert point.happened(Busy(False)) == Wait()  # which takes as long as it takes
    assert point.happened(Gathered("no answer")) == Read()
    assert point.end(AFTER) == Bad("run 7 has ended with Preset, but its values could not be read: no answer")


def test_a_point_that_is_given_up_is_none_however_its_run_ends() -> None:
    point = Point()
    point.given_up = True
    assert isinstance(point.begin(BEFORE), Bad)
    point = _point(Busy(True))
    point.given_up = True
    assert point.happened(Answered()) == Read()
    with pytest.raises(GivenUp):
        run_of(point.end(AFTER), point)


def test_a_verdict_is_the_number_of_the_run_or_a_failure() -> None:
    assert run_of(Good(7), Point()) == 7
    with pytest.raises(RunFailed, match="the reason"):
        run_of(Bad("the reason"), Point())


def test_what_keeps_a_scan_from_being_staged() -> None:
    busy = replace(BEFORE, busy=True, status="run 6 is running")
    assert why_not_staged(BEFORE, "Yes", take_over=False) == ""
    assert why_not_staged(busy, "Yes", take_over=True) == ""
    assert why_not_staged(busy, "Yes", take_over=False) == "somebody else's run is in progress: run 6 is running"
    assert why_not_staged(None, "Yes", take_over=True) == "the IOC does not answer"
    assert "WaitForPipeline" in why_not_staged(BEFORE, "No", take_over=True)


def test_facts_are_what_the_process_variables_say() -> None:
    values = {"run_id": "7", "busy": "Acquiring", "end_reason": "None", "status": "s", "command": "c"}
    assert Facts.of(values) == Facts(7, True, "None", "s", "c")
    assert not Facts.of(values | {"busy": "Done"}).busy
