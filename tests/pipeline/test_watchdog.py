"""The watchdog's rules, as conversations: what the tasks do at a time, and who is ended for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pixieioc.pipeline.activity import Doing
from pixieioc.pipeline.error import Cause
from pixieioc.pipeline.status import Status
from pixieioc.pipeline.watchdog import Fault, Watchdog


@dataclass(eq=False)
class Seen:
    """A task's process as the watchdog sees it."""

    name: str
    is_doing: Doing = field(default_factory=Doing)
    status: Status = Status.RUNNING
    items_waiting: int = 0
    hang_timeout: float = 60.0
    start_timeout: float = 60.0
    starting: str = ""
    alive: bool = True
    known: bool = True
    lost: bool = False
    finished: bool = False
    how_ended: str = "was killed by signal 9"
    progress: tuple[object, ...] = ()

    @property
    def failed(self) -> bool:
        return self.lost or self.status is Status.PANICKING

    @property
    def at_rest(self) -> bool:
        return self.lost or self.finished or self.status is Status.WAITING

    def doing(self, now: float) -> Doing:
        return self.is_doing


def _faults(dog: Watchdog, tasks: list[Seen], now: float, status: Status = Status.RUNNING) -> list[Fault[Seen]]:
    """What the watchdog says; who is killed is lost, who is to discard goes on."""
    faults = list(dog.faults(tasks, tasks, status, now))
    for fault in faults:
        fault.process.lost |= not fault.discard
    return faults


def _watched(
    dog: Watchdog, tasks: list[Seen], since: int, until: int, status: Status = Status.RUNNING
) -> list[Fault[Seen]]:
    """What the watchdog says in these seconds, if it is asked in each of them."""
    return [fault for now in range(since, until + 1) for fault in _faults(dog, tasks, float(now), status)]


def _names(faults: list[Fault[Seen]]) -> list[str]:
    return [fault.process.name for fault in faults]


def _busy(seconds: float) -> Doing:
    return Doing(busy=seconds, unanswered=seconds)


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (Seen("A", _busy(59)), ""),
        (Seen("A", _busy(61)), "has been busy with one item for 61 s, without a heart beat for 61 s (hang_timeout is"),
        (Seen("A", Doing(busy=500, unanswered=1)), ""),  # it beats
        (Seen("A", _busy(1e6), hang_timeout=0), ""),
        (Seen("A", _busy(13), hang_timeout=10), "(hang_timeout is 10 s)"),
        (Seen("A", Doing(silent=61)), ""),
        (Seen("A", Doing(silent=63)), "its process has not run for 63 s (hang_timeout is 60 s)"),
        (Seen("A", Doing(silent=63), hang_timeout=0), ""),
        (Seen("A", Doing(starting=59, silent=59)), ""),
        (Seen("A", Doing(starting=61)), "has been starting for 61 s (60 s are allowed)"),
        (Seen("A", Doing(starting=170), start_timeout=180), ""),  # as to boot a crate
        (Seen("A", Doing(starting=290, silent=290), starting="compiling a loop"), ""),
        (Seen("A", Doing(starting=301), starting="compiling a loop"), "301 s after compiling a loop (300 s are"),
        (Seen("A", _busy(61), status=Status.PANICKING), ""),  # it has failed already
        (Seen("A", _busy(61), status=Status.DYING), ""),
        (Seen("A", known=False, alive=False), ""),  # who makes it sees to that
        (Seen("A", alive=False), "its process was killed by signal 9"),
    ],
)
def test_what_is_a_hang(task: Seen, says: str) -> None:
    faults = _faults(Watchdog(), [task], 1000.0)
    assert len(faults) == bool(says)
    assert all(says in fault.text for fault in faults)


def test_a_stop_that_runs_out_of_time_kills_the_one_that_holds_the_others_up() -> None:
    source, saver, slow, sink = tasks = [Seen(name) for name in ("source", "saver", "slow", "sink")]
    saver.items_waiting, slow.items_waiting, slow.is_doing = 16, 16, _busy(9)
    dog = Watchdog(stop_timeout=8)
    dog.end_by(100.0)
    dog.end_by(105.0)  # a second request changes nothing
    assert _faults(dog, tasks, 107.9, Status.DYING) == []
    (fault,) = _faults(dog, tasks, 108.1, Status.DYING)
    assert (fault.process, fault.cause, fault.discard) == (slow, Cause.TIMEOUT, False)
    assert fault.text == "did not end within 8 s: it has been busy with one item for 9.0 s"
    assert _faults(dog, tasks, 108.2, Status.DYING) == []  # the others can go on now
    source.finished = saver.finished = sink.finished = True
    assert _faults(dog, tasks, 120.0, Status.DYING) == []


def test_of_two_that_do_not_answer_the_one_behind_is_killed_first() -> None:
    first, second, _ = tasks = [Seen("A", _busy(9)), Seen("B", Doing(silent=30)), Seen("C")]
    dog = Watchdog(stop_timeout=8)
    dog.end_by(100.0)
    assert _names(_faults(dog, tasks, 108.1, Status.DYING)) == ["B"]
    assert _names(_faults(dog, tasks, 108.4, Status.DYING)) == ["A"]
    assert first.lost
    assert second.lost


def test_who_answers_but_has_too_much_to_do_is_not_killed() -> None:
    saver, slow, sink = tasks = [Seen("saver"), Seen("slow", _busy(0.5)), Seen("sink")]
    saver.items_waiting, slow.items_waiting = 3, 16
    dog = Watchdog(stop_timeout=8)
    dog.end_by(100.0)
    (fault,) = _faults(dog, tasks, 108.1, Status.DYING)
    assert (fault.process, fault.discard) == (slow, True)
    assert fault.text == "did not end within 8 s: 16 items still waited for it and are discarded"
    slow.items_waiting = 5
    assert _faults(dog, tasks, 108.4, Status.DYING) == []  # what waits for the saver may go on in a moment
    (fault,) = _faults(dog, tasks, 109.1, Status.DYING)  # nobody is told twice
    assert (fault.process, fault.discard) == (saver, True)
    assert not sink.lost


def test_who_gives_signs_of_life_may_close_its_files() -> None:
    tasks = [Seen("A"), Seen("B", Doing(busy=9, unanswered=0.3))]
    dog = Watchdog(stop_timeout=8)
    dog.end_by(100.0)
    assert _faults(dog, tasks, 108.1, Status.DYING) == []
    assert _faults(dog, tasks, 109.4, Status.DYING) == []
    assert _names(_faults(dog, tasks, 109.6, Status.DYING)) == ["B", "A"]


def test_in_the_end_all_are_killed() -> None:
    tasks = [Seen("A"), Seen("B", _busy(0.3)), Seen("C")]
    dog = Watchdog(stop_timeout=8)
    dog.end_by(100.0)
    assert _faults(dog, tasks, 108.1, Status.DYING) == []
    assert _faults(dog, tasks, 109.4, Status.DYING) == []
    assert _names(_faults(dog, tasks, 109.6, Status.DYING)) == ["C", "B", "A"]


def test_who_began_to_hang_after_the_stop_is_killed_a_little_later() -> None:
    tasks = [Seen("A"), Seen("B", _busy(2)), Seen("C")]
    dog = Watchdog(stop_timeout=8)
    dog.end_by(100.0)
    assert _faults(dog, tasks, 108.1, Status.DYING) == []
    assert _names(_faults(dog, tasks, 108.6, Status.DYING)) == ["B"]


def test_a_run_that_drains_is_stalled_if_nothing_moves_and_nobody_works() -> None:
    tasks = [Seen("A", finished=True), Seen("B", _busy(50)), Seen("C")]
    dog = Watchdog(stall_timeout=30)
    assert _watched(dog, tasks, 100, 150) == []  # B works
    tasks[1].is_doing = Doing()
    assert _watched(dog, tasks, 151, 160) == []
    tasks[2].progress = ("one more",)
    assert _watched(dog, tasks, 161, 191) == []
    assert _names(_watched(dog, tasks, 192, 192)) == ["B", "C"]


@pytest.mark.parametrize("doing", [_busy(70), Doing(silent=70), Doing(starting=70)])
def test_the_time_in_which_the_watchdog_stood_still_is_not_held_against_tasks(doing: Doing) -> None:
    task, dog = Seen("A"), Watchdog()
    assert _watched(dog, [task], 100, 130) == []
    task.is_doing = doing
    assert _faults(dog, [task], 200.0) == []  # of the 70 s it saw nothing
    task.is_doing = Doing(doing.busy + 59, doing.unanswered + 59, doing.starting + 59, doing.silent + 59)
    assert _watched(dog, [task], 201, 259) == []
    task.is_doing = Doing(*(seconds and seconds + 5 for seconds in vars(task.is_doing).values()))
    assert _names(_watched(dog, [task], 260, 264)) == ["A"]


def test_a_stop_has_its_time_also_if_the_watchdog_stands_still_meanwhile() -> None:
    tasks = [Seen("A"), Seen("B")]
    dog = Watchdog(stop_timeout=8)
    assert _watched(dog, tasks, 90, 100) == []
    dog.end_by(100.0)
    assert _watched(dog, tasks, 101, 102, Status.DYING) == []
    assert _watched(dog, tasks, 150, 155, Status.DYING) == []
    assert _watched(dog, tasks, 156, 157, Status.DYING) == []
    assert _names(_watched(dog, tasks, 158, 160, Status.DYING)) == ["B", "A"]
