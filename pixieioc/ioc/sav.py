"""Settings as the text of a file in the format of synApps' autosave (`.sav`), and back.

A line has a name and a value; a long text is the array of its bytes, as autosave has those. Lines that begin with # are
comments to autosave. Ours say which configuration the file is of, what that said of a setting where something else was
written (`#=`), which state a number is (`#:`), and at the end the sum of all that stands before: what is not whole is
not used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

#: Files that begin so are ours. Autosave trusts a file of version 1.8 or later by its last line.
_VERSION = 2
_HEADER = f"# pixieioc settings V{_VERSION}.0"
_OURS = re.compile(r"# pixieioc settings V(\d+)\.")
_CONFIGURATION, _CONFIGURED, _STATE, _SUM, _END = "# configuration ", "#= ", "#: ", "# sha256 ", "<END>"
_ARRAY = "@array@"
_WHOLE_ARRAY = re.compile(r'@array@\s*\{((?:\s*"(?:[^"\\]|\\.)*")*)\s*\}[^\S\n]*', re.DOTALL)
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class BadFile(Exception):
    """A file that cannot be used; the text says why."""


@dataclass(frozen=True)
class Saved:
    """What a file says, by the names of process variables or fields (`PX16:Rate_RBV.HIHI`)."""

    values: Mapping[str, str]
    #: What the configuration said at that time, where it was something else.
    configured: Mapping[str, str] = field(default_factory=dict[str, str])
    #: Which configuration it is of; empty: it does not say.
    configuration: str = ""
    #: Whether it was read as it was written, as the sum says.
    is_whole: bool = False
    #: Which states the numbers of some values were.
    states: Mapping[str, str] = field(default_factory=dict[str, str])
    #: Names whose value is none that a setting can have, with the reason.
    unreadable: Mapping[str, str] = field(default_factory=dict[str, str])


def text_of(value: float | str) -> str:
    """A value of a record as the file has it; states are their numbers."""
    return repr(value) if isinstance(value, float) else str(value)


class Content:
    """The content of a file that is written again and again: only the lines of what has changed are made again.

    The texts of the names in `long` are arrays of characters, the values of those in `states` numbers of these.
    """

    def __init__(
        self, configuration: str, long: Collection[str] = (), states: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._configuration, self._long, self._states = configuration, long, states or {}
        self._lines: dict[str, str] = {}

    def put(self, values: Mapping[str, str | None], configured: Mapping[str, str]) -> None:
        """Values by name, None for one that is left out, and what the configuration says of them."""
        for name, value in values.items():
            if value is None:
                self._lines.pop(name, None)
            else:
                self._lines[name] = self._lines_of(name, value, configured.get(name, value))

    def written(self, when: str) -> bytes:
        """All of it; `when` is for readers."""
        head = f"{_HEADER}, written {when}\n{_CONFIGURATION}{self._configuration}\n"
        body = "".join([head, *self._lines.values()]).encode()
        return body + f"{_SUM}{hashlib.sha256(body).hexdigest()}\n{_END}\n".encode()

    def _lines_of(self, name: str, value: str, before: str) -> str:
        is_long, is_plain = name in self._long, _is_plain(value)
        lines = f"# {name} is {value}\n" if is_long and is_plain else ""
        lines += f"{name} {_as_array(value) if is_long or not is_plain else value}\n"
        if name in self._states:
            lines += f"{_STATE}{name} {self._states[name][int(value)]}\n"
        if before != value:
            lines += f"{_CONFIGURED}{name} {before if _is_plain(before) else _as_array(before)}\n"
        return lines


def written(
    values: Mapping[str, str],
    configured: Mapping[str, str],
    configuration: str,
    when: str,
    long: Collection[str] = (),
    states: Mapping[str, Sequence[str]] | None = None,
) -> bytes:
    """The content of a file that is written once, see `Content`."""
    content = Content(configuration, long, states)
    content.put(values, configured)
    return content.written(when)


def read(content: bytes) -> Saved:
    """What a file says, ours or autosave's; BadFile if it was cut off or changed, or is no such file at all."""
    if not content.rstrip(b"\r\n").endswith(_END.encode()):
        raise BadFile(f"it is cut off, or no file of settings: its last line is not {_END}")
    text = content.decode(errors="surrogateescape")  # what is no UTF-8 costs its own line only
    is_whole = _sum_is_right(content)
    ours = _OURS.match(text)
    if ours is not None and int(ours[1]) > _VERSION:
        raise BadFile(f"a newer version of this program has written it (format {ours[1]}; {_VERSION} can be read)")
    if ours is not None and not is_whole:
        raise BadFile("it is damaged: its content is not what its sum says")
    return _parsed(text, is_whole=is_whole)


def _sum_is_right(content: bytes) -> bool:
    body, found, rest = content.rpartition(_SUM.encode())
    return bool(found) and rest == f"{hashlib.sha256(body).hexdigest()}\n{_END}\n".encode()


def _parsed(text: str, *, is_whole: bool) -> Saved:
    values: dict[str, str] = {}
    configured: dict[str, str] = {}
    states: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    configuration, at = "", 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line, start, at = text[at:end].removesuffix("\r"), at, end + 1
        if line.startswith(_END):
            break
        if is_whole and line.startswith(_CONFIGURATION):
            configuration = line.removeprefix(_CONFIGURATION)
        into, given = values, line
        for start_of, of_these in ((_CONFIGURED, configured), (_STATE, states)):
            if line.startswith(start_of):
                into, given = of_these, line.removeprefix(start_of)
        name, space, value = given.lstrip().partition(" ")
        if not name or name[0] in "#!":  # comments, and autosave's note of what was not connected
            continue
        name = _plain_name(name)
        if value.lstrip().startswith(_ARRAY):
            found = _WHOLE_ARRAY.match(text, start + len(line) - len(value.lstrip()))
            at = max(at, found.end() if found is not None else 0)
            elements = _ELEMENT.findall(found[1]) if found is not None else _from_json(value)
            value, why = _from_array(elements) if elements is not None else ("", "its array has no end")
            if why:
                unreadable[name] = why
                continue
        if not line.isascii() and (printable := _without_surrogates(name, value)) is not None:
            unreadable[printable] = "it is no UTF-8, as which files of settings are read"
            continue
        into[name] = value if space else ""
    return Saved(values, configured, configuration, is_whole, states if is_whole else {}, unreadable)


def _without_surrogates(name: str, value: str) -> str | None:
    """If a name or value has bytes that are no UTF-8: the name with signs in their places."""
    try:
        f"{name}{value}".encode()
    except UnicodeEncodeError:
        return name.encode(errors="surrogateescape").decode(errors="replace")
    return None


def _plain_name(name: str) -> str:
    """A name without what says no more: that of the value field, and the sign of long strings."""
    return name.removesuffix("$").removesuffix(".VAL")


def _is_plain(value: str) -> bool:
    """Whether a line can have the value as it stands."""
    return not _CONTROL.search(value) and not value.lstrip().startswith(_ARRAY)


def _as_array(text: str) -> str:
    return " ".join([_ARRAY, "{", *(f'"{byte}"' for byte in text.encode()), "}"])


def _from_json(array: str) -> list[str] | None:
    """The elements of an array as pyepics' autosave writes it, in one line; None if it is none."""
    try:
        elements: Any = json.loads(array.lstrip().removeprefix(_ARRAY))
    except ValueError:
        return None
    return [str(element) for element in cast("list[Any]", elements)] if isinstance(elements, list) else None


def _from_array(elements: list[str]) -> tuple[str, str]:
    """The text that an array of characters is, up to its end, or why it is none."""
    try:
        codes = bytes(int(element) & 0xFF for element in elements)
        return codes.partition(b"\0")[0].decode(), ""
    except (ValueError, UnicodeDecodeError):
        return "", "an array that is no text"
