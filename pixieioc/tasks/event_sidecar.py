"""The JSON file beside a file of events."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from pixieioc.tasks.names import to_json
from pixieioc.tasks.part_file import PartFile

#: Bytes by which it may be longer than what is known at the beginning: there is room for them on a full disk.
_ROOM = 16 * 1024


class EventSidecar(PartFile):
    """`<name>.json`, which is `*.part` until it is complete; at first it says `about`, which holds if it is cut off."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        super().__init__(sidecar_of(path))
        with contextlib.ExitStack() as undo:
            undo.callback(self.discard)
            self.fill(_content(about) + b" " * _ROOM)
            undo.pop_all()

    def describe(self, about: dict[str, Any]) -> None:
        """Has it say this."""
        self.fill(_content(about))


def sidecar_of(path: Path) -> Path:
    """The file that describes another."""
    return path.with_name(path.name + ".json")


def _content(about: dict[str, Any]) -> bytes:
    return to_json(about, indent=2).encode() + b"\n"
