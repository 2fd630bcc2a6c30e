"""The values of parameters: of which kind a default is, lists as they may be given, copies of lists."""

from __future__ import annotations

import json
from typing import Any, Literal, cast

Kind = Literal["bool", "int", "float", "enum", "str", "strings", "numbers"]


def kind_of(default: object, choices: tuple[str, ...], items: type[str] | type[float]) -> Kind:
    """The kind of a parameter with this default; TypeError if there is none."""
    match default:
        case str() if choices:
            return "enum"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case str():
            return "str"
        case list():
            return "strings" if items is str else "numbers"
        case _:
            raise TypeError(
                f"a parameter's default must be bool, int, float, str or a list, not {type(default).__name__}"
            )


def list_of(value: object) -> list[Any] | None:
    """A list, or one that is given as JSON; None if it is neither."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, tuple):
        return list(cast("tuple[Any, ...]", value))
    return cast("list[Any]", value) if isinstance(value, list) else None


def copied(value: Any) -> Any:
    """The value, if it is a list one of its own, also the lists in it."""
    return [copied(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def one_of(default: object, depth: int) -> Any:
    """The value in a default that is a list of lists with one value."""
    for _ in range(depth):
        if not isinstance(default, list) or len(cast("list[Any]", default)) != 1:
            example = f"{'[' * depth}0{']' * depth}"
            raise ValueError(f"the default of a parameter of places is one value in brackets, as in {example}")
        default = cast("list[Any]", default)[0]
    return default
