"""The process variables as records of an EPICS database: what a record is named, means, and when it is in alarm.

The IOC does not read it: its own records follow from the same description. It is for tools that read databases, and a
stock softIoc that has loaded it shows a site's screens and alarm tree without the IOC.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from pixieioc.export.text import GENERATED, quoted, shortened, without_macros
from pixieioc.pvinfo.about import info_tags
from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.model import DRIVEN, LIMIT_NAMES, LIMIT_SEVERITY_FIELDS, LONGEST_UNIT, STATE_FIELDS, PvInfo

#: Record types whose values and limits are whole numbers.
WHOLE = ("longin", "longout", "int64in", "int64out")


def database(description: Description) -> str:
    """`pixieioc.db`: every process variable; the macro P is the prefix."""
    head = f"# {GENERATED}\n# Macros: P, the prefix ({description.prefix}).\n"
    return "\n".join([head, *(record(pv) for pv in description.pvs.values())])


def substitutions(description: Description) -> str:
    """`pixieioc.substitutions`: the database with the prefix of the description."""
    pattern = f"pattern {{ P }}\n        {{ {quoted(description.prefix)} }}"
    return f'# {GENERATED}\nfile "pixieioc.db" {{\n{pattern}\n}}\n'


def record(pv: PvInfo) -> str:
    """One record."""
    lines = [f"    field({name}, {quoted(without_macros(value))})\n" for name, value in fields(pv)]
    lines += [f"    info({name}, {quoted(value)})\n" for name, value in info_tags(pv, "$(P)")]
    return f'record({pv.record}, "$(P){pv.name}") {{\n{"".join(lines)}}}\n'


def fields(pv: PvInfo) -> Iterator[tuple[str, str]]:
    """The fields of a record that are not as EPICS has them by default."""
    yield "DESC", shortened(pv.doc)
    if pv.access:
        yield "ASG", pv.access
    if pv.record == "waveform":
        yield "FTVL", pv.element
        yield "NELM", str(pv.length)
    if pv.unit and not pv.is_enum:
        yield "EGU", shortened(pv.unit, LONGEST_UNIT)
    if pv.record in ("ai", "ao") or (pv.record == "waveform" and pv.element in ("FLOAT", "DOUBLE")):
        yield "PREC", str(pv.precision)
    if pv.record in ("bi", "bo"):
        yield from _two_states(pv)
    elif pv.is_enum:
        yield from _states(pv)
    else:
        yield from _limits(pv)
    if pv.record != "waveform":
        yield "PINI", "YES"
        if isinstance(pv.initial, int | float):
            yield "VAL", number(pv, pv.initial)
        else:  # a text, which is empty before it is anything
            yield "UDF", "0"


def _two_states(pv: PvInfo) -> Iterator[tuple[str, str]]:
    yield "ZNAM", pv.labels[0]
    yield "ONAM", pv.labels[1]
    for field, severity in zip(("ZSV", "OSV"), pv.severities, strict=False):
        if severity != "NO_ALARM":
            yield field, severity


def _states(pv: PvInfo) -> Iterator[tuple[str, str]]:
    for i, label in enumerate(pv.labels):
        yield f"{STATE_FIELDS[i]}VL", str(i)
        yield f"{STATE_FIELDS[i]}ST", label
        if pv.severities and pv.severities[i] != "NO_ALARM":
            yield f"{STATE_FIELDS[i]}SV", pv.severities[i]


def _limits(pv: PvInfo) -> Iterator[tuple[str, str]]:
    for i, (field, severity_field, limit) in enumerate(zip(LIMIT_NAMES, LIMIT_SEVERITY_FIELDS, pv.limits, strict=True)):
        if not math.isnan(limit):
            yield field, number(pv, limit)
            yield severity_field, pv.severity_of_limit(i)
    if pv.hysteresis:
        yield "HYST", number(pv, pv.hysteresis)
    low, high = pv.drive
    if math.isfinite(low) and math.isfinite(high):
        drive = [("DRVL", "DRVH")] if pv.record in DRIVEN else []
        for below, above in [*drive, ("LOPR", "HOPR")]:
            yield below, number(pv, low)
            yield above, number(pv, high)


def number(pv: PvInfo, value: float) -> str:
    """A number as the record's own type."""
    return str(int(value)) if pv.record in WHOLE or pv.is_enum else f"{value:.16g}"
