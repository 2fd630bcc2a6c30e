"""When modules are looked at and read: against a model of their FIFOs, whatever the rates do."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.hardware import QUEUE_WORDS
from pixieioc.tasks.pace import BUS, LATENESS, Pace, longest_pause

#: Words in a module's own FIFO, and how often the SDK moves them, s.
FIFO, WORKER = 131072, 0.005
DEFAULT = Pace(threshold=16384, max_delay=0.05, interval=0.002)
paces = st.builds(
    Pace, threshold=st.integers(1, 131072), max_delay=st.floats(0.01, 60), interval=st.floats(0.0005, 1.0)
)
#: Rates in words/s, each for so many seconds: none is more than the bus can carry, and any may follow any.
rates = st.lists(st.tuples(st.sampled_from([0, 10, 1e3, 1e5, 1e6, BUS / 2, BUS]), st.floats(1e-4, 0.3)), max_size=20)


@dataclass
class Module:
    """A FIFO that fills, and empties over the bus into a queue, as long as there is room."""

    fifo: float = 0.0
    queue: float = 0.0
    held_up: float = 0.0  #: most words that the bus could have moved, and for which there was no room
    lost: float = 0.0

    def take(self, rate: float, seconds: float) -> None:
        ready = min(self.fifo + rate * seconds, BUS * seconds)
        moved = min(ready, QUEUE_WORDS - self.queue)
        self.fifo += rate * seconds - moved
        self.queue += moved
        self.lost += max(0.0, self.fifo - FIFO)
        self.fifo, self.held_up = min(self.fifo, FIFO), max(self.held_up, ready - moved)


def _run(pace: Pace, course: list[tuple[float, float]], lateness: float) -> tuple[Module, int, float]:
    """The module after a course of rates, the number of looks, and the longest time between two reads."""
    module, now, last_read, level, rate, longest = Module(), 0.0, 0.0, 0, 0.0, 0.0
    steps = [list(step) for step in course] + [[0.0, 1.0]]
    looks = 0
    while steps:
        before, pause = now, pace.pause(level, rate, now - last_read) + lateness
        while pause > 1e-12 and steps:  # until the next look
            step = min(pause, steps[0][1])
            module.take(steps[0][0], step)
            now, pause, steps[0][1] = now + step, pause - step, steps[0][1] - step
            if steps[0][1] <= 1e-12:
                steps.pop(0)
        looks, was, level = looks + 1, level, int(module.queue)
        rate = max(level - was, 0) / (now - before) if now > before else 0.0
        if pace.is_due(level, now - last_read):
            longest, last_read, module.queue, level = max(longest, now - last_read), now, 0.0, 0
    return module, looks, longest


@given(pace=paces, course=rates, lateness=st.floats(0, LATENESS))
def test_no_queue_runs_over_as_long_as_the_bus_carries_the_data(
    pace: Pace, course: list[tuple[float, float]], lateness: float
) -> None:
    module, _, _ = _run(pace, course, lateness)
    assert module.lost == 0
    assert module.held_up < 1.001  # the FIFO could always be emptied; levels are whole words


@given(course=rates, lateness=st.floats(0, LATENESS))
def test_no_event_waits_longer_than_it_may(course: list[tuple[float, float]], lateness: float) -> None:
    _, _, longest = _run(DEFAULT, course, lateness)
    assert longest <= DEFAULT.max_delay + longest_pause(DEFAULT.threshold)
    # It is decoded when the module is known to have had nothing since, which the next look may have to say.
    assert longest + longest_pause(0) + LATENESS + WORKER < 0.15


def test_an_idle_crate_is_looked_at_as_seldom_as_its_queue_allows() -> None:
    _, looks, longest = _run(DEFAULT, [(10.0, 9.0)], 0.0)
    assert looks / 10 < 25
    assert longest == pytest.approx(DEFAULT.max_delay, rel=0.01)


@given(pace=paces, level=st.integers(0, 4 * QUEUE_WORDS), rate=st.floats(0, 1e12), since=st.floats(0, 1e4))
def test_a_pause_is_never_endless_nor_none(pace: Pace, level: int, rate: float, since: float) -> None:
    assert 0.0005 <= pace.pause(level, rate, since) <= longest_pause(0)
