"""Pure rooms are pure at import: who imports one of their modules gets no sockets, processes or compiler with it.

Nor do they ask a clock: the time is an argument.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import pixieioc

ROOT = Path(pixieioc.__file__).parent
FORBIDDEN = ("zmq", "caproto", "multiprocessing", "numba")
#: Rooms that are pure but for the modules that are named here, which hold sockets, processes or files.
ROOMS: dict[str, tuple[str, ...]] = {
    "access": (),
    "listmode": (),
    "detector": (),
    "pvinfo": (),
    "export": (),
    "ioc/records": (),
    "pipeline": (
        "applying", "control", "data_plane", "failures", "forked", "incoming", "life", "link", "outgoing", "output",
        "pipeline", "pipeline_lost", "pipeline_state", "preloaded", "process", "task", "task_loop", "task_process",
        "task_processes", "temporary", "undying",
    ),
}  # fmt: skip
#: Pure modules of the other rooms.
MODULES = (
    "config",
    "config_input",
    "config_ioc",
    "config_lines",
    "config_run",
    "config_schema",
    "config_tables",
    "config_tasks",
    "ioc/conditions_of_run",
    "ioc/folders",
    "config_values",
    "ioc/metrics/families",
    "ioc/metrics/names",
    "ioc/metrics/request",
    "ioc/put_entry",
    "ioc/readiness",
    "ioc/recsync/heard",
    "ioc/recsync/protocol",
    "ioc/run",
    "ioc/run_ending",
    "ioc/run_events",
    "ioc/run_machine",
    "ioc/run_state",
    "ioc/run_steps",
    "ioc/sav",
    "ioc/saved_settings",
    "devices/documents",
    "devices/point",
    "presentation",
    "site_pvs/followed",
    "site_pvs/reading",
    "site_pvs/tally",
    "tasks/backlog",
    "tasks/pace",
)
#: What asks a clock.
CLOCKS = {"time", "monotonic", "time_ns", "monotonic_ns", "perf_counter", "perf_counter_ns", "now", "utcnow", "today"}
#: Modules that may do so: those that work in a task's process, and records, which are stamped when they are posted.
WITH_CLOCK = {"activity", "cleanup_process", "reporting", "task_lock", "record", "pvs"}


def _files() -> list[Path]:
    found = [
        file
        for room, impure in ROOMS.items()
        for file in sorted((ROOT / room).rglob("*.py"))
        if file.stem not in impure or file.parent != ROOT / room
    ]
    return found + [ROOT / f"{module}.py" for module in MODULES]


def _name(file: Path) -> str:
    return ".".join(("pixieioc", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


NAMES = [_name(file) for file in _files()]

#: Imports the modules one after the other, and prints what each of them brought: if all of them together bring nothing,
#: each one alone does not.
PROGRAM = """
import importlib, json, sys
names, forbidden = map(json.loads, sys.argv[1:])
found = {}
for name in names:
    before = set(sys.modules)
    importlib.import_module(name)
    found[name] = [each for each in forbidden if each in sys.modules and each not in before]
print(json.dumps(found))
"""


def _loaded(*names: str) -> dict[str, list[str]]:
    """Which of FORBIDDEN each module brings with it, if those before it have not."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(names), json.dumps(FORBIDDEN)],
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    return json.loads(done.stdout)


def test_pure_modules_bring_nothing_with_them() -> None:
    loaded = _loaded(*NAMES)
    assert loaded.keys() == set(NAMES)
    assert {name: found for name, found in loaded.items() if found != []} == {}


def test_this_sees_what_is_not_pure() -> None:
    assert _loaded("pixieioc.pipeline.link", "pixieioc.pipeline.task", "pixieioc.ioc.ca.protocol") == {
        "pixieioc.pipeline.link": ["zmq"],
        "pixieioc.pipeline.task": ["multiprocessing"],
        "pixieioc.ioc.ca.protocol": ["caproto"],
    }


def _clocks(text: str) -> list[str]:
    """The calls in a module that ask a clock, with their lines."""
    return [
        f"{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCKS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("time", "datetime", "date")
    ]


@pytest.mark.parametrize("file", _files(), ids=_name)
def test_the_time_is_an_argument(file: Path) -> None:
    assert file.stem in WITH_CLOCK or _clocks(file.read_text()) == []


def test_a_clock_is_seen() -> None:
    assert _clocks("import time\n\ndef now():\n    return time.monotonic()\n") == ["4: time.monotonic()"]
