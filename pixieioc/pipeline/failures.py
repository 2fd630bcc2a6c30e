"""What goes wrong in a run: who is failed, what becomes of the others, and when the run is over."""

from __future__ import annotations

import time
from typing import Any, Protocol

from pixieioc.pipeline.error import Cause, Error
from pixieioc.pipeline.graph import Link
from pixieioc.pipeline.in_use import InUse, Limits
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.pipeline_state import PipelineState
from pixieioc.pipeline.standard import at_the_beginning
from pixieioc.pipeline.status import PIPELINE_RULES, Status, after
from pixieioc.pipeline.task_process import TaskProcess
from pixieioc.pipeline.unanswered import Unanswered

#: How often the processes are looked at while messages are polled, in seconds.
WATCH_INTERVAL = 0.05
#: How often their vital signs are reported, in seconds.
VITALS_INTERVAL = 1.0
_ERROR = Message.ERROR.emoji


class Handlers(Protocol):
    """Who hears what the tasks say."""

    def handle_error(self, name: str, err: Error) -> None:
        """An error of a task, or what the pipeline finds wrong with it."""

    def handle_print(self, name: str, string: str) -> None:
        """Lines that a task printed."""

    def handle_report(self, name: str, report: dict[str, Any]) -> None:
        """Values that changed."""

    def handle_starting(self, name: str, what: str) -> None:
        """What takes a task long."""

    def handle_in_use(self, name: str, values: InUse, limits: Limits, time: float) -> None:
        """What has come into use in a task, and within which limits it can be written from now on."""


class Failures:
    """Finds what is wrong with processes and ends the run that this costs, or that has come to its end."""

    def __init__(self, state: PipelineState, handlers: Handlers) -> None:
        self._state = state
        self._handlers = handlers
        self._checked = 0.0

    def check_now(self) -> None:
        """Has the next `check()` examine the processes, although it did so just before."""
        self._checked = 0.0

    def check(self) -> None:
        """Looks after the processes, now and then."""
        state, now = self._state, time.monotonic()
        if state.processes.calling or now - self._checked < WATCH_INTERVAL:
            return
        self._checked = now
        state.processes.keep_folders()
        for fault in list(state.watchdog.faults(list(state.processes.values()), state.chained, state.status, now)):
            process = fault.process
            if fault.discard:
                state.send(process.name, Message.ABORT, None)
            else:
                process.lost = True
                if fault.cause is not Cause.LOST:
                    state.send_kill(process.name)
            self.fail(process, Error(f"{process.name}: {fault.text}", cause=fault.cause))
        self._report_vitals(now)

    def _report_vitals(self, now: float) -> None:
        """Tells once a second what only the pipeline's clock knows of each process, whatever that is busy with."""
        for process in list(self._state.processes.values()):
            if process.known and not process.lost and now - process.vitals_time >= VITALS_INTERVAL:
                process.vitals_time, doing = now, process.doing(now)
                age = 0.0 if doing.starting else doing.silent
                vitals = {"heart_beat": process.activity.beats, "heart_beat_age": age, "busy_time": doing.busy}
                process.reports.update(vitals)
                process.report_time = time.time()
                self._handlers.handle_report(process.name, vitals)

    def begin_counting(self, process: TaskProcess) -> None:
        """What a task has counted in the run before is not of this one, whatever becomes of its start."""
        beginning = at_the_beginning()
        process.reports.update(beginning)
        process.report_time = time.time()
        self._handlers.handle_report(process.name, beginning)

    def fail_once(self, process: TaskProcess, error: Error) -> None:
        """A task that says what is wrong is taken for failed; what follows from that is not told again."""
        if process.error is None:
            self.fail(process, error)

    def end_if_finished(self) -> None:
        """Ends the run if all its tasks are through: those that finished go back to WAITING."""
        processes = self._state.chained
        if self._state.status is Status.WAITING:
            return
        if busy := [process.name for process in processes if not process.at_rest]:
            if all(map(self._state.graph.sampled_by, busy)):  # nothing but what may miss data keeps the run from ending
                self._state.watchdog.end_by(time.monotonic())
            return
        for process in processes:
            link = self._state.graph.before(process.name)
            if process.lost and link is not None:  # what was sent to it and that it did not say it has handled
                told, before = process.reports, self._state.processes.get(link.source)
                links = before.links if before is not None else []
                sent = links[link.output].sent if link.output < len(links) else 0
                told["balance"] = sent - told["counter"] - told["dropped"]
                process.report_time = time.time()
                self._handlers.handle_report(process.name, {"balance": told["balance"]})
            elif process.finished and not process.failed:
                self._state.send(process.name, Message.STOP, None)
                process.status = Status.WAITING
        self._state.status = after(self._state.status, Message.FINISHED, PIPELINE_RULES)
        self._state.watchdog.begin()

    def fail(self, process: TaskProcess, error: Error, *, at_start: bool = False) -> None:
        """Something is wrong with a task: panic, stop the others, and let them flush what they hold.

        If the task is on a sampling branch that ends the branch only, unless the run is just beginning.
        """
        in_run = not self._state.at_rest
        error.task = error.task or process.name
        error.time = error.time or time.time()
        error.run = error.run or (self._state.run_id if in_run else 0)
        process.error = error
        if not process.lost:
            process.status = after(process.status, _ERROR)
            process.finished |= not in_run
        at_start = at_start or any(each.beginning for each in self._state.chained)
        sampled = self._state.graph.sampled_by(process.name) if in_run and not at_start else None
        if sampled is not None:
            self._end_branch(sampled, process)
        else:
            self._state.errors.append(error)
            self._state.status = after(self._state.status, _ERROR, PIPELINE_RULES)
            if in_run and process.name in self._state.graph.tasks:
                self._end_stream(process)
        self._handlers.handle_error(process.name, error)
        self.end_if_finished()

    def _end_stream(self, process: TaskProcess) -> None:
        """The source stops, and nothing passes `process` any more."""
        self._state.send(self._state.graph.tasks[0], Message.STOP, None)
        self._cut_around(process)
        self._state.watchdog.end_by(time.monotonic())

    def _end_branch(self, link: Link, process: TaskProcess) -> None:
        """The branch behind a sampling link ends, because of a failure in it; the run goes on without it."""
        self._state.send_cut(link)
        self._cut_around(process)

    def _cut_around(self, process: TaskProcess) -> None:
        """What is before a lost process sends it no more, what is behind gets no more; a live one does that."""
        link = self._state.graph.before(process.name)
        if process.lost and link is not None:
            self._state.send_cut(link)
        for behind in self._state.graph.behind(process.name) if process.lost else ():
            self._state.send(behind.target, Message.FINISHED, None)

    def fail_start(self, first: Unanswered) -> None:
        """A run that could not begin in all tasks: no data have flowed, and the streams of the others end at once."""
        process = self._state.processes.get(first.task)  # it may have been killed just now
        if self._state.status is not Status.PANICKING and process is not None:
            self.fail(process, Error(first.why), at_start=True)
        self.end_without_data()

    def end_without_data(self) -> None:
        """Ends the run in the tasks that have begun it, although their source has not: their streams end at once."""
        for process in self._state.chained:
            if process.status is not Status.WAITING and not process.lost:
                self._state.send(process.name, Message.STOP, None)
                self._state.send(process.name, Message.FINISHED, None)
        self._state.watchdog.end_by(time.monotonic())
        self.end_if_finished()
