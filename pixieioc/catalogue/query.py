"""Which runs are wanted, and what the index says of them."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from datetime import datetime

import msgspec

from pixieioc.catalogue.tables import path_of
from pixieioc.pipeline import Error

_RANGE = re.compile(r"(\d+)(?:(-)(\d+)?)?")
_TEXTS = ("title", "experiment", "operator", "reason")


@dataclass(frozen=True)
class Filter:
    """What a run must be like; what is None or empty does not count. Texts need only be contained, in any case."""

    runs: str = ""  #: `7`, `7-9` or `7-`
    since: str = ""  #: a date, or date and time, in local time
    until: str = ""  #: up to its end, if it is a date
    title: str = ""
    experiment: str = ""
    operator: str = ""
    reason: str = ""
    text: str = ""  #: in any of the texts, the comment too
    good: bool | None = None
    limit: int = 0  #: the latest ones only; 0: all


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run, as the catalogue shows it."""

    run_id: int | None
    start: float | None  #: Unix time
    end: float | None
    elapsed: float | None  #: s of real time
    reason: str
    good: bool | None
    lossy: bool
    events: float | None
    bytes: int | None
    files: int
    problems: int  #: sidecars that are damaged
    title: str
    experiment: str
    operator: str
    comment: str
    failure: str
    ioc: str
    folder: str
    key: str


def find(db: sqlite3.Connection, wanted: Filter) -> list[RunRow]:
    """The runs, in the order of their beginnings; Error if a range or a date is none."""
    where, values = _conditions(wanted)
    limit = f" LIMIT {int(wanted.limit)}" if wanted.limit else ""
    rows = db.execute(
        "SELECT run_id, start, end, elapsed, reason, good, lossy, events, bytes, files, problems, title, experiment, "
        "operator, comment, failure, ioc, path, run FROM runs LEFT JOIN folders ON folders.id = folder "
        f"WHERE {' AND '.join(where) or '1'} ORDER BY start DESC, run_id DESC{limit}",
        values,
    ).fetchall()
    return [_row(row) for row in reversed(rows)]


def count(db: sqlite3.Connection, wanted: Filter) -> int:
    """How many such runs there are, whatever their limit is."""
    where, values = _conditions(wanted)
    ((number,),) = db.execute(f"SELECT count(*) FROM runs WHERE {' AND '.join(where) or '1'}", values)
    return number


def _row(row: tuple[object, ...]) -> RunRow:
    names = RunRow.__struct_fields__
    values = dict(zip(names, row, strict=True))
    good = values["good"]
    values |= {"good": None if good is None else bool(good), "lossy": bool(values["lossy"])}
    values["folder"] = path_of(str(values["folder"] or ""))
    return RunRow(**values)  # pyright: ignore[reportArgumentType]


def _conditions(wanted: Filter) -> tuple[list[str], list[object]]:
    where: list[str] = []
    values: list[object] = []
    for name in _TEXTS:
        if text := getattr(wanted, name):
            where.append(f"{name} LIKE ? ESCAPE '\\'")
            values.append(_like(text))
    if wanted.text:
        names = (*_TEXTS, "comment", "failure")
        where.append("(" + " OR ".join(f"{name} LIKE ? ESCAPE '\\'" for name in names) + ")")
        values += [_like(wanted.text)] * len(names)
    if wanted.runs:
        low, high = _range(wanted.runs)
        where.append("run_id BETWEEN ? AND ?")
        values += [low, high]
    for sign, text, at_end in ((">=", wanted.since, False), ("<", wanted.until, True)):
        if text:
            where.append(f"start {sign} ?")
            values.append(_time(text, at_end=at_end))
    if wanted.good is not None:
        where.append("good = 1 AND problems = 0" if wanted.good else "(coalesce(good, 0) = 0 OR problems > 0)")
    return where, values


def _like(text: str) -> str:
    return "%" + re.sub(r"([%_\\])", r"\\\1", text) + "%"


def _range(text: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise Error(f"run {text}: must be a number, or two as in 7-9, or 7- for all from 7 on")
    low, dash, high = found.groups()
    return int(low), int(high) if high else 2**62 if dash else int(low)


def _time(text: str, *, at_end: bool) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Error(f"date {text}: must be as 2026-11-26 or 2026-11-26T14:30") from None
    if at_end and len(text) <= len("2026-11-26"):
        moment = moment.replace(hour=23, minute=59, second=59, microsecond=999_999)
    return moment.timestamp()
