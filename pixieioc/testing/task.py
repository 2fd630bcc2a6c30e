"""A task in this process: items in, items and reports out, without sockets; a debugger can follow it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pixieioc.pipeline.contract import check_returned
from pixieioc.pipeline.driven_task import set_parameters
from pixieioc.pipeline.frames import Packet, pack, unpack
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.standard import begin_counting, keep
from pixieioc.pipeline.status import Status
from pixieioc.pipeline.task import Task
from pixieioc.pipeline.task_loop import TaskLoop


@dataclass
class Outcome:
    """What a run of one task came to: the items that it sent, the latest value of each report, its printed lines.

    `in_use` are the values of parameters that it has announced, as they travel.
    """

    sent: list[Any] = field(default_factory=list[Any])
    reports: dict[str, Any] = field(default_factory=dict[str, Any])
    printed: list[str] = field(default_factory=list[str])
    in_use: dict[str, Any] = field(default_factory=dict[str, Any])


def run_task(
    cls: type[Task],
    items: Iterable[Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    run_id: int = 1,
    at_most: int = 1000,
) -> Outcome:
    """One run of a task: `do_init`, `do_configure`, `do_start`, `do_work` for each item, `do_stop`, `do_quit`.

    Without items the task is a source: `do_work(None)` is called until it calls `finish()`, at most `at_most` times.
    What a callback raises comes out of here. As between processes, received arrays are read-only, and an item that
    cannot be sent raises UnsupportedType.
    """
    task, outcome = cls(), Outcome()
    loop = _Loop(outcome, is_start=items is None)
    task.drive_by(cast("TaskLoop", loop))
    task.do_init()
    task.do_connect("", items is None, False)
    set_parameters(task, dict(settings or {}), in_run=False)
    begin_counting(task)
    task.run_id, task.run_started = run_id, time.time()
    task.run_settings = {task.name: dict(task.parameter_values)}
    loop.status = Status.RUNNING
    task.do_start()
    for item in [None] * at_most if items is None else items:
        if loop.data_plane.ending:
            break
        check_returned(task.name, task.do_work(None if items is None else _through_a_link(item)))
        keep(task, counter=len(outcome.sent) if items is None else task.counter + 1)
    loop.data_plane.ending = True
    task.do_stop()
    task.do_report()
    loop.status = Status.FINISHED
    task.do_quit()
    outcome.reports.update(
        {name: task.report_values.get(name, report.initial) for name, report in cls.reports().items()}
    )
    return outcome


def _through_a_link(item: Any) -> Any:
    """The item as the next task would get it."""
    frames = pack(Packet(Message.DATA.emoji, 0, 0, item))
    return unpack([bytes(frame) for frame in frames]).payload


class _Loop:
    """What a task asks of that which drives it."""

    def __init__(self, outcome: Outcome, *, is_start: bool) -> None:
        self.status = Status.WAITING
        self.pipeline = SimpleNamespace(gone=False)
        self.data_plane = SimpleNamespace(ending=False, is_start=is_start, is_final=False, allocate=_allocate)
        self.out = SimpleNamespace(
            add=outcome.reports.update,
            report_due=False,
            print=outcome.printed.append,
            check_thread=lambda what: None,
            in_use=lambda values, limits: outcome.in_use.update(values),
        )
        self._outcome = outcome

    @property
    def stopping(self) -> bool:
        return bool(self.data_plane.ending)

    def send_data(self, item: Any, *, wait: bool = True) -> bool:
        self._outcome.sent.append(_through_a_link(item))
        return True

    def end_stream(self) -> None:
        """Nobody is behind."""

    def idle(self, seconds: float) -> None:
        """A test does not wait."""

    def beat(self) -> None:
        """Nobody watches whether it hangs."""

    def announce(self, what: str) -> None:
        self._outcome.printed.append(what)

    def flush_report(self) -> None:
        """What was assigned is read at the end."""


def _allocate(size: int) -> NDArray[np.uint8]:
    return np.empty(size, np.uint8)
