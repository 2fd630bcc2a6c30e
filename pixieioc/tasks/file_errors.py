"""What a task that writes files can be told to do when that goes wrong, what it says of it, and how it does it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from pixieioc.pipeline import Error, Parameter, Report
from pixieioc.presentation import AlarmHandling
from pixieioc.tasks.file_series import STOP, WAIT, Destination, Rules

#: How often a disk that could not be written to is tried again, in seconds.
_RETRY = 0.5
#: So long before the end of StopTimeout a disk that is too slow is given up, in seconds: files are completed then.
_COMPLETING = 1.2
OK, WRONG = "Write OK", "Write error"


def size_limit(**where: Any) -> Parameter[float]:
    """FileSizeLimit."""
    doc = "Size from which on data go to the next file, numbered _002 and so on; 0: none."
    return Parameter(0.0, unit="MB", low=0.01, high=1e7, unset=0, precision=3, live=True, doc=doc, **where)


def time_limit(**where: Any) -> Parameter[float]:
    """FileTimeLimit."""
    doc = "Time after which data go to the next file; 0: none."
    return Parameter(0.0, unit="s", low=0.1, high=1e7, unset=0, live=True, doc=doc, **where)


def on_write_error(**where: Any) -> Parameter[str]:
    """OnWriteError."""
    return Parameter(
        STOP,
        choices=(STOP, WAIT),
        live=True,
        doc="What is done when files cannot be written: the run ends, or it waits until they can (the source is held "
        "up meanwhile, and a Stop gives up what waits).",
        **where,
    )


def second_file_path(**where: Any) -> Parameter[str]:
    """SecondFilePath."""
    return Parameter(
        "",
        path=True,
        doc="Folder in which a run goes on whose files cannot be written, before OnWriteError holds; empty: none.",
        **where,
    )


def write_status(what: str, setting: str, **where: Any) -> Report[str]:
    """WriteStatus_RBV, of files of this kind, which are where `setting` says."""
    return Report(
        OK,
        choices=(OK, WRONG),
        severities=("NO_ALARM", "MAJOR"),
        doc="Whether the last write succeeded.",
        alarm=AlarmHandling(omitted="follows from the error of the task that writes, which is in the tree"),
        guidance=f"See WriteMessage_RBV: free space on the disk, mend it, or set another {setting}. A run that waits "
        f"then goes on by itself, and one in the second folder needs space there; the {what} of one that has ended "
        "are incomplete on disk.",
        **where,
    )


def write_message(**where: Any) -> Report[str]:
    """WriteMessage_RBV."""
    return Report("", doc="Why the last write failed.", **where)


class _Files(Protocol):
    """The files of a run, however many there are."""

    @property
    def destination(self) -> Destination:
        """Where they are."""
        ...

    def rescue(self, error: BaseException) -> object:
        """Completes them with what they have."""
        ...


class FileErrors:
    """Follows the settings of a task, and tells by its reports; both are those above, by the same names."""

    def __init__(self, task: Any) -> None:
        self._task = task
        self.over = False  #: nothing more comes in this run
        self._give_up_at = math.inf

    def begin(self) -> None:
        """A run begins."""
        self.over, self._give_up_at = False, math.inf

    def rules(self, depth: int = 0) -> Rules:
        """The settings as they are now."""
        task = self._task
        return Rules(task.file_size_limit, task.file_time_limit, depth, task.on_write_error, task.second_file_path)

    def waits(self, error: Error) -> bool:
        """While nothing can be written: says why, and whether to try again."""
        task = self._task
        task.write_status, task.write_message = WRONG, f"the run waits: {error}"
        task.send_heart_beat()
        task.flush_report()
        time.sleep(_RETRY)
        if not task.stopping:
            task.write_status, task.write_message = OK, ""
        return not task.stopping

    def too_slow(self) -> bool:
        """Whether a disk that takes what it is given, but slowly, is not waited for any longer: the run has to end.

        To ask is a sign of life: the disk has just taken something.
        """
        task, now = self._task, time.monotonic()
        task.send_heart_beat()
        if task.stopping and self._give_up_at == math.inf:
            timeout = task.run_stop_timeout
            self._give_up_at = now + max(timeout / 2, timeout - _COMPLETING)
        return now >= self._give_up_at

    def guarded(self, action: Callable[[], Any]) -> None:
        """Does something with files; what goes wrong is shown by the task's own reports, then fails it."""
        try:
            action()
        except Error as error:
            self._task.write_status, self._task.write_message = WRONG, str(error)
            raise

    @contextmanager
    def completing(self, files: _Files, then: Callable[[], None]) -> Iterator[None]:
        """After an error, of whatever kind, files are completed with what they have, or closed as they are."""
        try:
            yield
        except Exception as error:  # it goes on from here as it came
            self.over = True
            files.rescue(error)
            self.show_complete(files.destination)
            then()
            raise

    def report(self, destination: Destination) -> None:
        """Says which file is the latest, which are complete, and whether it is in the second folder."""
        task = self._task
        if destination.latest is not None:
            task.full_file_name = str(destination.latest)
        self.show_complete(destination)
        if destination.diverted:
            task.write_status = WRONG
            task.write_message = f"the run goes on in {task.second_file_path}: {destination.diverted}"

    def show_complete(self, destination: Destination) -> None:
        """Says which files are complete; also of a run that has failed, whose WriteMessage is not to be touched."""
        if destination.complete.count != self._task.files_complete:
            self._task.run_files, self._task.files_complete = destination.complete.text, destination.complete.count
