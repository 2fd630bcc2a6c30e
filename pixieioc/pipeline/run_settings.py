"""The settings of a run: packed once for all tasks, and unpacked only in those that look at them.

A full crate has more than ten thousand, and most tasks never ask.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import cast

import msgspec

from pixieioc.pipeline.declare import Value
from pixieioc.pipeline.frames import Packet, pack, unpack

Settings = Mapping[str, Mapping[str, Value]]


def packed_settings(settings: Settings) -> bytes:
    """Settings by task and parameter as bytes."""
    try:
        return msgspec.msgpack.encode(["", 0, 0, settings])  # what `pack` makes of plain values, thirty times faster
    except (TypeError, ValueError, OverflowError):  # a name of a file that UTF-8 cannot hold, or a numpy scalar
        (head,) = pack(Packet("", payload=settings))
        return bytes(head)


class RunSettings(Mapping[str, Mapping[str, Value]]):
    """Settings by task and parameter, from their packed form."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    @functools.cached_property
    def _unpacked(self) -> Settings:
        return cast("Settings", unpack([self._packed]).payload)

    def __getitem__(self, task: str) -> Mapping[str, Value]:
        return self._unpacked[task]

    def __iter__(self) -> Iterator[str]:
        return iter(self._unpacked)

    def __len__(self) -> int:
        return len(self._unpacked)

    def __repr__(self) -> str:
        return f"RunSettings({self._unpacked!r})"
