"""What is served over PVAccess besides the process variables: structures that are made of several of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pixieioc.pvinfo.model import PvInfo

#: The columns of the tables that have a row for each channel, by the report that they are.
_RATES = {"channel_input_rate": "input_rate", "channel_output_rate": "output_rate", "channel_dead_time": "dead_time"}
_SCALERS = {"input_counts": "input_counts", "output_counts": "output_counts", "live_times": "live_time"}
_TABLES = {"RateTable": ("Rates of all channels.", _RATES), "ScalerTable": ("Scalers of all channels.", _SCALERS)}
_SPECTRUM = "spectrum"
_NO_FIELD = re.compile(r"\W")


@dataclass(frozen=True)
class Group:
    """A structure: process variables by the names of its fields."""

    name: str
    doc: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """A table with a row for each channel: by column, the process variable of each module, an array."""

    name: str
    doc: str
    columns: Mapping[str, Mapping[int, str]]


@dataclass(frozen=True)
class Image:
    """Arrays of equal length, one above the other."""

    name: str
    doc: str
    rows: tuple[str, ...]


def groups(infos: Mapping[str, PvInfo]) -> Iterator[Group]:
    """A structure for each task, of what it reports and what is known of it."""
    tasks = dict.fromkeys(info.owner for info in infos.values() if info.owner)
    for task in tasks:
        readings = [info for info in infos.values() if info.owner == task and info.role == "reading"]
        fields = {_NO_FIELD.sub("_", info.own_name): info.name for info in readings}
        yield Group(task, f"All that is known of {task}, of one time.", fields)


def tables(infos: Mapping[str, PvInfo]) -> Iterator[Table]:
    """The tables that there is something for."""
    for name, (doc, labels) in _TABLES.items():
        columns: dict[str, dict[int, str]] = {}
        for info in _arrays(infos.values(), labels):
            columns.setdefault(labels[info.source.name], {})[info.source.index[0]] = info.name
        if columns:
            yield Table(name, doc, {label: columns[label] for label in labels.values() if label in columns})


def images(infos: Mapping[str, PvInfo]) -> Iterator[Image]:
    """All spectra of each module."""
    rows: dict[int, list[str]] = {}
    for info in infos.values():
        source = info.source
        if source.kind == "report" and source.name == _SPECTRUM and len(source.index) == 2:
            rows.setdefault(source.index[0], []).append(info.name)
    for module, names in rows.items():
        yield Image(f"M{module:02}:Spectra", f"Spectra of module {module}, a row for each channel.", tuple(names))


def _arrays(infos: Iterable[PvInfo], reports: Iterable[str]) -> Iterator[PvInfo]:
    """Those that have a value for each channel of a module."""
    wanted = set(reports)
    for info in infos:
        source = info.source
        if info.record == "waveform" and source.kind == "report" and source.name in wanted and len(source.index) == 1:
            yield info
