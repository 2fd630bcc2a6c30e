"""A put that was made, for whoever keeps a log of them: who, what, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pixieioc.ioc.records.client import Client

#: What became of a put: taken; refused; begun, as a run that goes on; ended well; ended badly.
Outcome = Literal["accepted", "refused", "started", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Written:
    """One put: `new` is what was to be written, `old` the value before it, `stamp` when it came (Unix time in ns)."""

    stamp: int
    client: Client
    name: str
    new: Any
    old: Any
    outcome: Outcome
    why: str = ""
    #: Whether the values are long strings or arrays, which have a size.
    is_array: bool = False


#: Takes each put that is to be logged, at once and without waiting for anything.
PutListener = Callable[[Written], None]
