"""What counts as a condition of a run: what was valid within it, from what was read at its start to what at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.ioc.conditions_of_run import ConditionsOfRun
from pixieioc.site_pvs import NO_ANSWER, NOT_CONNECTED, OK, Reading, Tally
from pixieioc.site_pvs.reading import down
from pixieioc.tasks.sidecar import Condition


@dataclass
class Conversation:
    """A run with one condition, and what was kept of it."""

    known: Reading
    kept: list[tuple[float, Reading, bool]] = field(default_factory=list[tuple[float, Reading, bool]])

    def __post_init__(self) -> None:
        self.run = ConditionsOfRun(["A"], [self.known], 100.0, self._keep)

    def _keep(self, index: int, reading: Reading, now: float, always: bool) -> None:
        assert index == 0
        self.kept.append((now, reading, always))

    def news(self, *readings: Reading, now: float = 101.0) -> None:
        tally = Tally()
        for reading in readings:
            tally.note(reading)
        self.known = readings[-1]
        self.run.news({0: readings[-1]}, {0: tally}, now)

    def end(self, answer: Reading | None = None, *late: Reading) -> Condition:
        self.run.end_begins([self.known])
        if late:
            self.news(*late)
        self.run.end_asked([self.known])
        if answer is not None:
            self.run.end_answered(0, answer)
        self.run.finish(200.0)
        return self.run.conditions()[0]


def _ok(value: float, severity: str = "NO_ALARM") -> Reading:
    return Reading(OK, value, severity=severity, time=1.0)


def test_what_the_reader_had_heard_before_the_run_does_not_count_and_what_it_had_at_its_end_does() -> None:
    of = Conversation(_ok(37.5, "MAJOR"))
    of.news(_ok(37.0), _ok(37.9))
    of.run.start_asked([of.known])
    of.run.start_answered(0, _ok(38.0))
    of.news(_ok(38.5), _ok(42.5))
    found = of.end(_ok(43.5), _ok(43.0))
    assert (found.minimum, found.maximum, found.mean, found.updates) == (38.0, 43.5, 40.5, 3)
    assert (found.start.value, found.end and found.end.value, found.worst_severity) == (38.0, 43.5, "NO_ALARM")
    assert [(now, reading.value, always) for now, reading, always in of.kept] == [
        (100.0, 38.0, True), (101.0, 42.5, False), (101.0, 43.0, False), (200.0, 43.5, True),
    ]  # fmt: skip


def test_who_has_not_answered_at_the_start_begins_with_what_was_known_and_stands_before_what_has_come() -> None:
    of = Conversation(_ok(1.0))
    of.news(_ok(2.0))
    of.run.start_asked([of.known])
    of.news(_ok(3.0), now=102.0)
    assert of.kept == []
    of.run.start_is_over()
    of.run.start_answered(0, _ok(9.0))
    assert [(now, reading.value, reading.state) for now, reading, _ in of.kept] == [
        (100.0, 2.0, NO_ANSWER), (102.0, 3.0, OK),
    ]  # fmt: skip
    found = of.end()
    assert (found.start.state, found.start.value, found.minimum, found.maximum) == (NO_ANSWER, 2.0, 2.0, 3.0)
    assert found.end is not None
    assert (found.end.state, found.end.value) == (NO_ANSWER, 3.0)
    assert "did not answer within 0.05 s" in found.end.why


def test_one_that_was_found_again_just_before_the_end_has_its_value_there() -> None:
    of = Conversation(_ok(1.0).unanswered("the reader had ended"))
    of.run.start_asked([of.known])
    of.run.end_begins([of.known])
    of.news(_ok(5.0))
    of.run.end_asked([of.known])
    assert not of.run.is_answered
    of.run.end_answered(0, _ok(6.0))
    assert of.run.is_answered
    of.run.finish(200.0)
    found = of.run.conditions()[0]
    assert (found.start.value, found.minimum, found.maximum, found.end and found.end.value) == (1.0, 1.0, 6.0, 6.0)


def test_one_that_is_not_there_says_so_and_has_no_numbers() -> None:
    of = Conversation(down())
    of.run.start_asked([of.known])
    of.run.start_answered(0, down())
    found = of.end(down())
    assert (found.start.state, found.minimum, found.mean, found.disconnections) == (NOT_CONNECTED, None, None, 0)
    assert of.run.is_answered


def test_what_a_silent_one_has_answered_counts_though_it_was_no_update() -> None:
    of = Conversation(_ok(5.0))
    of.run.start_asked([of.known])
    of.run.start_answered(0, _ok(5.0))
    of.run.news({0: _ok(7.0)}, {}, 101.0)
    found = of.end(_ok(6.0))
    assert (found.minimum, found.maximum, found.mean, found.updates) == (5.0, 7.0, 6.0, 0)


_readings = st.one_of(
    st.floats(-100, 100).map(_ok), st.just(down()), st.just(Reading(OK, "text")),
    st.floats(-100, 100).map(lambda value: _ok(value).unanswered("silent")),
)  # fmt: skip


@given(
    _readings, st.lists(_readings, max_size=3), st.none() | _readings,
    st.lists(st.lists(_readings, min_size=1, max_size=3), max_size=4), st.none() | _readings,
    st.lists(_readings, max_size=2),
)  # fmt: skip
def test_no_value_of_record_or_file_is_beyond_least_and_greatest(
    known: Reading, before: list[Reading], start: Reading | None, between: list[list[Reading]], end: Reading | None,
    late: list[Reading],
) -> None:  # fmt: skip
    of = Conversation(known)
    if before:
        of.news(*before)
    of.run.start_asked([of.known])
    for number, readings in enumerate(between):
        if number == 1 and start is not None:
            of.run.start_answered(0, start)
        of.news(*readings)
    found = of.end(end, *late)
    assert found.end is not None
    in_file = [reading for _, reading, _ in of.kept if reading.state == OK]
    values = [each.number for each in (found.start, found.end, *in_file)]
    numbers = [value for value in values if value is not None]
    if numbers:
        assert found.minimum is not None
        assert found.maximum is not None
        assert found.mean is not None
        assert found.minimum <= min(numbers) <= max(numbers) <= found.maximum
        assert found.minimum - 1e-9 <= found.mean <= found.maximum + 1e-9
    assert msgspec.json.decode(msgspec.json.encode(found), type=Condition) == found
