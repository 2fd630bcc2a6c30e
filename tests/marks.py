"""Which tests start processes (`system`), and in which order files are tested when there are several workers.

A test is a `system` test if it lies in `tests/system`, or if it, a fixture or a helper of the tests that it uses refers
to something that starts processes. That is found in the code; a test that starts one all the same fails.
"""

from __future__ import annotations

import functools
import multiprocessing
import multiprocessing.process
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from pixieioc.pipeline import Pipeline
from pixieioc.pipeline.forked import PROCESSES

HERE = Path(__file__).parent
#: What starts processes; so do all kinds of Pipeline.
STARTERS = (subprocess, subprocess.run, subprocess.Popen, multiprocessing, multiprocessing.Process, PROCESSES)
#: The same by name, so that tests which need none of these do not load them.
NAMED = {
    "pixieioc.ioc.run_control.RunControl",
    "pixieioc.offline.replay.replay",
    "pixieioc.pipeline.cleanup_process.CleanupProcess",
    "pixieioc.testing.chain.chain",
    "pixieioc.testing.ioc.running_ioc",
}
#: Files that take longest, the longest first: with several workers they begin, so that none of them comes last alone.
LONGEST = ("system/test_screens.py", "system/test_alarm_server.py")
#: What Python's own audit calls the making of a process.
_EVENTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"}

_started: list[str] = []


def mark(items: list[pytest.Item]) -> None:
    """Marks the tests that start processes."""
    for item in items:
        if HERE / "system" in item.path.parents or any(map(starts, _functions(item))):
            item.add_marker("system")


def _functions(item: pytest.Item) -> Iterator[Any]:
    """The test's own function, and those of its fixtures."""
    yield getattr(item, "function", None)
    fixtures: dict[str, Any] = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    for definitions in fixtures.values():
        yield definitions[-1].func


@functools.cache
def starts(thing: Any) -> bool:
    """Whether a function or class of the tests refers, directly or by others of the tests, to a starter."""
    return _starts(thing, set())


def _starts(thing: Any, seen: set[int]) -> bool:
    if any(thing is starter for starter in STARTERS) or (isinstance(thing, type) and issubclass(thing, Pipeline)):
        return True
    if f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}" in NAMED:
        return True
    thing = getattr(thing, "hypothesis", thing)  # a test of properties keeps the function itself in there
    thing = getattr(thing, "inner_test", thing)
    while (inner := getattr(thing, "__wrapped__", None)) is not None:
        thing = inner
    module = getattr(thing, "__module__", None) or ""
    if id(thing) in seen or not (module.startswith(("tests.", "conftest")) or "/tests/" in _file(thing)):
        return False
    seen.add(id(thing))
    if isinstance(thing, type):
        return any(_starts(value, seen) for kind in thing.__mro__ for value in vars(kind).values())
    if not isinstance(thing, FunctionType):
        thing = getattr(thing, "fget", None) or getattr(thing, "__func__", None) or getattr(thing, "func", None)
    if not isinstance(thing, FunctionType):
        return False
    names = [name for name in _names(thing.__code__) if name in thing.__globals__]
    return any(_starts(thing.__globals__[name], seen) for name in names)


def _file(thing: Any) -> str:
    code = getattr(thing, "__code__", None)
    return code.co_filename if code is not None else ""


def _names(code: CodeType) -> Iterator[str]:
    """The names that a function uses, also in functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def longest_first(items: list[pytest.Item]) -> None:
    """Puts the files that take longest first, then the other ones that start processes."""

    def key(item: pytest.Item) -> tuple[int, bool]:
        name = item.path.relative_to(HERE).as_posix()
        return LONGEST.index(name) if name in LONGEST else len(LONGEST), item.get_closest_marker("system") is None

    items.sort(key=key)


def forget_started() -> None:
    """What was started so far was not started by the test that comes now."""
    _started.clear()


def started() -> list[str]:
    """The processes that were started since, also those that have ended."""
    return list(_started)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _EVENTS:
        _started.append(f"{event} {arguments[:2]!r:.200}")


_start = multiprocessing.process.BaseProcess.start


def _start_and_note(self: multiprocessing.process.BaseProcess) -> None:
    # A fork server makes it, of which this interpreter's audit does not hear.
    _started.append(f"multiprocessing {self.name}")
    _start(self)


sys.addaudithook(_audit)
multiprocessing.process.BaseProcess.start = _start_and_note
