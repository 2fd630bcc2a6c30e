"""What a task's process says to its pipeline: reports, prints, answers, errors, and that it has finished."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import psutil

from pixieioc.pipeline.control import ControlLine, Printer
from pixieioc.pipeline.error import Error
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.payloads import Announced, Answered, Busy, LinkCount, Printed, Reported, StatusName, clean, write
from pixieioc.pipeline.reporting import Reporting
from pixieioc.pipeline.standard import StandardReports, keep

#: Load and memory are reported once in this many seconds.
USAGE_INTERVAL = 1.0

_ANSWER, _BUSY, _ERROR = Message.ANSWER.emoji, Message.BUSY.emoji, Message.ERROR.emoji
_PRINT, _REPORT, _IN_USE = Message.PRINT.emoji, Message.REPORT.emoji, Message.IN_USE.emoji


class Outgoing:
    """Everything leaves in the order in which it was said, and from the thread of the callbacks only."""

    def __init__(self, task: StandardReports, control: ControlLine) -> None:
        self._task = task
        self._control = control
        self._reporting = Reporting(task)
        self._process = psutil.Process()
        self._thread = threading.get_ident()
        self._usage_due = 0.0
        self._from_threads: deque[str] = deque()  #: what takes long in other threads, until this one sends it
        self.printer = Printer()
        self.run = 0  #: the number of the current or last run

    @property
    def in_thread(self) -> bool:
        """True in the thread of the callbacks."""
        return threading.get_ident() == self._thread

    def check_thread(self, what: str) -> None:
        """Error if this is another thread than that of the callbacks."""
        if not self.in_thread:
            name = self._reporting.name
            raise Error(f"{name}: {what} are sent by the callbacks only, not by a thread", task=name)

    def add(self, values: dict[str, Any]) -> None:
        """Puts values into the next report; BadReport, before anything is reported, if one of them cannot be."""
        self._reporting.add(values)

    @property
    def report_due(self) -> bool:
        """Whether a report may leave: at most two do in a second."""
        return self._reporting.due_in <= 0

    @property
    def waits(self) -> bool:
        """Whether there is something to be reported."""
        return not self._reporting.empty

    def due_at(self, now: float) -> float:
        """When something is to be said next."""
        report = now + self._reporting.due_in if self.waits else float("inf")
        return min(self._usage_due, now + self.printer.due_in, report)

    def report(self, status: StatusName, links: list[LinkCount]) -> None:
        """Sends all values that have changed, and what became of the items at each output."""
        report = Reported(status=status, time=time.time(), values=self._reporting.take(), links=links)
        self._control.send(_REPORT, write(report), self.run)

    def usage(self) -> bool:
        """Has load and memory reported, if that is due."""
        now = time.monotonic()
        if now < self._usage_due:
            return False
        self._usage_due = now + USAGE_INTERVAL
        keep(self._task, cpu_load=self._process.cpu_percent(None), mem_used=self._process.memory_info().rss / 1e6)
        return True

    def printed(self, *, last: bool = False) -> None:
        """Sends lines that were printed, if they are due, or with `last` all that there are."""
        while self.in_thread and (text := self.printer.take(last=last)) is not None:
            self._control.send(_PRINT, write(Printed(text=text, time=time.time())), self.run)

    def starting(self, what: str) -> None:
        """Says what takes long from now on; any thread may, and a socket belongs to one thread only."""
        self._from_threads.append(what)
        if self.in_thread:
            self._send_starting()

    def _send_starting(self) -> None:
        while self._from_threads:
            self._control.send(_BUSY, write(Busy(self._from_threads.popleft())), self.run)

    def answer(self, number: int, refused: str, in_use: dict[str, Any]) -> None:
        """Says that a message was dealt with, and what is in use then, or why it is refused."""
        self._control.send(_ANSWER, write(Answered(ack=number, refused=clean(refused), in_use=in_use)), self.run)

    def in_use(self, values: dict[str, Any], limits: dict[str, Any]) -> None:
        """Says what has come into use without being asked for."""
        self._control.send(_IN_USE, write(Announced(time=time.time(), values=values, limits=limits)), self.run)

    def print(self, text: str) -> None:
        """Prints a line for the operator."""
        self.printer.write(text + "\n")

    def failed(self, error: Error) -> None:
        """Says that the task has failed."""
        self._control.send(_ERROR, error.to_dict(), self.run)

    def finished(self) -> None:
        """Says that the task is through with the run."""
        self._control.send(Message.FINISHED, None, self.run)

    def flush(self) -> None:
        """Sends what other threads have said, and what the socket did not take before."""
        self._send_starting()
        self._control.flush()
