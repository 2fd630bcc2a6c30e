"""Steps that have to wait, without saying how: a script waits by blocking, an event loop by awaiting.

A procedure is a generator that yields what it waits for, a `Wait` (for messages, until something holds) or a `Call` (of
a function that blocks), and goes on once that is done.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Wait:
    """Until `done()` holds, but at most `seconds`; it is for the procedure to look whether it does."""

    done: Callable[[], bool]
    seconds: float


@dataclass(frozen=True)
class Call:
    """A function that may block for a while and touches no socket; what it raises is raised where it was yielded."""

    function: Callable[[], None]


Procedure = Generator[Wait | Call, None, T]
