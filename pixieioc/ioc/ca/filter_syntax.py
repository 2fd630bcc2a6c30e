"""The syntax of channel filters: what may stand behind a name and its dot, as in `NAME.VAL[0:4]{"dbnd":{"abs":1.5}}`.

JSON, with what EPICS Base also takes of JSON5: names without quotes, single quotes, commas at the end, comments, and
numbers such as +2, 0x10, .5 and Infinity.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

Scalar = str | float | int | None
#: A filter as it was written: its name and its options.
Written = tuple[str, Mapping[str, Scalar]]

#: The longest name with filters that is read at all, in characters.
_LONGEST = 1000
_FIELD = re.compile(r"\w*\$?", re.ASCII)
_TOKEN = re.compile(
    r"""(?:\s|/\*.*?\*/|//[^\n]*)*
    (?:
        (?P<mark>[{}:,])
        | "(?P<double>(?:[^"\\]|\\.)*)"
        | '(?P<single>(?:[^'\\]|\\.)*)'
        | (?P<word>[\w.+-]+)
        | (?P<end>$)
    )""",
    re.VERBOSE | re.DOTALL,
)
_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|\d+)")
_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|Infinity|NaN)")
_WORDS: dict[str, Scalar] = {"true": 1, "false": 0, "null": None}
_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)


class NoFilter(ValueError):
    """What stands behind a name is no filter that there is."""


class Wanted(NamedTuple):
    """What a client wants of a record."""

    field: str  #: with its `$`; empty: the value
    filters: tuple[Written, ...]


def read(behind: str) -> Wanted:
    """Reads what stands behind a record's name and the dot; NoFilter if it cannot be read."""
    if len(behind) > _LONGEST:
        raise NoFilter(f"{len(behind)} characters: at most {_LONGEST} are read")
    found = _FIELD.match(behind)
    assert found is not None  # it may be empty
    field, rest = found.group(), behind[found.end() :]
    filters: list[Written] = []
    if rest.startswith("["):
        inside, bracket, rest = rest[1:].partition("]")
        if not bracket:
            raise NoFilter(f"{behind!r} has no ]")
        filters.append(("arr", _range(inside)))
    if rest:
        filters += _filters(rest)
    return Wanted(field, tuple(filters))


def _range(text: str) -> dict[str, Scalar]:
    """The options of `arr` that a range is: `start:increment:end`, `start:end`, or one index."""
    parts = text.split(":")
    if len(parts) > 3 or not any((text, parts[1:])):
        raise NoFilter(f"[{text}]: must be [start:end], [start:increment:end] or [index]")
    names = {1: "s", 2: "se", 3: "sie"}[len(parts)]
    options: dict[str, Scalar] = {}
    for option, part in zip(names, parts, strict=True):
        if part:
            if not _INTEGER.fullmatch(part):
                raise NoFilter(f"[{text}]: {part!r} is not a whole number")
            options[option] = int(part, 0 if "x" in part.lower() else 10)
    return options | {"e": options["s"]} if len(parts) == 1 else options


def _filters(text: str) -> Iterator[Written]:
    """The filters of an object `{"name":{"option":value}}`, in their order."""
    tokens = _tokens(text)
    for name in _keys(tokens):
        options: dict[str, Scalar] = {}
        _expect(tokens, "{")
        for option in _keys(tokens, opened=True):
            kind, value = next(tokens)
            if kind == "mark" or kind == "end":
                raise NoFilter(f"{name}: {option} has no value")
            options[option] = _scalar(value) if kind == "word" else value
        yield name, options
    if next(tokens)[0] != "end":
        raise NoFilter(f"{text!r} goes on behind its end")


def _keys(tokens: Iterator[tuple[str, str]], *, opened: bool = False) -> Iterator[str]:
    """The keys of an object, one after the other; the value of each is to be taken before the next."""
    if not opened:
        _expect(tokens, "{")
    kind, key = next(tokens)
    while (kind, key) != ("mark", "}"):
        if kind in ("mark", "end") or (kind == "word" and not _NAME.fullmatch(key)):
            raise NoFilter(f"{key!r} is no name")
        _expect(tokens, ":")
        yield key
        kind, key = next(tokens)
        if (kind, key) == ("mark", ","):
            kind, key = next(tokens)
        elif (kind, key) != ("mark", "}"):
            raise NoFilter(f"{key!r} where , or }} must be")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, kind = 0, ""
    while kind != "end":
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise NoFilter(f"{text[at:]!r} cannot be read")
        at, kind = found.end(), found.lastgroup
        token = found.group(kind)
        yield kind, re.sub(r"\\(.)", r"\1", token) if kind in ("double", "single") else token
    raise NoFilter(f"{text!r} has no end")


def _expect(tokens: Iterator[tuple[str, str]], mark: str) -> None:
    if (found := next(tokens)) != ("mark", mark):
        raise NoFilter(f"{found[1]!r} where {mark} must be")


def _scalar(word: str) -> Scalar:
    if word in _WORDS:
        return _WORDS[word]
    if _INTEGER.fullmatch(word):
        return int(word, 0 if "x" in word.lower() else 10)
    if _NUMBER.fullmatch(word):
        return float(word)
    raise NoFilter(f"{word!r} is no value")
