"""What goes wrong in a pipeline, as one exception that is also plain data for the wire."""

from __future__ import annotations

import enum
from typing import Any


class Cause(enum.Enum):
    """Why something failed, in the order of how much the failing part could still say."""

    REFUSED = "refused"  #: bad configuration or a message that is illegal now; nothing has changed
    ERROR = "error"  #: an exception in a task
    HANG = "hang"  #: a task whose heart beat stopped
    TIMEOUT = "timeout"  #: a drain or an answer that took longer than allowed
    LOST = "lost"  #: a process that ended without a word


class Error(Exception):
    """A failure in a pipeline; `str()` is the sentence for the operator."""

    def __init__(
        self,
        msg: str,
        *,
        task: str = "",
        traceback: str = "",
        time: float = 0.0,
        run: int = 0,
        cause: Cause = Cause.ERROR,
        errno: int = 0,
    ) -> None:
        """`time` is Unix time in seconds, `run` the run's number (0: none), `errno` the system's code (0: not its)."""
        super().__init__(msg)
        self.task = task
        self.traceback = traceback
        self.time = time
        self.run = run
        self.cause = cause
        self.errno = errno

    def to_dict(self) -> dict[str, Any]:
        """The payload of `Message.ERROR`."""
        return {
            "text": str(self),
            "task": self.task,
            "traceback": self.traceback,
            "time": self.time,
            "run": self.run,
            "cause": self.cause.value,
            "errno": self.errno,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Error:
        """The error that `to_dict` described."""
        return cls(
            data["text"],
            task=data["task"],
            traceback=data["traceback"],
            time=data["time"],
            run=data["run"],
            cause=Cause(data["cause"]),
            errno=data["errno"],
        )


class NotConnected(Error, RuntimeError):
    """Tasks did not answer when they were to be connected; its cause is that of the first of them."""


def errno_of(error: BaseException | None) -> int:
    """The system's code of an error or of the first of its causes that has one, or 0."""
    while error is not None:
        if isinstance(error, OSError | Error) and error.errno:
            return error.errno
        error = error.__cause__
    return 0


class Refused(Error):
    """The caller's fault: something was asked for that is not allowed; nothing has changed."""

    def __init__(
        self, msg: str, *, task: str = "", problems: tuple[str, ...] = (), about: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """`problems`: the sentences of `msg`, where it has several; `about`: task and parameter of each."""
        super().__init__(msg, task=task, cause=Cause.REFUSED)
        self.problems = problems or (msg,)
        self.about = about or (("", ""),) * len(self.problems)
