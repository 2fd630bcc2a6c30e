"""What was found about one thing, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How serious it is: an IOC runs well, runs with a disadvantage, or does not run as configured."""

    OK = "ok"
    ADVICE = "advice"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One thing: what was found, and what to do if it is not OK."""

    level: Level
    text: str
    mend: str = ""


def ok(text: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, text)


def advice(text: str, mend: str) -> Finding:
    """It works, but not as well as it could."""
    return Finding(Level.ADVICE, text, mend)


def bad(text: str, mend: str) -> Finding:
    """It does not work."""
    return Finding(Level.BAD, text, mend)
