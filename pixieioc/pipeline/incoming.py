"""The messages that come in: what a task's process says is taken in, or is that task's failure and nobody else's."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence

from pixieioc.pipeline.declare import BadReport
from pixieioc.pipeline.error import Error, Refused
from pixieioc.pipeline.failures import Failures, Handlers
from pixieioc.pipeline.frames import Buffer, MalformedMessage, Packet, unpack
from pixieioc.pipeline.in_use import BadSetting
from pixieioc.pipeline.message import KINDS, Message
from pixieioc.pipeline.payloads import Announced, Answered, Busy, Failed, Printed, Reported, clean, read
from pixieioc.pipeline.pipeline_state import PipelineState
from pixieioc.pipeline.status import Status, after
from pixieioc.pipeline.task_process import Answer, TaskProcess

_ERROR, _PRINT, _REPORT = Message.ERROR.emoji, Message.PRINT.emoji, Message.REPORT.emoji
_ANSWER, _BUSY, _IN_USE = Message.ANSWER.emoji, Message.BUSY.emoji, Message.IN_USE.emoji
#: What a task may say before it is there.
_EARLY = (_PRINT, _IN_USE)


class Incoming:
    """Takes in one message after the other."""

    def __init__(self, state: PipelineState, failures: Failures, handlers: Handlers) -> None:
        self._state = state
        self._failures = failures
        self._handlers = handlers

    def take(self, process: TaskProcess, frames: Sequence[Buffer]) -> None:
        """Handles a message of a task; whatever is wrong with it is the error of that task, and of nobody else."""
        try:
            self._receive(process, unpack(frames))
        except (BadReport, BadSetting) as error:
            self._failures.fail_once(process, Error(str(error)))
        except MalformedMessage as error:
            self._failures.fail_once(process, Error(f"{process.name}: {error}"))
        except Exception as error:  # a handler's: the process that serves everybody goes on
            trace = "".join(traceback.format_exception(error))
            what = f"{process.name}: its message could not be handled: {type(error).__name__}: {error}"
            self._failures.fail_once(process, Error(what, traceback=trace))

    def _receive(self, process: TaskProcess, packet: Packet) -> None:
        try:
            after(process.status, packet.kind)
        except (Refused, TypeError) as error:
            raise MalformedMessage(f"said what it must not: {error}") from None
        process.heard = time.monotonic()
        if packet.kind == _BUSY:  # which may be said before the task is there
            process.starting = clean(read(packet.kind, packet.payload, Busy).what)
            self._handlers.handle_starting(process.name, process.starting)
            return
        if packet.kind not in _EARLY:
            process.known, process.starting = True, ""
        match packet.kind:
            case kind if kind == _REPORT:
                self._take_report(process, read(kind, packet.payload, Reported))
            case kind if kind == _ANSWER:
                answer = read(kind, packet.payload, Answered)
                in_use, _ = process.take_in_use(answer.in_use)
                if in_use:
                    self._handlers.handle_in_use(process.name, in_use, {}, time.time())
                if answer.ack in process.answers:  # otherwise nobody waits for it any more
                    process.answers[answer.ack] = Answer(answer.refused, in_use)
            case kind if kind == _IN_USE:
                said = read(kind, packet.payload, Announced)
                values, limits = process.take_in_use(said.values, said.limits)
                self._handlers.handle_in_use(process.name, values, limits, said.time)
            case kind if kind == _PRINT:
                self._handlers.handle_print(process.name, clean(read(kind, packet.payload, Printed).text))
            case kind if kind == _ERROR:
                self._failures.fail(process, read(kind, packet.payload, Failed).error())
            case Message.FINISHED:
                if packet.run == self._state.run_id:
                    process.finished = True
                    self._failures.end_if_finished()
            case kind:
                raise MalformedMessage(f"said what only the pipeline says: {kind} {KINDS[kind]}")

    def _take_report(self, process: TaskProcess, report: Reported) -> None:
        values = process.accept(report.values)
        if not process.failed:
            process.status = Status[report.status]
        process.reports.update(values)
        process.report_time = report.time
        process.links = report.links
        self._handlers.handle_report(process.name, values)
        self._report_missed(process)

    def _report_missed(self, process: TaskProcess) -> None:
        """What a sampling branch has missed is known to the task before it, and is a report of the first task in it."""
        for link, count in zip(self._state.graph.behind(process.name), process.links, strict=False):
            target = self._state.processes.get(link.target)
            if link.mode != "sampling" or target is None:
                continue
            missed = {"missed": count.missed, "missed_bytes": count.missed_bytes}
            if any(target.reports[name] != value for name, value in missed.items()):
                target.reports.update(missed)
                target.report_time = process.report_time
                self._handlers.handle_report(target.name, missed)
