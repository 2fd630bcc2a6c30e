"""The page about rooms and data: its pictures of rooms are drawn from the contracts in pyproject.toml."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
PACKAGE = PROJECT.with_name("pixieioc")

#: What is in each room, in a few words; a room that is not described here cannot be drawn.
ROOMS = {
    "__main__": "python -m pixieioc",
    "testing": "what a site needs to test its tasks",
    "cli": "command line",
    "cli_offline": "its commands on recorded data",
    "cli_options": "its common options",
    "cli_exit": "its exit codes",
    "cli_host": "its commands for those who look after an IOC",
    "doctor": "whether a host can run an IOC",
    "drill": "faults in the tasks of a running IOC",
    "conform": "the rules of run control, as a test of a running IOC",
    "cli_text": "its tables and texts",
    "catalogue": "an index of runs, from their sidecars",
    "cli_runs": "its commands for the catalogue of runs",
    "config_conditions": "which process variables of a site are kept with runs, checked",
    "signals": "signals that are sent to all processes at once",
    "utf8": "the program in Python's UTF-8 mode",
    "checksums": "what a checksum of a data file is",
    "counted": "numbers with the words for what they count",
    "site_pvs": "a site's own process variables, read in a process of their own",
    "ioc": "EPICS: run control, records, Channel Access",
    "offline": "raw files to numbers and files of events",
    "export": "screens, alarms, databases as text",
    "pvinfo": "what each process variable is",
    "config": "configuration files",
    "config_input": "files and options that override them",
    "config_values": "their values: defaults, file names, JSON",
    "config_ioc": "what they say of access, the log of puts and recceivers, checked",
    "devices": "a pixieioc as a detector of bluesky, on a client's machine",
    "access": "EPICS access security: files to rules, rules to rights",
    "config_run": "what can be set about runs",
    "config_schema": "their other tables",
    "config_calibration": "what energies mean, said once for all tasks",
    "config_calibration_file": "the same as a CSV file",
    "config_regions": "regions of interest in keV, as bins",
    "config_tasks": "which tasks they name",
    "config_tables": "keys and values, checked",
    "config_lines": "the line of each key",
    "tasks": "one module per task",
    "pipeline": "tasks as processes, links between them",
    "hardware": "a crate behind one protocol: pypixie16, XIA's library alone, or simulated",
    "detector": "a simulated crate",
    "listmode": "bytes to events",
    "account": "what may be kept on this computer",
    "presentation": "severities, sections, how alarms are handled",
}

PAGE = """\
# Architecture

Printed by `python docs/make_pages.py`; the pictures of rooms are drawn from the contracts in
[pyproject.toml](../pyproject.toml), which `lint-imports` checks.

## Rooms

A room is a folder or module of `pixieioc/`. A room may import those below it, and nothing above or beside it.

```mermaid
{rooms}
```

- **EPICS lives in `ioc` and nowhere else.** The pipeline is a library without it, and `offline` uses it so.
- **Pure rooms**: `listmode`, `detector`, `presentation`, `pvinfo`, `export` and the rules of `pipeline` know neither
  sockets nor processes nor a clock. Bytes, text and tables go in and come out, so their tests need no process and take
  milliseconds. Importing them loads neither zmq nor caproto nor multiprocessing nor numba (`tests/test_pure.py`).
- **A room's face.** What a site uses is what a room's `__init__` exports: of `pipeline`, `hardware`, `pvinfo`, `export`
  and `testing`. Other rooms import from there too, or from the module that defines a name, where a room must stay pure
  or quick to import. The modules that they import are those in the table below; all others are their room's own, also
  without a leading underscore. A name with one is used in its own module only (`tests/test_rooms.py`).
- **Described once.** A task declares its parameters and reports; settings, process variables, screens, alarms, archive
  lists and reference pages follow from that ([decision 5](decisions/0005-declared-once.md)).

## What rooms use of each other

Made from the imports, so that a module that becomes public shows as a change of this page.

| room | exported by its `__init__` | modules that other rooms import |
|---|---|---|
{faces}

## Inside `ioc`

```mermaid
{inside}
```

The records hold value, alarm, time and observers, and know no protocol. A transport such as `ca` sees them from
outside, and knows neither run control nor configuration; `pva`, for PVAccess, is a second one beside it. What both need
follows the records: the conversion of puts, rights, the life of a put, limits.

## Data

```mermaid
flowchart LR
    crate["crate<br>(XIA's SDK)"] --> take[TakeData]
    files[(raw files)] --> load[LoadFiles]
    simulated["detector<br>(simulated)"] --> dummy[DummyData]
    take & load & dummy -->|list-mode words| gather[GatherData]
    gather -->|buckets, written past the page cache| disk[(raw files, sidecars)]
    gather -->|list-mode words| convert["ConvertToEvents<br>(listmode: decoder)"]
    convert -->|columns of events| sort["SortEvents<br>(listmode: order)"]
    sort -->|in order of time| collect[GatherEvents] --> fill[FillSpectra]
    collect -.-> write[WriteEvents] -.-> parquet[(Parquet, npy)]
    collect -.-> publish[PublishEvents] -.-> kafka[(topic in Kafka)]
    fill -->|spectra, sums of regions| reports((reports))
    gather & convert & sort -->|counters, rates, errors| reports
    reports --> control["pipeline"] --> run["ioc: run control"] --> records["ioc/records"] --> ca["ioc/ca"]
    records -.-> pva["ioc/pva"]
    ca <-->|Channel Access| clients[clients]
    pva <-->|PVAccess| clients
    clients -.->|puts| ca & pva -.-> records -.-> run -.->|configure, start, stop| control
```

Solid arrows carry data or reports, dotted ones commands, and what is optional. Each task is a process. Data go from
task to task and never through the IOC's process, which only gets reports. How a run ends, what happens if a task is
slow and how items are counted is in [how it works](explanation/how-it-works.md); the terms are in the
[glossary](glossary.md).

## Where to begin

| to change | begin in |
|---|---|
| what a task does | `pixieioc/tasks/`, one module per task; its tests in `tests/tasks/` |
| what a command does to a run | `pixieioc/ioc/run_control.py`, and the tables in `pixieioc/pipeline/status.py` |
| what a process variable is | the declaration in its task, or `pixieioc/pvinfo/run_control.py` |
| a screen | `pixieioc/export/screens/` |
| how bytes become events | `pixieioc/listmode/stream.py`, `variant.py` |
| what a client sees | `pixieioc/ioc/ca/`, `pixieioc/ioc/pva/` |
"""


def _layers(container: str) -> list[list[str]]:
    """The rooms of a package, those that may import the others first."""
    contracts = tomllib.loads(PROJECT.read_text())["tool"]["importlinter"]["contracts"]
    [found] = [contract for contract in contracts if contract.get("containers") == [container]]
    return [[room.strip() for room in layer.split("|")] for layer in found["layers"]]


def _drawing(layers: list[list[str]], described: dict[str, str]) -> Iterator[str]:
    yield "flowchart TB"
    for number, layer in enumerate(layers):
        yield f'    subgraph L{number}[" "]'
        yield "        direction LR"
        for room in layer:
            if described and room not in described:
                raise KeyError(f"{room} is a room in pyproject.toml; say in ROOMS what is in it")
            text = f"<b>{room}</b><br>{described[room]}" if described else room
            yield f'        {room.strip("_")}_["{text}"]'
        yield "    end"
    for number in range(len(layers) - 1):
        yield f"    L{number} --> L{number + 1}"


def imports() -> Iterator[tuple[Path, str, str]]:
    """Every import of one of our own names: where, from which module, which name."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == PACKAGE.name:
                yield from ((file, node.module or "", alias.name) for alias in node.names)


def _faces() -> Iterator[str]:
    """A row for each room that is a folder."""
    rooms = [room for layer in _layers(PACKAGE.name) for room in layer if (PACKAGE / room).is_dir()]
    public: dict[str, set[str]] = {room: set() for room in rooms}
    exported: dict[str, set[str]] = {room: set() for room in rooms}
    for file, module, name in imports():
        parts, inside = module.split(".")[1:], file.relative_to(PACKAGE).parts
        if parts and parts[0] in public and parts[0] != inside[0]:
            is_module = len(parts) > 1 or (PACKAGE / parts[0] / f"{name}.py").exists()
            public[parts[0]] |= {".".join(parts[1:]) or name} if is_module else set()
        if parts and inside == (parts[0], "__init__.py"):
            exported[parts[0]].add(name)
    for room in rooms:
        cells = (" ".join(f"`{name}`" for name in sorted(names)) for names in (exported[room], public[room]))
        yield f"| `{room}` | {' | '.join(cells)} |"


def page() -> str:
    """The page."""
    rooms, inside = "\n".join(_drawing(_layers("pixieioc"), ROOMS)), "\n".join(_drawing(_layers("pixieioc.ioc"), {}))
    return PAGE.format(rooms=rooms, inside=inside, faces="\n".join(_faces()))
