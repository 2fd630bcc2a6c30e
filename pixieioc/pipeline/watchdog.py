"""Watching over processes: who has died, who hangs, and what takes longer to end than it may."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pixieioc.pipeline.error import Cause
from pixieioc.pipeline.status import Status
from pixieioc.pipeline.task_process import TaskProcess


@dataclass(frozen=True)
class Fault:
    """What is wrong with a process."""

    process: TaskProcess
    cause: Cause
    text: str


@dataclass
class Watchdog:
    """Looks at the processes of a pipeline; all times are in seconds.

    `stop_timeout`: how long an end may take once it was asked for (see `end_by`). `stall_timeout`: how long nothing may
    move once the source has finished.
    """

    stop_timeout: float = 8.0
    stall_timeout: float = 30.0
    deadline: float | None = None
    _progress: list[tuple[object, ...]] = field(default_factory=list[tuple[object, ...]])
    _progress_time: float = 0.0

    def begin(self) -> None:
        """A run begins."""
        self.deadline = None
        self._progress = []

    def end_by(self) -> None:
        """From now on the end is due within `stop_timeout`."""
        if self.deadline is None:
            self.deadline = time.monotonic() + self.stop_timeout

    def faults(self, processes: Sequence[TaskProcess], chain: Sequence[TaskProcess], status: Status) -> Iterator[Fault]:
        """What is wrong now. Members that have failed already are not looked at again."""
        for process in processes:
            if process.known and not process.lost and process.status is not Status.DYING:
                yield from self._verdict(process)
        busy = [process for process in chain if not process.at_rest]
        if self.deadline is not None and time.monotonic() > self.deadline:
            self.deadline = None
            for process in busy:
                yield Fault(process, Cause.TIMEOUT, f"did not end within {self.stop_timeout:g} s")
        elif status is Status.RUNNING and busy and chain[0].finished:
            yield from self._stalled(chain, busy)

    def _verdict(self, process: TaskProcess) -> Iterator[Fault]:
        allowed = process.task.heart_beat_timeout
        if not process.alive:
            yield Fault(process, Cause.LOST, f"its process {process.how_ended}")
        elif process.silent > allowed and not (process.failed or process.starting) and self.deadline is None:
            yield Fault(process, Cause.HANG, f"no heart beat for {process.silent:.0f} s ({allowed:g} s are allowed)")

    def _stalled(self, chain: Sequence[TaskProcess], busy: Sequence[TaskProcess]) -> Iterator[Fault]:
        progress = [process.progress for process in chain]
        if progress != self._progress:
            self._progress, self._progress_time = progress, time.monotonic()
        elif time.monotonic() - self._progress_time > self.stall_timeout:
            for process in busy:
                yield Fault(process, Cause.TIMEOUT, f"nothing moved for {self.stall_timeout:g} s while the run drained")
