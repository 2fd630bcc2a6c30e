"""What a test of a rule has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it went."""

    OK = "OK"
    VIOLATED = "violated"
    NOT_TRIED = "not tried"


class Violation(AssertionError):
    """The IOC does not keep a rule: what was seen, and what must be."""


class NotTried(Exception):
    """Why a rule could not be tested with this IOC."""


class CannotTest(Exception):
    """Why this IOC must not be, or cannot be, tested at all."""


@dataclass(frozen=True)
class Result:
    """One check of a rule: what it promises, what was done and seen, and why it is not OK."""

    rule: int
    name: str
    promise: str
    verdict: Verdict
    why: str = ""
    steps: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """All results, and what is to be known about the whole."""

    prefix: str
    results: tuple[Result, ...]
    #: What could not be brought back to what it was.
    left: tuple[str, ...] = ()

    def count(self, verdict: Verdict) -> int:
        """How many checks went so."""
        return sum(result.verdict is verdict for result in self.results)

    @property
    def conforms(self) -> bool:
        """Whether nothing was violated, something was tested, and all is as it was."""
        return bool(self.count(Verdict.OK)) and not self.count(Verdict.VIOLATED) and not self.left
