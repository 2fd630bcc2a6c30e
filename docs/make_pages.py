"""Writes the pages that follow from the code: architecture.md from the contracts of imports, and in reference/ the
others: states.md from the tables of rules, configuration.md from the declarations of parameters and reports, events.md
from those of columns, fields.md from the table of fields, tasks.md from docstrings and signatures.

Run it as `python docs/make_pages.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np

try:
    from docs import architecture_page, task_page
except ImportError:  # run as a script, from any folder
    import architecture_page  # pyright: ignore[reportMissingImports]
    import task_page  # pyright: ignore[reportMissingImports]

from pixieioc.config_calibration import is_calibration
from pixieioc.config_run import RunParameters
from pixieioc.config_schema import (
    ConditionsTable,
    IocTable,
    LimitsTable,
    LogTable,
    MetricsTable,
    PipelineTable,
    PutLogTable,
    PvaTable,
    RecSyncTable,
)
from pixieioc.ioc import run_machine
from pixieioc.ioc.records.field_table import FIELDS
from pixieioc.listmode.events import COLUMNS, Column
from pixieioc.pipeline import Task
from pixieioc.pipeline.declare import Parameter, Report, parameters_of
from pixieioc.pipeline.standard import StandardReports
from pixieioc.pipeline.status import PIPELINE_RULES, TASK_RULES, diagram, table
from pixieioc.tasks import sidecar
from pixieioc.tasks.calibration import KEYS, ChannelCalibration
from pixieioc.tasks.crate import CrateFacts, is_crate_fact
from pixieioc.tasks.event_files import ALWAYS, KEV, OPTIONAL, RUN, SORTED, TRACE

HERE = Path(__file__).parent

STATES = f"""\
# Messages and states

Printed by `python docs/make_pages.py` from the tables in `pixieioc/pipeline/status.py` and
`pixieioc/ioc/run_machine.py`, which the code itself follows.

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

## Run control

What an event does in each phase of a run. Events in capitals are commands of clients; the others are what happens to
the tasks, the steps of a command, or a deadline. An empty cell changes nothing. A step that is late is given up, so
that each put is answered within StopTimeout and 2 s of what ends it.

{run_machine.table()}

{run_machine.meanings()}
"""

CONFIGURATION = """\
# Configuration reference

Printed by `python docs/make_pages.py` from the declarations in the code.

A configuration is a TOML file. `pixieioc check FILE` says what is wrong with one; nothing of a file that is not all
right is used. Relative file names start from the file's folder, `~` is the home folder. `--set task.parameter=value`
(`--set run.parameter=value`, `--set crate.name=value`) overrides a value of the file.

Over Channel Access, a parameter `bucket_size` of the task GatherData is the setpoint `$(P)GatherData:BucketSize` with
the readback `$(P)GatherData:BucketSize_RBV`; *shared* parameters and those of runs are the whole pipeline's:
`$(P)AutoSave`, `$(P)StopTimeout`. *Live* parameters may be changed during a run, *fixed* ones in the file only.
*At once* ones, which concern only what is shown, are used as soon as they are written. Lists are written as JSON texts.

A *per channel* parameter has a value for each of the task's `modules` and `channels`, and a setpoint for each:
`roi_low` is `$(P)M00:C03:ROI1:Low` for the first region of interest of channel 3 of module 0. In a file it is one
value for all channels, or a table: its keys are channels, modules, and `"*"` for all that are not named; what is not
named at all keeps the default. Where a channel has several (`rois` of them), its value is a list, which may be shorter.

```toml
[tasks.FillSpectra]
roi_low = [197, 353]  # ROI1 and ROI2 of all channels
roi_high = {{ "*" = [217, 381], "M00" = [218, 382], "M00:C03" = [220] }}
```

## `[pipeline]`

{pipeline}

## `[crate]`

What is known of the crate, said once for all tasks that need it. A task that needs a fact has it among its parameters,
but not in its table; its process variable is the pipeline's: `$(P)Channels_RBV`, `$(P)AdcMhz`.

{crate}

## `[calibration]`

What energies mean in each channel, said once for all tasks: keV = offset + gain · energy + quadratic · energy², with
the energy of an event in ADC units, whatever the bins of a spectrum are. The keys are *per channel*; as process
variables they are each channel's: `$(P)M00:C03:CalGain`. A channel whose gain is 0 has no calibration.
[Energies in keV](../how-to/energy-calibration.md) shows it at work.

{calibration}
`file` is the name of a CSV file instead, or for some of the keys: its first line has the names of its columns,
`module`, `channel` and some of the keys, each further one a channel. `--set calibration.gain=0.1` overrides a value.

## `[run]`

{run}

## `[run.conditions]`

Process variables of the site that are kept with the data of each run, see [run records](../how-to/run-records.md).

{conditions}

## `[ioc]`

{ioc}

## `[ioc.limits]`

What the clients of the Channel Access server may cost. Whoever goes beyond is refused or disconnected; nobody else
notices.

{limits}

## `[ioc.log]`

The log is described in [running an IOC](running.md#log).

{log}

## `[ioc.pva]`

[PVAccess](pvaccess.md) says what is served, and how.

{pva}

## `[ioc.put_log]`

[Who may write](../how-to/who-may-write.md) has an example, [access](access.md#the-log-of-puts) what a line says.

{put_log}

## `[ioc.recsync]`

[Be found in ChannelFinder](../how-to/channelfinder.md) says what it does.

{recsync}

## `[ioc.metrics]`

[Watch an IOC with Prometheus](../how-to/metrics.md) says what there is.

{metrics}

{tasks}
## Reports of every task

{standard}"""

EVENTS = """\
# Events: columns and files

Printed by `python docs/make_pages.py` from the declarations in the code.

An event is a row; times are exact: its time is `time + cfd` ns. Add them only after subtracting a common `time` from
all events: a 64-bit float has not enough digits for both. Between tasks, and in what `pixieioc replay --out` and the
task WriteEvents write, the columns are:

## Of every event

{always}

## From SortEvents

{sorted}

Within a period the counters go on; times of different periods cannot be compared, so a coincidence is within one. In
files that `pixieioc replay` writes, `chunk_timestamp` is Unix time if the JSON file that GatherData puts beside a
raw file tells when the run began (or `--set SortEvents.start_times='[...]'` does), and seconds since the first event
otherwise. It takes two fifths of a file of events without traces; `--set WriteEvents.chunk_timestamp=false` leaves it
out.

## With a calibration

{calibrated}

It is there if a channel had a [calibration](../how-to/energy-calibration.md) when the file was begun, and is null (NaN
in npy) for events of channels without one. A file has one calibration, that of its beginning: one that is changed in a
run is for the next file, and the metadata tell that it was changed. `energy` is always there, so that other keV can be
made of it. A float32 has 24 bits where an energy has 16: no two energies of a channel become the same keV.

## Of recorded data

{recorded}

It is there if it is known of which run the data are, see [below](#several-runs).

## Of events with optional blocks

{optional}

## Which columns a file has

Those that its events have: a column of an optional block, or of traces, is there if at least one event has a value in
it. If such an event comes late, what was written so far is rewritten with the additional columns, one row group at a
time, and nothing is lost; a program that reads a file must check which columns there are.

That is so up to `RewriteLimit` (4 MB): to write a larger file again could take longer than the end of a run may. So it
is complete then (`end_reason` "more columns"), and those events go to the next one, `events_002.parquet`, which begins
with the columns of those before it: there are at most as many files for this reason as there are blocks. Replay, for
which nobody waits, writes one file.

## Several files of a run

`FileSizeLimit` (MB) and `FileTimeLimit` (s) of WriteEvents begin the next file, as they do for raw files: it is
numbered behind its stem (`events_002.parquet`, `events_002.npy`), and each is complete, with metadata of its own
(`part`, and the events that it has). Events in memory are counted with the bytes that they have there, so that files in
Parquet stay below the limit. Sorted by name the files are in the order of time; `pyarrow.dataset.dataset([...])` reads
a list of them as one table, with the columns of the first one unless it is told which: others may have more.

## When the disk does not take them

`OnWriteError` and `SecondFilePath` of WriteEvents mean what they do for [raw files](running.md#raw-files): the run
ends, waits, or goes on elsewhere. What has been written is complete and readable, also on a full disk. Before it writes
a row group of a Parquet file, WriteEvents has the disk keep room for it and for the end of the file, which says where
everything is; npy has its metadata there from the beginning. `REPORT:EventsNotWritten_RBV` counts exactly what is in no
complete file, and is in MAJOR alarm with `REPORT:WriteStatus_RBV`; replay makes such events again from the raw files.

Where the task is killed, or the power fails, a file keeps the name `*.part`. One in npy is finished by [`pixieioc
recover`](../how-to/raw-files.md#finish-what-was-cut-off); one in Parquet lacks its end and cannot be: with
`FileTimeLimit` that costs the last file only.

## Parquet

One file with all columns, but for `trace_start`: the samples themselves are in the column `trace`. What an event does
not have is null rather than 0. Each column's field has its `unit` and `meaning`.

```python
import pandas

events = pandas.read_parquet("events.parquet", columns=["time", "energy"], filters=[("channel", "=", 9)])
```

```python
import polars

events = polars.scan_parquet("events.parquet").filter(polars.col("channel") == 9).collect()
traces = events.filter(polars.col("trace").is_not_null())["trace"] if "trace" in events.columns else None
```

```python
import json
import pyarrow.parquet

file = pyarrow.parquet.ParquetFile("events.parquet")  # whole row groups at a time: files need not fit into memory
about = json.loads(file.metadata.metadata[b"pixieioc"])
for number in range(file.num_row_groups):
    group = file.read_row_group(number)
    time = group["time"].to_numpy()
    if "trace" in group.column_names:
        traces = group["trace"].combine_chunks()  # trace i is samples[ends[i] : ends[i + 1]]
        samples, ends = traces.values.to_numpy(), traces.offsets.to_numpy()
```

Numbers are laid out so that they compress well and are read fast: times as differences, samples and Unix times by
significance of their bytes (`BYTE_STREAM_SPLIT`, which pyarrow reads from version 17 on).

## npy

| file | content |
|---|---|
| `events.npy` | A structured array of the columns that every event has, and of those from SortEvents. |
| `events.extra.npy` | The columns of optional blocks and traces, row by row beside it; only if an event has one. |
| `events.traces.npy` | The samples of all traces, uint16; only if there are any. |
| `events.npy.json` | The metadata. |

The trace of event `i` is `traces[extra["trace_start"][i] :][: extra["trace_length"][i]]`. All of them can be opened
with `numpy.load(name, mmap_mode="r")`, which reads only what is looked at.

## Metadata

{metadata}

## Several runs

Files that are given to LoadFiles or `pixieioc replay` together may be of several runs: the JSON files beside them tell
(`run_id` and `start_time`), or, of files without one, their names (`run_pattern`, by default `run_?(\\d+)`). Runs are
read one after the other, in the order of time as far as that is known. All events of one come before all of the next; a
new counter period begins between them, which counts as one restart of the counters; a record that is cut off by the end
of a run is counted, not continued in the next. The files of a module in one run are one stream: a record may begin in
one and end in the next. Files of which nothing is known are all of one run.
"""

METADATA = """\
In Parquet the JSON text `pixieioc` of the file's metadata, with npy a file of its own. What is known of the runs of
recorded data is what the files beside the raw files tell.

| name | what it is |
|---|---|
| `software` | What wrote the file. |
| `events`, `first_time`, `last_time` | How many, and `time` of the first and the last of them; null without events. |
| `part` | Number of the file in its run, from 1: there are several with `FileSizeLimit` and `FileTimeLimit`. |
| `run_id`, `start_time`, `end_time` | The data's run (Unix times, s); null if not known, or if there are several. |
| `runs` | All runs that the data are of, a list of `run_id`, `start_time` and `end_time`. |
| `written` | `run_id`, `start_time` and `end_time` of what has written the file; `end_reason` as with raw files. |
| `counts` | What the modules of a crate have counted in the run, by module, as in the \
[files beside raw files](running.md#raw-files); null where that is not known, and `counts_unknown` says why. Only of \
data that come from a crate, or from raw files beside which it is said; of several runs, each in `runs`. |
| `items_discarded` | Blocks that an abort left out. |
| `calibration` | That of `energy_kev`: `formula`, `version` (null: no channel has one) and `channels`, each with \
`offset`, `gain`, `quadratic`, `name`, `detector` and `group` as far as they are known; `changes` says how often it \
was changed while the file was written, then `changed_at` when last, and `at_end` what is since, of channels \
that were changed. |
| `configuration` | The settings of all tasks, with the names of the raw files; without the calibration. |
| `columns` | Type, unit and meaning of each column. |

In the JSON file beside it a file has its size and its checksum, too: `bytes` and, in Parquet, `sha256`, which
`sha256sum` checks. How long an array in npy is stands at its beginning and is known at its end, and a file must not be
read again to be hashed. So `sha256_header_last` is SHA-256 of what is behind the header, then of the header; `files`
has the same of `events.extra.npy` and `events.traces.npy`. `pixieioc runs verify` checks both kinds; with the tools of
a shell, for a header of 512 bytes: `(tail -c +513 events.npy; head -c 512 events.npy) | sha256sum`."""


FIELD_PAGE = """\
# Fields and channel filters

Printed by `python docs/make_pages.py` from the table in `pixieioc/ioc/records/field_table.py`.

## Fields

Every field that a record of this type has in EPICS Base is a process variable here, too, with the same type and the
same choices, and with alarm and time of its record. What there is not here (links, scans, simulation, conversions)
reads as its default in Base. Those marked * can be written, by whoever may write the record (of what is read only: by
the group EX; `ACKS` and `ACKT`: OP), until the next start.

- **A limit** (`HIHI HIGH LOW LOLO`) is for itself, in any order with the others. One that is not set is NaN, of whole
  numbers 0 with the severity `NO_ALARM`; one that is written has the severity MAJOR (`HIHI`, `LOLO`) or MINOR, unless
  its severity was written.
- **`PROC`** processes. What can be written is written once more, with its present value: `Stop.PROC` stops nothing,
  since `Stop` is 0. What is read only posts what has changed, which is nothing but its time, or, with `MDEL` -1, its
  value.
- **`ASG`** gives the record another access group; the rights of connected clients follow at once
  ([access](access.md#a-group-at-run-time)).
- **`DISP`** other than 0 refuses puts of clients to the record and to all its fields but itself.
- **`DTYP`** says what kind of thing a value comes from, **`INP`** and **`OUT`** which: `@FillSpectra roi_counts 0 3 1`
  is that of module 0, channel 3 and region 1 (each from 0), `@IOC NAME` what the IOC has of itself.
- **`ACKS`** is the highest severity that nobody has acknowledged. Alarm handlers acknowledge with `DBR_PUT_ACKS`, and
  say with `DBR_PUT_ACKT` whether alarms that have gone want to be acknowledged (`ACKT`); a put to the field does the
  same. To acknowledge the `ERROR` of a task is an `ErrorAck` of that task. Because alarms of what is read only can be
  acknowledged, its access rights include writing, but values are refused (ECA_NOWTACCESS).
- **`SCAN`** is Passive for what can be written, else I/O Intr. **`TSE`** is -2 where a report brings the time.
- **`$`** behind a field that is a text makes it a long string (characters): `PV.DESC$`, `PV.INP$`. `PV$` and `PV.VAL$`
  are that of a string's value.

{fields}

## Channel filters

Behind a name and its dot, as in EPICS Base, in JSON or JSON5; a channel has its filters for itself, and a channel
without any costs nothing more. A filter that is wrong, or is none of these, is not found.

- **`arr`**, as in `PV.[2:5]`, `PV.VAL[0:2:9]` or `PV.{{"arr":{{"s":0,"i":2,"e":9}}}}`: of an array the elements from
  `s` to `e`, each `i`-th; numbers below 0 count from the end.
- **`dbnd`**, as in `PV.{{"dbnd":{{"abs":1.5}}}}` or `PV.{{"dbnd":{{"rel":10}}}}`: a number that has changed by no more,
  absolute or in percent of the value that was last posted, is not posted; alarms are.
- **`dec`**, as in `PV.{{"dec":{{"n":10}}}}`: of 10 posts one is passed on.
- **`ts`**, as in `PV.{{"ts":{{}}}}`: the time stamp is the time at which the value is sent. With `"num"` (`"dbl"`,
  `"sec"`, `"nsec"` or `"ts"`, which is both; with `"epoch":"unix"` if wanted) or `"str"` (`"epics"`, `"iso"`) the
  value is the record's time stamp.
- **`sync`**, as in `PV.{{"sync":{{"m":"while","s":"AcquireBusy"}}}}`: what is posted follows a state. Its mode `m` is
  `while` or `unless` the state is true; `first` or `before`: the value that comes first after it has become true, or
  came last before that; `last` or `after`: the value that came last before it has become false, or comes first after
  that. The states are the records of this IOC that have two (bi and bo), with or without the prefix: `AcquireBusy`
  during a run, `Ready_RBV`, `ErrorLatched_RBV`, a report or parameter of a site's own task that is true or false. There
  are no others, and nothing like `dbStateCreate`.

Several are passed one after the other: `PV.[0:9]{{"dec":{{"n":5}},"ts":{{}}}}`. Each subscription has a first value,
with `sync` only if that lets it through. A put through filters is one to the whole record. `utag` is not there: there
are no tags.
"""


def _columns(columns: Iterable[Column]) -> str:
    """The rows of a table of columns."""
    rows = [f"| `{c.name}` | {column_type(c)} | {c.unit} | {c.doc} |" for c in columns]
    return "\n".join(["| column | type | unit | meaning |", "|---|---|---|---|", *rows])


def column_type(column: Column) -> str:
    """The type of a column's values, and how many an event has, if not one."""
    if column is TRACE:
        return f"list of {np.dtype(column.dtype).name}"
    return np.dtype(column.dtype).name + f" x {column.width}" * bool(column.width)


def _keys(table: type[msgspec.Struct]) -> str:
    """The rows of one of the file's plain tables."""
    rows: list[str] = []
    for field in msgspec.structs.fields(table):
        factory = field.default_factory
        default = field.default if factory is msgspec.NODEFAULT else factory()
        shown = "required" if default is msgspec.NODEFAULT else _code(default)
        if isinstance(default, msgspec.Struct):
            shown = "a table"
        rows.append(f"| `{field.name}` | {shown} | {get_args(field.type)[1].description} |")
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows])


def _code(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
    return f"`{text}`".replace("|", r"\|")


def _parameters(parameters: Iterable[Parameter[Any]]) -> str:
    rows = [
        f"| `{p.name}`{_flags(p)} | {_code(p.default_of_one)} | {p.allowed.replace('|', chr(92) + '|')} | {p.doc} |"
        for p in parameters
    ]
    return "\n".join(["| parameter | default | allowed | meaning |", "|---|---|---|---|", *rows]) if rows else ""


def _flags(parameter: Parameter[Any]) -> str:
    flags = [flag for flag in ("live", "fixed", "shared", "command") if getattr(parameter, flag)]
    if parameter.at_once:
        flags[flags.index("live")] = "at once"
    if parameter.per != "task":
        flags.append(f"per channel, {parameter.times} of them" if parameter.times else f"per {parameter.per}")
    return f" *{', '.join(flags)}*" if flags else ""


def _calibration() -> str:
    """The keys of the table, with the parameters that they are in tasks."""
    parameters = parameters_of(ChannelCalibration)
    rows = [
        f"| `{key}` | `{p.pv}` | `{json.dumps(p.default_of_one)}` | {p.allowed} | {p.doc} |"
        for key, p in ((key, parameters[name]) for key, name in KEYS.items())
    ]
    return "\n".join(["| key | process variable | default | allowed | meaning |", "|---|---|---|---|---|", *rows, ""])


def _reports(reports: Iterable[Report[Any]]) -> str:
    rows = [f"| `{r.name}` | {r.unit} | {r.doc} | {r.guidance} |" for r in reports]
    return "\n".join(["| report | unit | meaning | when in alarm |", "|---|---|---|---|", *rows]) if rows else ""


def _task(name: str, cls: type[Task]) -> str:
    own = [report for report in cls.reports().values() if vars(StandardReports).get(report.name) is not report]
    facts = [f"`{parameter}`" for parameter in cls.parameters() if is_crate_fact(cls, parameter)]
    # What is kept in a device is not a key here.
    said_once = {name for name in cls.parameters() if is_crate_fact(cls, name) or is_calibration(cls, name)}
    parameters = [p for p in cls.parameters().values() if p.name not in said_once and not p.device]
    needs = [f"Needs of `[crate]`: {', '.join(facts)}."] if facts else []
    if len(said_once) > len(facts):
        needs = [f"{' '.join(needs)} Uses `[calibration]`.".strip()]
    parts = [f"## `[tasks.{name}]`", " ".join((cls.__doc__ or "").split()), *needs, _parameters(parameters)]
    return "\n\n".join(part for part in [*parts, _reports(own)] if part) + "\n"


def _fields() -> str:
    """One row for all fields that are alike."""
    of: dict[str, list[str]] = {}
    for record, own in FIELDS.items():
        for name in own:
            of.setdefault(name, []).append(record)
    alike: dict[tuple[str, ...], list[str]] = {}
    for own in FIELDS.values():
        for name, field in own.items():
            records = [r for r in of[name] if FIELDS[r][name].type == field.type and FIELDS[r][name].doc == field.doc]
            where = "all" if len(records) == len(FIELDS) else ", ".join(records)
            key = (field.type, field.doc.rstrip(","), where)
            shown = f"`{name}`{'*' if field.write is not None else ''}"
            if shown not in alike.setdefault(key, []):
                alike[key].append(shown)
    rows = [f"| {' '.join(names)} | {where} | {kind} | {doc} |" for (kind, doc, where), names in alike.items()]
    return "\n".join(["| field | of | type | meaning |", "|---|---|---|---|", *rows])


def fields() -> str:
    """The page about fields and filters."""
    return FIELD_PAGE.format(fields=_fields())


def tasks() -> str:
    """The page for authors of tasks."""
    return task_page.page(_code)


def states() -> str:
    """The page of messages and states."""
    return STATES


def configuration() -> str:
    """The page about configuration files."""
    own = {name: cls for name, cls in Task.class_registry.items() if cls.__module__.startswith("pixieioc.")}
    return CONFIGURATION.format(
        pipeline=_keys(PipelineTable),
        crate=_parameters(parameters_of(CrateFacts).values()),
        calibration=_calibration(),
        run=_parameters(parameters_of(RunParameters).values()),
        conditions=_keys(ConditionsTable),
        ioc=_keys(IocTable),
        limits=_keys(LimitsTable),
        log=_keys(LogTable),
        put_log=_keys(PutLogTable),
        pva=_keys(PvaTable),
        recsync=_keys(RecSyncTable),
        metrics=_keys(MetricsTable),
        tasks="\n".join(_task(name, own[name]) for name in sorted(own)),
        standard=_reports(r for r in vars(StandardReports).values() if isinstance(r, Report)) + "\n",
    )


def events() -> str:
    """The page about the columns of events and the files that hold them."""
    assert {c.name for c in (*ALWAYS, KEV, *SORTED, RUN, *OPTIONAL)} == set(COLUMNS)
    return EVENTS.format(
        always=_columns(ALWAYS),
        sorted=_columns(SORTED),
        recorded=_columns([RUN]),
        calibrated=_columns([KEV]),
        optional=_columns((*OPTIONAL, TRACE)),
        metadata=METADATA,
    )


def sidecar_schema() -> str:
    """The JSON schema of the files beside data files."""
    return json.dumps(sidecar.schema(), indent=2) + "\n"


PAGES = {
    "architecture.md": architecture_page.page,
    "reference/states.md": states,
    "reference/configuration.md": configuration,
    "reference/events.md": events,
    "reference/fields.md": fields,
    "reference/tasks.md": tasks,
    "reference/sidecar.schema.json": sidecar_schema,
}

if __name__ == "__main__":
    for page, make in PAGES.items():
        (HERE / page).write_text(make())
