"""Values that a task reports without having declared them: they are shown as one JSON text, and must fit into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from pixieioc.pipeline.declaration import shorten
from pixieioc.pipeline.frames import UnsupportedType, pack_value
from pixieioc.pipeline.report import BadReport

#: Bytes of all of them together as JSON, and of the name of one.
MOST_BYTES, LONGEST_NAME = 4000, 60
#: An array up to this size is shown as it is.
_SMALL_ARRAY = 100


class Undeclared:
    """The latest values of one task, by name, together at most `MOST_BYTES` as JSON."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}

    def check(self, task: str, values: Mapping[str, Any]) -> None:
        """BadReport that names task and report if one of `values` cannot be sent, or if they are too many."""
        sizes = {name: self._size(task, name, value) for name, value in values.items()}
        together = sum({**self._sizes, **sizes}.values())
        if together > MOST_BYTES:
            names = ", ".join(map(shorten, sizes))
            raise BadReport(
                f"{task}: the undeclared reports {names} bring those of this task to {together} bytes as JSON; "
                f"they have at most {MOST_BYTES}: declare a Report for what is large",
                task=task,
            )
        self._sizes.update(sizes)

    def _size(self, task: str, name: object, value: Any) -> int:
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise BadReport(
                f"{task}: the name of a report is a text of 1 to {LONGEST_NAME} characters, not {shorten(name)}",
                task=task,
            )
        try:
            pack_value(value)
            return len(as_json({name: value}))
        except (UnsupportedType, TypeError, ValueError, RecursionError) as error:
            raise BadReport(f"{task}.{name} = {shorten(value)}: cannot be reported: {error}", task=task) from None


def as_json(values: Mapping[str, Any]) -> str:
    """Values as JSON: large arrays as type and shape, what is no number as null."""
    return msgspec.json.encode(values, enc_hook=_plain).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= _SMALL_ARRAY else f"{value.dtype}{list(value.shape)}"
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__}")
