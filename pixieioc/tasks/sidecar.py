"""The JSON file beside a data file, as types: from them follow its JSON schema and what the catalogue reads.

Files of version 1 have neither `sidecar` nor `record`. What comes later may add keys; one that means something else is
a new version.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from pixieioc.site_pvs.reading import Reading

#: The version of what is written now.
VERSION = 2
#: The key that says the version, and the one that says what is known of the run as a whole.
VERSION_KEY, RECORD_KEY = "sidecar", "record"
#: Unix time in seconds.
Time = float


def _is(doc: str) -> msgspec.Meta:
    return msgspec.Meta(description=doc)


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One of the site's process variables in a run."""

    pv: Annotated[str, _is("Its name, as it is configured.")]
    start: Annotated[Reading, _is("What it read at the start.")]
    end: Annotated[Reading | None, _is("What it read at the end; null as long as the run has not ended.")] = None
    updates: Annotated[int, _is("Values that came in the run.")] = 0
    disconnections: Annotated[int, _is("How often it was lost in the run.")] = 0
    minimum: Annotated[
        float | None,
        _is("Least of start, end and all values that came in between; null unless they are single numbers."),
    ] = None
    maximum: Annotated[float | None, _is("Likewise, greatest.")] = None
    mean: Annotated[float | None, _is("Mean of the start and all values that came in the run, each counted once.")] = (
        None
    )
    worst_severity: Annotated[str, _is("The worst severity that came; empty if nothing came.")] = ""


class Counts(msgspec.Struct, frozen=True):
    """Counts by channel, as a task reports them."""

    meaning: str
    values: Annotated[list[list[float]], _is("By module and channel.")]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run as a whole; the same in all of its sidecars, but for the time until they are completed."""

    version: Annotated[int, _is("Of this object: 1.")] = 1
    title: Annotated[str, _is("What this run is, as an operator has put it; at the end of the run.")] = ""
    experiment: Annotated[str, _is("Likewise.")] = ""
    operator: Annotated[str, _is("Likewise.")] = ""
    comment: Annotated[str, _is("Likewise.")] = ""
    ioc: Annotated[str, _is("Prefix of the IOC's process variables.")] = ""
    host: Annotated[str, _is("The computer that the IOC ran on.")] = ""
    started_by: Annotated[str, _is("user@host of whoever has started the run.")] = ""
    start_time: Annotated[Time, _is("Unix time at which the run was accepted.")] = 0.0
    end_time: Annotated[Time | None, _is("Unix time at which its tasks were at rest; null: it was not completed.")] = (
        None
    )
    end_reason: Annotated[str, _is("As RunEndReason_RBV; empty: the run was not completed, see the data file's.")] = ""
    good: Annotated[bool | None, _is("Whether it has ended as it should; null: it was not completed.")] = None
    failure: Annotated[str, _is("What went wrong, if anything did.")] = ""
    elapsed_real: Annotated[float | None, _is("Real time, s.")] = None
    elapsed_live: Annotated[float | None, _is("Live time, s; null: it is not known.")] = None
    dead_time: Annotated[float | None, _is("Dead time, %; null: it is not known.")] = None
    events: Annotated[float | None, _is("Events at the end of the chain; null: no task knows events.")] = None
    counts: Annotated[dict[str, Counts], _is("Counts by channel, by `task.report`.")] = {}
    losses: Annotated[
        dict[str, dict[str, float]],
        _is("What was lost or is wrong, by task and report: those whose alarm is MAJOR from 1 on. Empty: nothing."),
    ] = {}
    unfinished: Annotated[
        list[str], _is("Files of the run that were cut off and are called *.part, when it ended.")
    ] = []
    run_parameters: Annotated[dict[str, Any], _is("The settings of [run], without the texts above.")] = {}
    versions: Annotated[dict[str, str], _is("Of the programs and libraries.")] = {}
    conditions: Annotated[list[Condition], _is("The site's process variables, see [run.conditions].")] = []
    conditions_file: Annotated[
        str | None,
        _is("Name of the file of what they were in the run, if it is there: in the folder of the run's first sidecar."),
    ] = None
    conditions_problem: Annotated[str, _is("What is missing of that file, or why there is none; empty: nothing.")] = ""


class Sidecar(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON file beside a file of raw data or events."""

    sidecar: Annotated[int, _is("Version of this format: 2. Files without it are of version 1.")] = 1
    file: Annotated[str, _is("Name of the data file. Version 1 has none beside events.")] = ""
    format: Annotated[str, _is("What is in a raw file.")] = ""
    run_id: Annotated[int | None, _is("Number of the run; null for events of several.")] = None
    module: Annotated[int | None, _is("The module, of a raw file.")] = None
    part: Annotated[int, _is("Which of several files behind each other it is, from 1.")] = 1
    start_time: Annotated[Time | None, _is("Unix time at which the run began.")] = None
    end_time: Annotated[Time | None, _is("Unix time at which this file was completed.")] = None
    end_reason: Annotated[
        str, _is("Why this file ended: `run ended`, `file limit`, `IOC lost`, or what went wrong. Raw files.")
    ] = ""
    bytes: Annotated[int | None, _is("Size of the data file.")] = None
    sha256: Annotated[str, _is("Its checksum.")] = ""
    sha256_header_last: Annotated[
        str, _is("Instead of it, of an npy file: SHA-256 of what is behind the header, then of the header.")
    ] = ""
    files: Annotated[
        dict[str, dict[str, Any]], _is("Files that belong to it, of events in npy, by name: bytes, checksum.")
    ] = {}
    events: Annotated[int | None, _is("Events in it.")] = None
    counts: Annotated[Any, _is("What the modules have counted in the run; of a raw file, its module.")] = None
    counts_unknown: Annotated[str, _is("Why that is not known.")] = ""
    items_discarded: Annotated[int, _is("Items that the task that wrote the file had to discard.")] = 0
    calibration: Annotated[
        dict[str, Any] | None, _is("What energies mean: version, numbers by channel, and whether it was changed.")
    ] = None
    configuration: Annotated[dict[str, dict[str, Any]], _is("The settings of all tasks.")] = {}
    software: Annotated[str, _is("What has written it.")] = ""
    written: Annotated[dict[str, Any], _is("Of events: run, times and end of what has written them.")] = {}
    record: Annotated[Record | None, _is("What is known of the run as a whole; version 2, files of an IOC.")] = None


def schema() -> dict[str, Any]:
    """The JSON schema of a sidecar."""
    made = msgspec.json.schema(Sidecar)
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"pixieioc sidecar, version {VERSION}",
        "description": "The JSON file beside a file of raw data or events; further keys say more of its kind of file.",
    }
    return {**about, **made}


def record_in(record: object) -> dict[str, Any]:
    """What a task adds to its sidecars: the version, and what it was told of the run, if it was told anything."""
    return {VERSION_KEY: VERSION, **({RECORD_KEY: record} if record else {})}
