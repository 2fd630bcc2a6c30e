"""Compiling: what programs print of it in a fresh checkout only, and that there is none after warming up."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from types import ModuleType
from typing import IO

from pixieioc.listmode.jit import Loop

_COMPILING = re.compile(r"^\w+: compiling \w+ \([a-z ]+\)\n", re.MULTILINE)


def without_compiling(printed: str) -> str:
    """The text without the lines in which tasks say that they compile a loop."""
    return _COMPILING.sub("", printed)


def next_line(stream: IO[str]) -> str:
    """The next line of a running program that does not say that a task compiles a loop."""
    return next(line for line in iter(stream.readline, None) if not _COMPILING.match(line))


@contextlib.contextmanager
def nothing_more(*modules: ModuleType) -> Iterator[None]:
    """Fails if a loop of these modules meets types in here that it had not been compiled for before."""
    before = _forms(modules)
    yield
    assert _forms(modules) == before


def _forms(modules: tuple[ModuleType, ...]) -> dict[str, set[str]]:
    """For which types the loops have been compiled that Python calls."""
    loops = {name: value for module in modules for name, value in vars(module).items() if isinstance(value, Loop)}
    called = {name: loop.outer for name, loop in loops.items() if "outer" in vars(loop)}
    return {name: set(map(str, outer.signatures)) for name, outer in called.items()}
