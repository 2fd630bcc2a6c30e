"""The page about rooms and data: its pictures of rooms are drawn from the contracts in pyproject.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"

#: What is in each room, in a few words; a room that is not described here cannot be drawn.
ROOMS = {
    "__main__": "python -m pixieioc",
    "testing": "what a site needs to test its tasks",
    "cli": "command line",
    "cli_offline": "its commands on recorded data",
    "cli_options": "its common options",
    "cli_text": "its tables and texts",
    "ioc": "EPICS: run control, records, Channel Access",
    "offline": "raw files to numbers and files of events",
    "export": "screens, alarms, databases as text",
    "pvinfo": "what each process variable is",
    "config": "configuration files",
    "config_input": "files and options that override them",
    "config_schema": "their tables",
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
- **Pure rooms**: `listmode`, `detector`, `pvinfo`, `export` and the rules of `pipeline` know neither sockets nor
  processes nor a clock. Bytes, text and tables go in and come out, so their tests need no process and take
  milliseconds. Importing them loads neither zmq nor caproto nor multiprocessing nor numba (`tests/test_pure.py`).
- **One public face per room.** What other rooms may use is what a room's `__init__` exports, if that exports anything,
  and the modules without a leading underscore that are named below. Functions and methods with a leading underscore are
  used in their own module only. A module that would be used by its own room only and is not meant to be read by others
  begins with an underscore.
- **Described once.** A task declares its parameters and reports; settings, process variables, screens, alarms, archive
  lists and reference pages follow from that ([decision 5](decisions/0005-declared-once.md)).

## Inside `ioc`

```mermaid
{inside}
```

The records hold value, alarm, time and observers, and know no protocol. A transport such as `ca` sees them from
outside, and knows neither run control nor configuration; a second transport would be a second folder beside it.

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
    fill -->|spectra, sums of regions| reports((reports))
    gather & convert & sort -->|counters, rates, errors| reports
    reports --> control["pipeline"] --> run["ioc: run control"] --> records["ioc/records"] --> ca["ioc/ca"]
    ca <-->|Channel Access| clients[clients]
    clients -.->|puts| ca -.-> records -.-> run -.->|configure, start, stop| control
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
| what a client sees | `pixieioc/ioc/ca/` |
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


def page() -> str:
    """The page."""
    rooms = "\n".join(_drawing(_layers("pixieioc"), ROOMS))
    return PAGE.format(rooms=rooms, inside="\n".join(_drawing(_layers("pixieioc.ioc"), {})))
