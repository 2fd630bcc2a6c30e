"""Fields of records as process variables of their own: `.EGU`, `.SEVR`, `.HIHI`, ..., and long strings (`$`).

A field is a record that follows another. It is made when a client connects to it, and gone with the last one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from caproto import AlarmStatus  # pyright: ignore[reportMissingTypeStubs]  # it has none

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca.record import Client, PutRefused, Record, display_limits
from pixieioc.pvinfo.model import SEVERITIES, PvInfo, text_pv

#: The choices of EPICS' menus.
_STATUSES = tuple(status.name for status in AlarmStatus)
_ELEMENTS = (
    "STRING",
    "CHAR",
    "UCHAR",
    "SHORT",
    "USHORT",
    "LONG",
    "ULONG",
    "INT64",
    "UINT64",
    "FLOAT",
    "DOUBLE",
    "ENUM",
)
_SCANS = ("Passive", "Event", "I/O Intr")
_NO_YES = ("NO", "YES")

Kind = Literal["string", "double", "long", "short", "menu", "text"]


@dataclass(frozen=True)
class _Field:
    """What a field is, and how it follows from its record; `change` is what writing it does to the record's info."""

    kind: Kind
    doc: str
    get: Callable[[Record], Any]
    choices: tuple[str, ...] = ()
    change: Callable[[PvInfo, float], dict[str, Any]] | None = None


def find_field(record: Record, name: str) -> Record | None:
    """The field `name` of a record, as in `EGU` or `DESC$`; None if it has none such."""
    if not has_field(record, name):
        return None
    found = record.fields.get(name)
    if found is None:
        found = record.fields[name] = _FieldRecord(record, name)
    return found


def has_field(record: Record, name: str) -> bool:
    """Whether a record has a field, or a field as a long string (`$`)."""
    if not name.endswith("$"):
        return name in _fields_of(record)
    if name == "VAL$":
        return record.native == dbr.STRING
    return name[:-1] in _fields_of(record) and _FIELDS[name[:-1]].kind == "string"


class _FieldRecord(Record):
    """A record that is a field of another: it has that one's alarm and time."""

    def __init__(self, parent: Record, name: str) -> None:
        self._parent = parent  # for as long as a client has it
        long = name.endswith("$")
        self._field = _VALUE if name == "VAL$" else _FIELDS[name.removesuffix("$")]
        info = _info(self._field, parent, "text" if long else self._field.kind)
        # A menu may have more choices than an enum.
        super().__init__(info, f"{parent.name}.{name}", labels=self._field.choices)
        if self._field.kind == "short":
            self.native = dbr.SHORT
        if self._field.change is not None:
            self.put = self._put
        self.follow()

    def follow(self) -> None:
        parent = self._parent
        value = self._field.get(parent)
        self.post(value, parent.stamp, severity=parent.severity, status=parent.status)

    def _put(self, value: float, client: Client) -> None:
        parent = self._parent
        assert self._field.change is not None
        changes = self._field.change(parent.info, value)
        limits = changes.get("limits", parent.info.limits)
        known = [limit for limit in limits if not math.isnan(limit)]
        if known != sorted(known):
            raise PutRefused(f"{value:g} is out of order: must be LOLO <= LOW <= HIGH <= HIHI, as in {_said(parent)}")
        parent.describe(**changes)


def _info(field: _Field, parent: Record, kind: Kind) -> PvInfo:
    doc, access = f"{field.doc} of {parent.info.doc}", parent.info.access or "EX"
    match kind:
        case "string":
            return PvInfo("field", "stringin", doc, "")
        case "text":
            return text_pv("field", doc, 1 + max(255, len(str(field.get(parent)).encode())))
        case "double":
            return PvInfo("field", "ai", doc, math.nan, parent.info.unit, parent.info.precision, access=access)
        case "menu":
            return PvInfo("field", "mbbi", doc, labels=field.choices[:16])
        case "long" | "short":
            return PvInfo("field", "longin", doc)


def _said(record: Record) -> str:
    return ", ".join(f"{name} {limit:g}" for name, limit in zip(_LIMITS, record.info.limits, strict=True))


# -- which there are --------------------------------------------------------------------------------------------------

_LIMITS = ("LOLO", "LOW", "HIGH", "HIHI")
_STATES = ("ZR", "ON", "TW", "TH", "FR", "FV", "SX", "SV", "EI", "NI", "TE", "EL", "TV", "TT", "FT", "FF")


def _limit(index: int) -> _Field:
    def change(info: PvInfo, value: float) -> dict[str, Any]:
        return {"limits": (*info.limits[:index], float(value), *info.limits[index + 1 :])}

    return _Field("double", "Alarm limit", lambda r: r.info.limits[index], change=change)


def _limit_severity(index: int) -> _Field:
    severity = SEVERITIES.index("MINOR" if index in (1, 2) else "MAJOR")
    return _Field("menu", "Severity", lambda r: 0 if math.isnan(r.info.limits[index]) else severity, SEVERITIES)


def _state(index: int) -> _Field:
    return _Field("string", "State", lambda r: r.labels[index] if index < len(r.labels) else "")


def _state_severity(index: int) -> _Field:
    return _Field(
        "menu",
        "Severity of a state",
        lambda r: r.info.severities[index] if index < len(r.info.severities) else 0,
        SEVERITIES,
    )


def _deadband(name: str, doc: str) -> _Field:
    return _Field("double", doc, lambda r: getattr(r.info, name), change=lambda _, value: {name: float(value)})


def _time(record: Record) -> str:
    seconds, nanoseconds = record.stamp
    local = datetime.fromtimestamp(seconds + dbr.EPICS_EPOCH)
    return f"{local:%Y-%m-%d %H:%M:%S}.{nanoseconds // 1000:06}"


def _element(record: Record) -> str:
    if record.native == dbr.CHAR:
        return "CHAR"
    return "LONG" if record.native == dbr.LONG else "DOUBLE"


_VALUE = _Field("string", "Value", lambda r: r.value)
_COMMON = {
    "NAME": _Field("string", "Name", lambda r: r.name),
    "DESC": _Field("string", "Description", lambda r: r.info.doc),
    "RTYP": _Field("string", "Record type", lambda r: r.info.record),
    "ASG": _Field("string", "Access group", lambda r: r.info.access or "DEFAULT"),
    "SCAN": _Field("menu", "Scan", lambda r: "Passive" if r.put is not None else "I/O Intr", _SCANS),
    "SEVR": _Field("menu", "Severity", lambda r: r.severity, SEVERITIES),
    "STAT": _Field("menu", "Status", lambda r: r.status, _STATUSES),
    "TIME": _Field("string", "Time stamp, local time,", _time),
    "UDF": _Field("short", "Whether the value is undefined", lambda r: int(r.value != r.value if _scalar(r) else 0)),
}
_NUMBER = {
    "EGU": _Field("string", "Unit", lambda r: r.info.unit),
    "HOPR": _Field("double", "Upper display limit", lambda r: display_limits(r.info)[1]),
    "LOPR": _Field("double", "Lower display limit", lambda r: display_limits(r.info)[0]),
    **{name: _limit(i) for i, name in enumerate(_LIMITS)},
    **{name: _limit_severity(i) for i, name in enumerate(("LLSV", "LSV", "HSV", "HHSV"))},
    "HYST": _Field(
        "double",
        "Hysteresis of the alarm",
        lambda r: r.info.hysteresis,
        change=lambda _, value: {"hysteresis": float(value)},
    ),
    "MDEL": _deadband("mdel", "Deadband of monitors"),
    "ADEL": _deadband("adel", "Deadband of archivers"),
}
_DRIVE = {
    "DRVH": _Field("double", "Largest value that may be written", lambda r: r.meta.control[0]),
    "DRVL": _Field("double", "Smallest value that may be written", lambda r: r.meta.control[1]),
}
_PRECISION = {"PREC": _Field("short", "Decimals", lambda r: r.info.precision)}
_TWO_STATES = {
    "ZNAM": _state(0),
    "ONAM": _state(1),
    "ZSV": _state_severity(0),
    "OSV": _state_severity(1),
}
_MANY_STATES = {
    **{f"{state}ST": _state(i) for i, state in enumerate(_STATES)},
    **{f"{state}SV": _state_severity(i) for i, state in enumerate(_STATES)},
}
_ARRAY = {
    "NELM": _Field("long", "Elements that fit", lambda r: r.length),
    "NORD": _Field("long", "Elements that there are", lambda r: len(r.value)),
    "FTVL": _Field("menu", "Type of an element", _element, _ELEMENTS),
    **{name: _NUMBER[name] for name in ("EGU", "HOPR", "LOPR")},
    **_PRECISION,
}
_BY_RECORD: dict[str, dict[str, _Field]] = {
    "ai": _NUMBER | _PRECISION,
    "ao": _NUMBER | _PRECISION | _DRIVE,
    "longin": _NUMBER,
    "longout": _NUMBER | _DRIVE,
    "int64in": _NUMBER,
    "int64out": _NUMBER | _DRIVE,
    "bi": _TWO_STATES,
    "bo": _TWO_STATES,
    "mbbi": _MANY_STATES,
    "mbbo": _MANY_STATES,
    "waveform": _ARRAY,
    "stringin": {},
    "stringout": {},
}
_BY_RECORD = {record: _COMMON | fields for record, fields in _BY_RECORD.items()}
_FIELDS: dict[str, _Field] = {name: field for fields in _BY_RECORD.values() for name, field in fields.items()}


def _fields_of(record: Record) -> dict[str, _Field]:
    return _BY_RECORD[record.info.record]


def _scalar(record: Record) -> bool:
    return isinstance(record.value, int | float)
