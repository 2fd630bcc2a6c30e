"""The log: to the journal, to files that are rotated, or to stderr, written by a thread so that nobody waits for it.

Each line has its time with the offset from UTC, its level, and its source:

2026-03-01 14:05:09.318+01:00 WARNING pixieioc.ioc.app: SIGHUP: the IOC goes on; SIGTERM ends it
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from logging.handlers import QueueHandler, RotatingFileHandler
from pathlib import Path

from pixieioc.counted import counted
from pixieioc.ioc.journal import JournalHandler, is_journal
from pixieioc.ioc.text import shortened

#: Characters that are written of a message, with its traceback.
_LONGEST = 20_000
LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
#: Lines that may wait for the thread, and seconds that the end waits for it.
_WAITING, _AT_END = 10_000, 1.0
#: How long the writing of a line may take, in seconds, and what is said of one that takes longer.
_SILENT = 3.0
NO_ANSWER = "does not answer, lines wait: is its disk or file server there?"


class LineFormat(logging.Formatter):
    """Lines as they stand in a file; what is of several lines is indented from the second on."""

    def __init__(self) -> None:
        super().__init__(_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """The line, or lines."""
        return shortened(super().format(record), _LONGEST).replace("\n", "\n    ")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """The time to the millisecond, with its offset from UTC."""
        return datetime.fromtimestamp(record.created).astimezone().isoformat(" ", "milliseconds")


class LogFile(RotatingFileHandler):
    """A file that is followed by a new one at a size; one that was moved or removed is made again."""

    def __init__(self, path: Path, megabytes: float, keep: int) -> None:
        super().__init__(path, maxBytes=int(megabytes * 1e6), backupCount=keep, delay=True, encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        try:
            if not self._is_there():
                self.close()
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            self.handleError(record)
        else:
            super().emit(record)

    def _is_there(self) -> bool:
        """Whether what is open, if anything, is still what has this name."""
        if self.stream is None:  # pyright: ignore[reportUnnecessaryComparison]  # until the first line
            return True
        with contextlib.suppress(OSError):
            return os.path.samestat(os.stat(self.baseFilename), os.fstat(self.stream.fileno()))  # noqa: PTH116
        return False


class Logs(QueueHandler):
    """Hands lines to a thread that writes them; `lost` counts those that could not be written."""

    def __init__(self, writer: logging.Handler, where: str) -> None:
        self._lines: queue.Queue[logging.LogRecord | threading.Event] = queue.Queue(_WAITING)
        super().__init__(self._lines)
        self.where = where  #: journal, stderr, or the file
        self.lost, self._problem = 0, ""
        self._failures = 0  # of the writer
        self._began: float | None = None  # the writing of a line
        self._writer = writer
        writer.setFormatter(LineFormat())
        writer.handleError = self._failed
        threading.Thread(target=self._write, name="pixieioc log", daemon=True).start()

    def enqueue(self, record: logging.LogRecord) -> None:
        """Never waits: if too many lines wait already, this one is lost."""
        try:
            self._lines.put_nowait(record)
        except queue.Full:
            self.lost += 1

    @property
    def silent(self) -> bool:
        """Whether a line has been on its way for too long."""
        began = self._began
        return began is not None and time.monotonic() - began > _SILENT

    @property
    def problem(self) -> str:
        """Why lines are not written now, or why the last one could not be; empty: nothing is wrong."""
        if self.silent:
            return NO_ANSWER
        return self._problem or (f"{_WAITING} lines wait to be written" if self._lines.full() else "")

    def flush(self) -> None:
        """Waits until all is written, if that takes no longer than a second."""
        written = threading.Event()
        with contextlib.suppress(queue.Full):
            self._lines.put(written, timeout=_AT_END)
            written.wait(_AT_END)

    def unwritten(self) -> Iterator[str]:
        """What has not been written yet, if there is anything."""
        count = self._lines.qsize() + (self._began is not None)
        if count:
            yield f"{counted(count, 'line')} of the log ({self.where})"

    def _write(self) -> None:
        while True:
            item = self._lines.get()
            if isinstance(item, threading.Event):
                item.set()
            else:
                self._began, failed_before = time.monotonic(), self._failures
                self._writer.handle(item)
                self._began = None
                if self._failures == failed_before:
                    self._problem = ""

    def _failed(self, record: logging.LogRecord) -> None:
        """A line that could not be written where it belongs stands on stderr at least."""
        self.lost += 1
        self._failures += 1
        error = sys.exc_info()[1]
        self._problem = str(getattr(error, "strerror", None) or error)
        with contextlib.suppress(OSError, ValueError):  # which may be gone, too
            sys.stderr.write(f"{LineFormat().format(record)}\n")


def begin(file: Path | None, megabytes: float, keep: int, level: str) -> Logs:
    """Has everything logged from now on: into `file`, or into the journal if stderr goes there, or on stderr."""
    logs = Logs(*_writer(file, megabytes, keep))
    root = logging.getLogger()
    root.handlers = [logs]  # basicConfig would give it a format of its own, which comes before that of the writer
    root.setLevel(level.upper())
    return logs


def _writer(file: Path | None, megabytes: float, keep: int) -> tuple[logging.Handler, str]:
    if file is not None:
        return LogFile(file, megabytes, keep), str(file)
    if is_journal(2, os.environ):
        with contextlib.suppress(OSError):  # nobody listens: stderr goes there all the same
            return JournalHandler(), "journal"
    return logging.StreamHandler(), "stderr"
