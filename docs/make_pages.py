"""Writes the pages of this folder that follow from the code: states.md from the tables of rules, configuration.md from
the declarations of parameters and reports. Run it as `python docs/make_pages.py`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import msgspec

from pixieioc.config import IocTable, PipelineTable, RunParameters
from pixieioc.pipeline import Task
from pixieioc.pipeline.declare import Parameter, Report, parameters_of
from pixieioc.pipeline.standard import StandardReports
from pixieioc.pipeline.status import PIPELINE_RULES, TASK_RULES, diagram, table

HERE = Path(__file__).parent

STATES = f"""\
# Messages and states

Printed by `python docs/make_pages.py` from the tables in `pixieioc/pipeline/status.py`, which the code itself follows.

## Tasks

A cell is the status after the message; an illegal message raises an error that names both and changes nothing.
CONFIGURE while RUNNING is for parameters declared live. CONNECT while RUNNING cuts the chain behind the task, when the
one that stood there is lost. FINISHED is the end of the stream from the task before. DATA while PANICKING is swallowed
and counted.

{table(TASK_RULES)}

```mermaid
{diagram(TASK_RULES)}
```

## Pipeline

FINISHED: the last task of the chain has finished. CONNECT while PANICKING: what has failed was replaced. QUIT ends in a
pipeline without tasks, which is WAITING for new ones.

{table(PIPELINE_RULES)}

```mermaid
{diagram(PIPELINE_RULES)}
```
"""

CONFIGURATION = """\
# Configuration reference

Printed by `python docs/make_pages.py` from the declarations in the code.

A configuration is a TOML file. `pixieioc check FILE` says what is wrong with one; nothing of a file that is not all
right is used. Relative file names start from the file's folder, `~` is the home folder. `--set task.parameter=value`
(`--set run.parameter=value`) overrides a value of the file.

Over Channel Access, a parameter `bucket_size` of the task GatherData is the setpoint `$(P)GatherData:BucketSize` with
the readback `$(P)GatherData:BucketSize_RBV`; *shared* parameters and those of runs are the whole pipeline's:
`$(P)AutoSave`, `$(P)StopTimeout`. *Live* parameters may be changed while a run is on, *fixed* ones in the file only.
Lists are written as JSON texts.

## `[pipeline]`

{pipeline}

## `[run]`

{run}

## `[ioc]`

{ioc}

{tasks}
## Reports of every task

{standard}"""


def _keys(table: type[msgspec.Struct]) -> str:
    """The rows of one of the file's plain tables."""
    rows: list[str] = []
    for field in msgspec.structs.fields(table):
        factory = field.default_factory
        default = field.default if factory is msgspec.NODEFAULT else factory()
        shown = "required" if default is msgspec.NODEFAULT else _code(default)
        rows.append(f"| `{field.name}` | {shown} | {get_args(field.type)[1].description} |")
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows])


def _code(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
    return f"`{text}`".replace("|", r"\|")


def _parameters(parameters: Iterable[Parameter[Any]]) -> str:
    rows = [
        f"| `{p.name}`{_flags(p)} | {_code(p.default)} | {p.allowed.replace('|', chr(92) + '|')} | {p.doc} |"
        for p in parameters
    ]
    return "\n".join(["| parameter | default | allowed | meaning |", "|---|---|---|---|", *rows]) if rows else ""


def _flags(parameter: Parameter[Any]) -> str:
    flags = [flag for flag in ("live", "fixed", "shared", "command") if getattr(parameter, flag)]
    return f" *{', '.join(flags)}*" if flags else ""


def _reports(reports: Iterable[Report[Any]]) -> str:
    rows = [f"| `{r.name}` | {r.unit} | {r.doc} | {r.guidance} |" for r in reports]
    return "\n".join(["| report | unit | meaning | when in alarm |", "|---|---|---|---|", *rows]) if rows else ""


def _task(name: str, cls: type[Task]) -> str:
    own = [report for report in cls.reports().values() if vars(StandardReports).get(report.name) is not report]
    parts = [f"## `[tasks.{name}]`", " ".join((cls.__doc__ or "").split()), _parameters(cls.parameters().values())]
    return "\n\n".join(part for part in [*parts, _reports(own)] if part) + "\n"


def states() -> str:
    """The page of messages and states."""
    return STATES


def configuration() -> str:
    """The page about configuration files."""
    own = {name: cls for name, cls in Task.class_registry.items() if cls.__module__.startswith("pixieioc.")}
    return CONFIGURATION.format(
        pipeline=_keys(PipelineTable),
        run=_parameters(parameters_of(RunParameters).values()),
        ioc=_keys(IocTable),
        tasks="\n".join(_task(name, own[name]) for name in sorted(own)),
        standard=_reports(r for r in vars(StandardReports).values() if isinstance(r, Report)) + "\n",
    )


PAGES = {"states.md": states, "configuration.md": configuration}

if __name__ == "__main__":
    for page, make in PAGES.items():
        (HERE / page).write_text(make())
