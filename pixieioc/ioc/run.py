"""One run, from the moment it is accepted: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pixieioc.ioc.text import duration
from pixieioc.pipeline.error import Cause, Error
from pixieioc.pvinfo.states import EndReason

#: What an error makes the reason of a run's end.
REASONS: dict[Cause, EndReason] = {
    Cause.REFUSED: "Task error",
    Cause.ERROR: "Task error",
    Cause.HANG: "Task lost",
    Cause.LOST: "Task lost",
    Cause.TIMEOUT: "Timeout",
}


@dataclass(eq=False)
class Run:
    """A run as run control sees it; times are those of the clock that events bring, in seconds.

    `reason` is why it ends, as soon as that is known.
    """

    id: int
    client: object
    accepted: float
    erase: bool = False
    began: float | None = None  #: when the tasks had started
    source_ended: float | None = None
    reason: EndReason | Literal[""] = ""
    failure: str = ""  #: what went wrong, if anything did
    end_asked: bool = False
    aborted: bool = False  #: data in the chain are to be discarded
    #: Those whose puts the run's end completes: number, what was written, and whether that started the run.
    puts: list[tuple[int, str, bool]] = field(default_factory=list[tuple[int, str, bool]])

    def elapsed(self, now: float) -> float:
        """Real time since the tasks started, until the source ended."""
        return 0.0 if self.began is None else (now if self.source_ended is None else self.source_ended) - self.began

    def describe(self, now: float) -> str:
        """Whose run it is and how long it has been running, for those who cannot have another one now."""
        return f"run {self.id}, started by {self.client}, has been running for {duration(now - self.accepted, 0)}"

    def fail(self, error: Error) -> None:
        """Notes what made the run end badly; the first cause stays."""
        if not self.failure:
            self.failure = str(error)
            self.reason = REASONS[error.cause]
