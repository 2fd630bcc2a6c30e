"""A calibration as a CSV file, a line for each channel; what is wrong with it is told with line and column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixieioc.config_tables import Problem
from pixieioc.pipeline import channel_values
from pixieioc.pipeline.declaration import shorten
from pixieioc.pipeline.declare import Parameter, Value, parameters_of
from pixieioc.pipeline.validate import like
from pixieioc.tasks.calibration import CALIBRATION, KEYS, ChannelCalibration

_PLACE = ("module", "channel")
#: A field of a line: in quotes, in which two quotes are one, or as it is.
_FIELD = re.compile(r'\s*(?:"((?:[^"]|"")*)"\s*|((?!")[^,]*?)\s*)(?:,|$)')


@dataclass(frozen=True)
class _Field:
    """A field of a line, and the column in which it begins, from 1."""

    text: str
    column: int


def read_file(path: Path, facts: Mapping[str, Value], problems: list[Problem]) -> dict[str, dict[str, Any]]:
    """Tables of channels by the names of parameters; what is wrong has file, line and column.

    The first line names the columns, module and channel among them; empty fields are what nothing is said of, and what
    begins with # is a comment.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problems.append(_problem(f"{path}: {error.strerror}"))
        return {}
    except UnicodeDecodeError as error:
        problems.append(_problem(f"{path}: byte {error.object[error.start]:#04x} is no UTF-8"))
        return {}
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1)]
    rows = [(number, line) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]
    before = len(problems)
    names = _head(path, *rows[0], problems) if rows else []
    if not rows:
        problems.append(_problem(f"{path}: must begin with the names of its columns, {_columns()}"))
    found: dict[str, dict[str, Any]] = {KEYS[name]: {} for name in names if name in KEYS}
    lines_of: dict[tuple[int, int], int] = {}
    for number, line in rows[1:] if len(problems) == before else ():
        problems += [_problem(f"{path}:{number}:{text}") for text in _row(line, names, facts, found, lines_of, number)]
    return found


def _problem(text: str) -> Problem:
    return Problem((CALIBRATION, "file"), text)


def _columns() -> str:
    return f"{', '.join(_PLACE)} and some of {', '.join(KEYS)}"


def _head(path: Path, number: int, line: str, problems: list[Problem]) -> list[str]:
    try:
        fields = _fields(line)
    except ValueError as error:
        problems.append(_problem(f"{path}:{number}:{error}"))
        return []
    names = [field.text for field in fields]
    for i, field in enumerate(fields):
        if field.text not in (*_PLACE, *KEYS):
            why = f"no such column{like(field.text, [*_PLACE, *KEYS])}"
        elif field.text in names[:i]:
            why = "this column is there twice"
        else:
            continue
        problems.append(_problem(f"{path}:{number}:{field.column}: {shorten(field.text)}: {why}"))
    if missing := [name for name in _PLACE if name not in names]:
        text = f"the column {' and the column '.join(missing)} is missing: there must be {_columns()}"
        problems.append(_problem(f"{path}:{number}:1: {text}"))
    return names


def _row(
    line: str,
    names: Sequence[str],
    facts: Mapping[str, Value],
    found: Mapping[str, dict[str, Any]],
    lines_of: dict[tuple[int, int], int],
    number: int,
) -> Iterator[str]:
    """Takes over what a line says of a channel; yields what is wrong with it, each behind its column."""
    try:
        fields = _fields(line)
    except ValueError as error:
        yield str(error)
        return
    if len(fields) != len(names):
        yield f"1: has {len(fields)} fields: must be {len(names)}, {', '.join(names)}"
        return
    by_name = dict(zip(names, fields, strict=True))
    place: list[int] = []
    for name, fact in zip(_PLACE, ("modules", "channels"), strict=True):
        field, most = by_name[name], int(str(facts[fact])) - 1
        index = int(field.text) if field.text.isascii() and field.text.isdecimal() else -1
        if not 0 <= index <= most:
            yield f"{field.column}: {name} = {field.text}: must be a whole number from 0 to {most}"
            index = -1
        place.append(index)
    if min(place) < 0:
        return
    channel = (place[0], place[1])
    if channel in lines_of:
        yield f"1: {channel_values.channel_name(*channel)} is in line {lines_of[channel]} already"
        return
    lines_of[channel] = number
    parameters = parameters_of(ChannelCalibration)
    for name, field in by_name.items():
        if name in KEYS and field.text:
            try:
                value = _value(parameters[KEYS[name]], field.text)
            except ValueError as error:
                yield f"{field.column}: {name} = {field.text}: {error}"
            else:
                found[KEYS[name]][channel_values.channel_name(*channel)] = value
    yield from _unfit(by_name, parameters, channel, found)


def _unfit(
    by_name: Mapping[str, _Field],
    parameters: Mapping[str, Parameter[Any]],
    channel: tuple[int, int],
    found: Mapping[str, dict[str, Any]],
) -> Iterator[str]:
    """What does not fit each other in a line."""
    name = channel_values.channel_name(*channel)
    for key, parameter in KEYS.items():
        of = parameters[parameter]
        if of.fits is None or name not in found.get(parameter, {}) or of.goes_with not in found:
            continue
        try:
            of.fits(found[parameter][name], found[of.goes_with].get(name, parameters[of.goes_with].default_of_one))
        except ValueError as error:
            yield f"{by_name[key].column}: {key} = {by_name[key].text}: {as_written(str(error))}"
            del found[parameter][name]


def _value(parameter: Parameter[Any], text: str) -> Value:
    if parameter.kind != "float":
        return parameter.check(text)
    try:
        number: object = float(text)
    except ValueError:
        number = text
    return parameter.check(number)


def _fields(line: str) -> list[_Field]:
    """The fields of a line, as spreadsheets write them; ValueError, with the column, if it has none such."""
    fields: list[_Field] = []
    at = 0
    while at <= len(line):
        found = _FIELD.match(line, at)
        if found is None:
            raise ValueError(f"{at + 1}: {shorten(line[at:])}: a field that begins with a quote must end with one")
        quoted, plain = found.groups()
        begin = found.start(1) if quoted is not None else found.start(2)
        fields.append(_Field(plain if quoted is None else quoted.replace('""', '"'), begin + 1))
        if not found[0].endswith(","):
            break
        at = found.end()
    return fields


def as_written(text: str) -> str:
    """A sentence with the keys of the table for the names of parameters."""
    for key, parameter in KEYS.items():
        text = re.sub(rf"\b{parameter}\b", key, text)
    return text
