"""The catalogue as text: a table of runs, and all that is known of one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import msgspec

from pixieioc.catalogue.query import RunRow
from pixieioc.counted import counted

_HEADS = ("Run", "Start", "Real time", "End", "Events", "Data", "Files", "Title", "Experiment", "Operator")
_RIGHT = {"Run", "Real time", "Events", "Data", "Files"}
_LONGEST = 40


def table(rows: Sequence[RunRow]) -> Iterator[str]:
    """A line for each run, under their heads."""
    lines = [_HEADS, *map(_cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADS))]
    for line in lines:
        cells = (
            cell.rjust(width) if head in _RIGHT else cell.ljust(width)
            for cell, width, head in zip(line, widths, _HEADS, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _cells(row: RunRow) -> tuple[str, ...]:
    marked = ((" bad", row.good is False), (" losses", row.lossy), (" damaged", row.problems > 0))
    marks = "".join(text for text, holds in marked if holds)
    return (
        "?" if row.run_id is None else str(row.run_id),
        moment(row.start),
        "" if row.elapsed is None else f"{row.elapsed:.1f} s",
        (row.reason or "not known") + marks,
        "" if row.events is None else f"{row.events:.0f}",
        "" if row.bytes is None else _size(row.bytes),
        str(row.files),
        *(_short(text) for text in (row.title, row.experiment, row.operator)),
    )


def as_csv(rows: Iterable[RunRow]) -> str:
    """The same for programs, with all columns."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(RunRow.__struct_fields__)
    writer.writerows(["" if value is None else value for value in msgspec.structs.astuple(row)] for row in rows)
    return out.getvalue()


def plain(row: RunRow) -> dict[str, Any]:
    """A run as an object of JSON."""
    return msgspec.to_builtins(row)


def details(row: RunRow, about: Mapping[str, Any], files: Sequence[tuple[Path, Mapping[str, Any]]]) -> Iterator[str]:
    """All of a run, for somebody who wants to know years later what it was. `about` is one of its sidecars."""
    record: Mapping[str, Any] = about.get("record") or {}
    length = f" to {moment(row.end)}" if row.end is not None else ""
    yield f"Run {row.run_id}, {moment(row.start)}{length}"
    for name in ("title", "experiment", "operator"):
        if text := record.get(name):
            yield f"  {name.capitalize():11s}{_line(str(text))}"
    for number, line in enumerate(str(record.get("comment") or "").splitlines()):
        yield f"  {'Comment' if number == 0 else '':11s}{_line(line)}"
    good = {True: "good", False: "bad", None: "not known"}[row.good]
    yield f"  {'Ended by':11s}{row.reason or 'not known'} ({good})" + (f": {row.failure}" if row.failure else "")
    yield from _numbers(record, about)
    yield from _counts(record, files)
    yield from _conditions(record.get("conditions") or [], record.get("conditions_file"))
    if problem := record.get("conditions_problem"):
        yield f"    {problem}"
    yield "  Files" if row.files else "  Files      none"
    for path, each in files if row.files else ():
        size = each.get("bytes")
        yield f"    {path.with_name(each.get('file') or path.name.removesuffix('.json'))}" + (
            f"  {_size(size)}" if isinstance(size, int) else ""
        )


def _numbers(record: Mapping[str, Any], about: Mapping[str, Any]) -> Iterator[str]:
    known = (("elapsed_real", "real", "s"), ("elapsed_live", "live", "s"), ("dead_time", "dead", "%"))
    times = [f"{name} {record[key]:.3f} {unit}" for key, name, unit in known if record.get(key) is not None]
    if times:
        yield f"  {'Times':11s}{', '.join(times)}"
    if record.get("started_by"):
        yield f"  {'Started':11s}by {record['started_by']}, IOC {record.get('ioc')} on {record.get('host')}"
    losses: Mapping[str, Mapping[str, float]] = record.get("losses") or {}
    if record.get("end_reason"):
        said = "; ".join(f"{task} {name} {value:g}" for task, of in losses.items() for name, value in of.items())
        yield f"  {'Losses':11s}{said or 'none'}"
    versions: Mapping[str, str] = record.get("versions") or {}
    said = ", ".join(f"{name} {text}" for name, text in versions.items()) or str(about.get("software") or "")
    if said:
        yield f"  {'Software':11s}{said}"


def _counts(record: Mapping[str, Any], files: Sequence[tuple[Path, Mapping[str, Any]]]) -> Iterator[str]:
    """Counts by channel: those that the modules have counted, or else those of the tasks."""
    found = False
    for _, about in files:
        counts = about.get("counts")
        if isinstance(counts, Mapping) and "output_counts" in counts:
            known = cast("Mapping[str, Any]", counts)
            found = True
            yield f"  Module {about.get('module')}: events by channel {_listed(known['output_counts'])}"
            yield f"    triggers {_listed(known['input_counts'])}, lost {known.get('lost')}"
    for name, counts in () if found else (record.get("counts") or {}).items():
        for module, values in enumerate(counts["values"]):
            yield f"  {name}, module {module}: {_listed(values)}"


def _conditions(conditions: Sequence[Mapping[str, Any]], file: str | None) -> Iterator[str]:
    if not conditions:
        return
    yield "  Conditions: at the start, at the end; least to greatest in the run"
    width = max(len(each["pv"]) for each in conditions)
    for each in conditions:
        low, high = each.get("minimum"), each.get("maximum")
        span = f"; {low:g} to {high:g}" if low is not None and high is not None and low != high else ""
        lost = f"; lost {counted(each['disconnections'], 'time')}" if each.get("disconnections") else ""
        worst = each.get("worst_severity")
        alarm = f"; worst {worst}" if worst not in ("", "NO_ALARM", None) else ""
        yield f"    {each['pv']:{width}s}  {_reading(each['start'])}, {_reading(each.get('end'))}{span}{lost}{alarm}"
    if file:
        yield f"    in the course of the run: {file}"


def _reading(reading: Mapping[str, Any] | None) -> str:
    if reading is None:
        return "not read"
    value = reading.get("value")
    text = f"{value:g}" if isinstance(value, float) else _short(str(value))
    unit = f" {reading['unit']}" if reading.get("unit") else ""
    severity = reading.get("severity")
    alarm = f" {severity}" if severity not in (None, "", "NO_ALARM") else ""
    if reading.get("state") == "ok":
        return f"{text}{unit}{alarm}"
    known = f" (last known {text}{unit}{alarm}, {moment(reading.get('time'))})" if value is not None else ""
    return f"{reading.get('state')}{known}"


def _listed(values: Iterable[float]) -> str:
    return " ".join(f"{value:.0f}" for value in values)


def moment(unix: float | None) -> str:
    """A Unix time in the time zone of the computer."""
    try:
        return "not known" if unix is None else f"{datetime.fromtimestamp(unix):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):  # no calendar has it
        return f"{unix:g} s"


def _size(count: int) -> str:
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} B"


def _line(text: str) -> str:
    """A text in one line, without what a terminal would act on."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in " ".join(text.split()))


def _short(text: str) -> str:
    line = _line(text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
