"""Values that exist once per channel or module: how they are written short, spread over all of them, and named.

A *place* is a module, or a module and a channel, and a number where a channel has several, as its regions of interest.
Spread out, values are lists `[module]`, `[module][channel]`, or `[module][channel][number]`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

#: A module, or a module and a channel, and a number where a channel has several values; empty: one value for all.
Place = tuple[int, ...]
#: Modules, channels (0: there is one value per module), and how many there are of a channel (0: one).
Shape = tuple[int, int, int]
#: What is written for all channels that are not named.
OTHERS = "*"
#: With this key in a table, as in `{"=": true, "M00:C03:2": 7}`, what is not named keeps the value that it has; where a
#: channel has several values, a key may name one of them, from 1.
KEEP = "="
_KEY = re.compile(r"M(\d{2})(?::C(\d{2}))?")
_PLACE = re.compile(r"M(\d{2})(?::C(\d{2})(?::(\d+))?)?")


def channel_name(module: int, channel: int) -> str:
    """A channel as process variables name it: `M00:C03`."""
    return f"M{module:02d}:C{channel:02d}"


def numbered(pattern: str, number: int | None) -> str:
    """`ROI{}:Low` with its number, which counts from 1 there and from 0 here."""
    return pattern if number is None else pattern.format(number + 1)


def places(shape: Shape) -> Iterator[Place]:
    """All places, module by module and channel by channel."""
    modules, channels, numbers = shape
    for module in range(modules):
        if not channels:
            yield (module,)
        for channel in range(channels):
            if numbers:
                yield from ((module, channel, number) for number in range(numbers))
            else:
                yield module, channel


def at(value: Any, place: Place) -> Any:
    """The value of a place."""
    for index in place:
        value = value[index]
    return value


def put_at(value: Any, place: Place, new: object) -> None:
    """Changes the value of a place, in the lists that there are."""
    at(value, place[:-1])[place[-1]] = new


def table_of(changes: Mapping[Place, object]) -> dict[str, Any]:
    """The table that changes these places, and keeps the others."""
    return {KEEP: True, **{place_name(place): value for place, value in changes.items()}}


def place_name(place: Place) -> str:
    """A place as a key of a table has it: `M00`, `M00:C03`, or `M00:C03:2`."""
    parts = zip(("M{:02d}", ":C{:02d}", ":{}"), (*place[:2], *(number + 1 for number in place[2:])), strict=False)
    return "".join(part.format(index) for part, index in parts)


def place_of(name: str) -> Place:
    """The place that a key of a table names; ValueError if it names none."""
    found = _PLACE.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} must be a module (M00), a channel (M00:C03) or a part of it (M00:C03:1)")
    module, channel, number = found.groups()
    return (int(module), *([int(channel)] if channel else []), *([int(number) - 1] if number else []))


def depth(shape: Shape) -> int:
    """How many indices a place has."""
    return 1 if not shape[1] else 3 if shape[2] else 2


def spread(given: object, shape: Shape, default: object, names: tuple[str, str], known: object = None) -> list[Any]:
    """What was written, as a list of one value per module, or of such lists of one value (or several) per channel.

    It is one channel's (module's) value, for all; or a table whose keys are channels (`M00:C03`), modules (`M00`) and
    `*`; or lists by module and channel, already spread. What is not written is `default`. `names` are those of the
    parameters that say how many modules and channels there are, `known` what is kept if that is wanted. Raises
    ValueError that says what is wrong with a key or a length.
    """
    modules, channels, _ = shape
    if isinstance(given, Mapping):
        table = cast("Mapping[str, Any]", given)
        if KEEP in table:
            return _changed(table, spread(default if known is None else known, shape, default, names), shape, names)
        return _from_table(table, shape, default, names)
    if not channels:
        return _per_module(given, shape, names)
    if isinstance(given, list | tuple) and given and isinstance(given[0], list | tuple):
        rows = cast("list[list[Any]]", given)
        if len(rows) != modules or any(not isinstance(row, list | tuple) or len(row) != channels for row in rows):
            raise ValueError(
                f"must be a list of {modules} lists ({names[0]}) of {channels} values each ({names[1]}), "
                "or one value for all channels, or a table of channels"
            )
        return [[_several(value, shape, default) for value in row] for row in rows]
    return [[_several(given, shape, default) for _ in range(channels)] for _ in range(modules)]


def _per_module(given: object, shape: Shape, names: tuple[str, str]) -> list[Any]:
    if not isinstance(given, list | tuple):
        return [given] * shape[0]
    values = cast("list[Any]", given)
    if len(values) != shape[0]:
        raise ValueError(
            f"must be a list of {shape[0]} values ({names[0]}), or one value for all modules, or a table of modules"
        )
    return list(values)


def _changed(table: Mapping[str, Any], values: list[Any], shape: Shape, names: tuple[str, str]) -> list[Any]:
    """The values, but for the places that a table names."""
    for key, value in table.items():
        if key == KEEP:
            continue
        place = place_of(key)
        try:
            if place[-1] < 0 or len(place) < min(2, depth(shape)):
                raise IndexError
            put_at(values, place, value)
        except (IndexError, TypeError):
            raise ValueError(f"{key}: there is no such place ({names[0]}, {names[1]})") from None
    return values


def _from_table(table: Mapping[str, Any], shape: Shape, default: object, names: tuple[str, str]) -> list[Any]:
    modules, channels, _ = shape
    for key in table:
        found = _KEY.fullmatch(key)
        if key != OTHERS and (found is None or (found[2] and not channels)):
            if not channels:
                raise ValueError(f"{key!r} must be a module (M00), or {OTHERS} for all others")
            raise ValueError(f"{key!r} must be a channel (M00:C03), a module (M00), or {OTHERS} for all others")
        if found and int(found[1]) >= modules:
            raise ValueError(f"{key}: modules are 0 to {modules - 1} ({names[0]})")
        if found and found[2] and int(found[2]) >= channels:
            raise ValueError(f"{key}: channels are 0 to {channels - 1} ({names[1]})")

    def of(module: int, channel: int) -> Any:
        keys = (channel_name(module, channel), f"M{module:02d}", OTHERS)
        return next((_several(table[key], shape, default) for key in keys if key in table), fill(default, shape))

    if not channels:
        return [table.get(f"M{module:02d}", table.get(OTHERS, default)) for module in range(modules)]
    return [[of(module, channel) for channel in range(channels)] for module in range(modules)]


def fill(default: object, shape: Shape) -> Any:
    """What a channel has that nothing was written for."""
    return [default] * shape[2] if shape[2] else default


def _several(value: Any, shape: Shape, default: object) -> Any:
    numbers = shape[2]
    if not numbers:
        return value
    if not isinstance(value, list | tuple) or len(cast("list[Any]", value)) > numbers:
        raise ValueError(f"must be a list of at most {numbers} values for a channel, not {value!r}")
    given = list(cast("list[Any]", value))
    return given + [default] * (numbers - len(given))


def each(value: list[Any], shape: Shape, check: Callable[[object, Place], Any]) -> list[Any]:
    """The values that `check` makes of those of all places."""
    if not shape[1]:
        return [check(v, (m,)) for m, v in enumerate(value)]
    if not shape[2]:
        return [[check(v, (m, c)) for c, v in enumerate(row)] for m, row in enumerate(value)]
    return [
        [[check(v, (m, c, n)) for n, v in enumerate(several)] for c, several in enumerate(row)]
        for m, row in enumerate(value)
    ]


def gathered(value: list[Any]) -> Any:
    """The short way to write spread values: one channel's (module's) value if all have the same, else a table."""
    if isinstance(value[0], list):
        by_place = {(m, c): one for m, row in enumerate(value) for c, one in enumerate(row)}
    else:
        by_place = {(m,): one for m, one in enumerate(value)}
    texts = Counter(map(repr, by_place.values()))
    common, count = texts.most_common(1)[0]
    others = next(one for one in by_place.values() if repr(one) == common)
    if count == texts.total():
        return others
    table: dict[str, Any] = {OTHERS: others} if count > 1 else {}
    return table | {place_name(place): one for place, one in by_place.items() if OTHERS not in table or one != others}
