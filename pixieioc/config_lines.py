"""Where the keys of a TOML file stand, so that what is wrong is told with its line."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

KeyPath = tuple[str, ...]


def not_toml(path: Path, content: bytes, error: tomllib.TOMLDecodeError | UnicodeDecodeError) -> str:
    """A sentence about a file that is no TOML: `FILE:LINE:COLUMN: what is wrong there`."""
    if isinstance(error, UnicodeDecodeError):
        before = content[: error.start].split(b"\n")
        wrong = f"byte {content[error.start]:#04x} is no UTF-8"
        return f"{path}:{len(before)}:{len(before[-1].decode()) + 1}: not TOML: {wrong}"
    what, _, where = str(error).partition(" (at ")
    if position := re.match(r"line (\d+), column (\d+)\)", where):
        return f"{path}:{position[1]}:{position[2]}: not TOML: {what}"
    return f"{path}:{_last_statement(content.decode())}:1: not TOML: {what}"


def _last_statement(text: str) -> int:
    """The line in which the last statement of a text begins, whether it is whole or not."""
    last, whole = 1, True
    for number, content in _by_line(text):
        if whole and text.splitlines()[number - 1].strip():
            last = number
        whole = content is not None
    return last


def lines_of(text: str) -> dict[KeyPath, int]:
    """The line, from 1, in which each key of a valid TOML text begins, and each table; by the parts of its full name.

    A statement is what the parser takes by itself: the shortest piece of lines that is TOML. Of several tables
    `[[a.b]]` the second is `a.b.2`, and so on.
    """
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    counts: Counter[KeyPath] = Counter()
    for line, content in _statements(text):
        keys = list(_keys(content, ()))
        if not keys:
            continue
        is_table = next(iter(content.values()), None) is not None and _is_header(text, line)
        if is_table:
            table = max(keys, key=len)
            counts[table] += 1
            if counts[table] > 1:
                keys = [table := (*table, str(counts[table]))]
        for key in keys:
            found.setdefault(key if is_table else (*table, *key), line)
    return found


def _statements(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    begin = 1
    for number, content in _by_line(text):
        if content is not None:
            yield begin, content
            begin = number + 1


def _by_line(text: str) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Each line's number, with the content of the statement that ends in it, or None: it goes on in the next one."""
    piece = ""
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        piece += line
        try:
            content = tomllib.loads(piece)
        except tomllib.TOMLDecodeError:
            yield number, None
            continue
        yield number, content
        piece = ""


def _is_header(text: str, line: int) -> bool:
    return text.splitlines()[line - 1].lstrip().startswith("[")


def _keys(content: object, above: KeyPath) -> Iterator[KeyPath]:
    if isinstance(content, list):
        for item in cast("list[object]", content):
            if isinstance(item, dict):
                yield from _keys(cast("object", item), above)
    elif isinstance(content, dict):
        for key, value in cast("dict[str, object]", content).items():
            yield (*above, key)
            yield from _keys(value, (*above, key))
