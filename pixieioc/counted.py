"""Numbers with the words for what they count, as sentences have them."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`; `many` is the word for other numbers than 1 where an s does not make it."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
