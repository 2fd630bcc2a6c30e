"""Where the keys of a TOML file stand, so that what is wrong is told with its line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any, cast

Place = tuple[str, ...]


def lines_of(text: str) -> dict[Place, int]:
    """The line, from 1, in which each key of a valid TOML text begins, and each table; by the parts of its full name.

    A statement is what the parser takes by itself: the shortest piece of lines that is TOML.
    """
    found: dict[Place, int] = {}
    table: Place = ()
    for line, content in _statements(text):
        keys = list(_keys(content, ()))
        if not keys:
            continue
        is_table = next(iter(content.values()), None) is not None and _is_header(text, line)
        if is_table:
            table = max(keys, key=len)
        for key in keys:
            found.setdefault(key if is_table else (*table, *key), line)
    return found


def _statements(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    begin, piece = 1, ""
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        piece += line
        try:
            content = tomllib.loads(piece)
        except tomllib.TOMLDecodeError:
            continue  # it goes on in the next line
        yield begin, content
        begin, piece = number + 1, ""


def _is_header(text: str, line: int) -> bool:
    return text.splitlines()[line - 1].lstrip().startswith("[")


def _keys(content: object, above: Place) -> Iterator[Place]:
    if isinstance(content, list):
        for item in cast("list[object]", content):
            if isinstance(item, dict):
                yield from _keys(cast("object", item), above)
    elif isinstance(content, dict):
        for key, value in cast("dict[str, object]", content).items():
            yield (*above, key)
            yield from _keys(value, (*above, key))
