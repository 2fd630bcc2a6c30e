"""One run, from the moment it is accepted."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from pixieioc.ioc.records import Client
from pixieioc.pipeline import Cause, Error, Message

#: What an error makes the reason of a run's end.
REASONS = {
    Cause.REFUSED: "Task error",
    Cause.ERROR: "Task error",
    Cause.HANG: "Task lost",
    Cause.LOST: "Task lost",
    Cause.TIMEOUT: "Timeout",
}


def duration(seconds: float) -> str:
    """A time as one says it: "2 s", "3 min", "5 h 12 min"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


@dataclass(eq=False)
class Run:
    """A run as the run control sees it. `reason` is why it ends, as soon as that is known."""

    id: int
    client: Client
    accepted: float = field(default_factory=time.monotonic)
    began: float | None = None  #: when the tasks had started
    reason: str = ""
    failure: str = ""  #: what went wrong, if anything did
    how: str = ""  #: Message.STOP or ABORT once the end was asked for
    source_done: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def elapsed(self) -> float:
        """Real time since the tasks started, s."""
        return 0.0 if self.began is None else time.monotonic() - self.began

    @property
    def aborted(self) -> bool:
        """True if data in the chain were to be discarded."""
        return self.how == Message.ABORT

    def describe(self) -> str:
        """Whose run it is and how long it has been running, for those who cannot have another one now."""
        age = duration(time.monotonic() - self.accepted)
        return f"run {self.id}, started by {self.client}, has been running for {age}"

    def fail(self, error: Error) -> None:
        """Notes what made the run end badly; the first cause stays."""
        if not self.failure:
            self.failure = str(error)
            self.reason = REASONS[error.cause]
