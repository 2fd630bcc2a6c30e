"""Which metrics there are: one family for each kind of number, one sample for each process variable (or state)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pixieioc.ioc.metrics.names import LEFT_OUT, OF_TASK, OWN, REPORTS, metric_name
from pixieioc.pvinfo import PvInfo

#: By how many indices a value has: the task's own, a module's, a channel's.
_SCOPES = ("task", "module", "channel")

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sample:
    """A number of a process variable (its name without prefix), or with `state` whether it has this one."""

    pv: str
    labels: Labels = ()
    factor: float = 1
    state: int | None = None


@dataclass
class Family:
    """All samples of one name, and what they mean."""

    name: str
    doc: str
    samples: list[Sample] = field(default_factory=list[Sample])

    @property
    def is_counter(self) -> bool:
        """Whether it only counts up, until it begins again at 0."""
        return self.name.endswith("_total")


def families_of(pvs: Iterable[PvInfo]) -> list[Family]:
    """Those of these process variables, which follow from their declarations."""
    families: dict[str, Family] = {}
    for pv in pvs:
        found = _described(pv)
        if found is None:
            continue
        name, factor, labels = found
        family = families.setdefault(name, Family(name, pv.doc))
        family.samples += _samples(pv, labels, factor)
    return list(families.values())


def _described(pv: PvInfo) -> tuple[str, float, Labels] | None:
    """The name of a process variable's metric, its factor and its labels; None if it is no number that counts."""
    source = pv.source
    if pv.record in ("waveform", "stringin", "stringout") or pv.role != "reading":
        return None
    if source.kind == "run" and not source.task:
        return (*metric_name("", OWN[pv.name], pv.unit), ()) if pv.name in OWN else None
    if source.kind == "run":
        known = OF_TASK.get(source.name)
        return (*metric_name("task", known, pv.unit), (("task", source.task),)) if known else None
    if source.kind != "report" or source.name in LEFT_OUT:
        return None
    scope = _SCOPES[len(source.index)]
    own = REPORTS.get(source.name) or source.name.removeprefix(f"{scope}_")
    return (*metric_name(scope, own, pv.unit), tuple(_labels(pv)))


def _labels(pv: PvInfo) -> Iterator[tuple[str, str]]:
    source = pv.source
    yield "task", source.task
    yield from zip(_SCOPES[1:], map(str, source.index), strict=False)
    if source.number is not None:
        yield "number", str(source.number + 1)


def _samples(pv: PvInfo, labels: Labels, factor: float) -> Iterator[Sample]:
    """One, or one for each of more than two states."""
    if len(pv.labels) > 2:
        for state, label in enumerate(pv.labels):
            yield Sample(pv.name, (*labels, ("state", label)), 1, state)
    else:
        yield Sample(pv.name, labels, factor)
