"""Rectangles of a screen, and how they are divided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels from the upper left corner of its display."""

    x: int
    y: int
    width: int
    height: int

    def inner(self, margin: int, top: int | None = None) -> Box:
        """What is left inside a margin; `top` is that above."""
        top = margin if top is None else top
        return Box(self.x + margin, self.y + top, self.width - 2 * margin, self.height - top - margin)

    def columns(self, *shares: float, gap: int = 8) -> list[Box]:
        """Side by side, with widths in these proportions."""
        room = self.width - gap * (len(shares) - 1)
        edges = [round(room * sum(shares[:i]) / sum(shares)) for i in range(len(shares) + 1)]
        return [replace(self, x=self.x + edges[i] + i * gap, width=edges[i + 1] - edges[i]) for i in range(len(shares))]

    def rows(self, height: int, gap: int = 6) -> Iterator[Box]:
        """One below the other, as many as are asked for."""
        return (replace(self, y=self.y + i * (height + gap), height=height) for i in count())

    def grid(self, columns: int, rows: int, gap: int = 8) -> list[Box]:
        """Equal cells, row by row."""
        width = (self.width - gap * (columns - 1)) // columns
        height = (self.height - gap * (rows - 1)) // rows
        return [
            Box(self.x + c * (width + gap), self.y + r * (height + gap), width, height)
            for r in range(rows)
            for c in range(columns)
        ]
