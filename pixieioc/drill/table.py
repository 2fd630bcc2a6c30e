"""What a drill has seen, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_WIDTH = 34


@dataclass
class Seen:
    """What was seen of one kind of fault."""

    rounds: int = 0
    violations: list[str] = field(default_factory=list[str])
    told: list[float] = field(default_factory=list[float])  #: seconds until the process variables told the truth
    answered: list[float] = field(default_factory=list[float])  #: seconds until all puts were answered


@dataclass
class Table:
    """A row for each fault, in the order in which they came."""

    rows: dict[str, Seen] = field(default_factory=dict[str, Seen])

    def row(self, fault: str) -> Seen:
        """The row of a fault."""
        return self.rows.setdefault(fault, Seen())

    @property
    def violations(self) -> list[str]:
        """Everything that did not hold."""
        return [f"{fault}: {text}" for fault, seen in self.rows.items() for text in seen.violations]

    def line(self, fault: str) -> str:
        """A row of the table."""
        seen = self.rows[fault]
        cells = (seen.rounds, len(seen.violations), _longest(seen.told), _longest(seen.answered))
        return f"| {fault:{_WIDTH}} | " + " | ".join(map(str, cells)) + " |"

    def lines(self) -> Iterator[str]:
        """The table as Markdown, and behind it what did not hold."""
        yield f"| {'fault':{_WIDTH}} | rounds | not as it must be | told within | puts answered within |"
        yield "|---|---|---|---|---|"
        yield from map(self.line, self.rows)
        yield from (f"* {text}" for text in self.violations)


def _longest(seconds: Iterable[float]) -> str:
    longest = max(seconds, default=None)
    return "" if longest is None else f"{longest:.2f} s"
