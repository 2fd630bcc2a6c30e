"""Metrics as text, in the two formats that Prometheus reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pixieioc.ioc.metrics.families import Family, Labels, Sample
from pixieioc.ioc.records import INVALID, Record

#: Lines that are made at a time: what comes between two of them waits for less than a millisecond.
_TOGETHER = 200


@dataclass(frozen=True)
class Format:
    """A format: its type for HTTP, and how it differs."""

    content_type: str
    is_open: bool


PLAIN = Format("text/plain; version=0.0.4; charset=utf-8", is_open=False)
OPEN = Format("application/openmetrics-text; version=1.0.0; charset=utf-8", is_open=True)


class Exposition:
    """The text of families, of which only the numbers change; `fixed` are those that never do, with their labels."""

    def __init__(
        self, families: Iterable[Family], records: Mapping[str, Record], fixed: Iterable[tuple[Family, Labels]]
    ):
        self._lines = [
            (
                family,
                [(_beginning(family.name, sample.labels), records[sample.pv], sample) for sample in family.samples],
            )
            for family in families
        ]
        self._fixed = [(family, f"{_beginning(family.name, labels)}1\n") for family, labels in fixed]

    def pieces(self, form: Format) -> Iterator[str]:
        """The whole text, in pieces that take little time to make. What nobody knows at present is left out."""
        piece: list[str] = []
        for family, line in self._fixed:
            piece += [_head(family, form), line]
        for family, lines in self._lines:
            piece.append(_head(family, form))
            for beginning, record, sample in lines:
                number = _number(record, sample)
                if number is not None:
                    piece.append(f"{beginning}{_text(number)}\n")
                if len(piece) >= _TOGETHER:
                    yield "".join(piece)
                    piece = []
        yield "".join(piece) + ("# EOF\n" if form.is_open else "")


def _head(family: Family, form: Format) -> str:
    name = family.name.removesuffix("_total") if form.is_open else family.name
    kind = "counter" if family.is_counter else "gauge"
    doc = _escaped(family.doc) if form.is_open else _escaped(family.doc).replace(r"\"", '"')
    return f"# HELP {name} {doc}\n# TYPE {name} {kind}\n"


def _beginning(name: str, labels: Labels) -> str:
    said = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels)
    return f"{name}{{{said}}} " if said else f"{name} "


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(record: Record, sample: Sample) -> float | None:
    if sample.state is not None:
        return float(record.value == sample.state)
    return None if record.severity == INVALID else record.value * sample.factor


def _text(number: Any) -> str:
    if math.isfinite(number):
        return str(int(number)) if number == int(number) and abs(number) < 2**53 else repr(float(number))
    return "NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf"
