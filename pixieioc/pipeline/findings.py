"""What is wrong with the values of parameters, as plain data, and as sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a task's parameter, or with the task's table as a whole if `name` is empty."""

    task: str
    name: str
    text: str  #: what follows the name in a sentence

    def __str__(self) -> str:
        return f"{named([self.task], self.name)}{self.text}"


def named(tasks: Iterable[str], name: str) -> str:
    """A parameter of one or several tasks in a sentence: `A.gain, B.gain and C.gain`."""
    *others, last = (f"{task}.{name}" if name else task for task in tasks)
    return f"{', '.join(others)} and {last}" if others else last


def merged(findings: Iterable[Finding]) -> list[tuple[Finding, str]]:
    """The findings with their sentences; where the same is wrong in several tasks, one sentence names all of them."""
    same: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        alone = "" if finding.name else finding.task
        same.setdefault((finding.name, finding.text, alone), []).append(finding)
    return [(group[0], _sentence(group)) for group in same.values()]


def sentences(findings: Iterable[Finding]) -> list[str]:
    """The same without the findings."""
    return [sentence for _, sentence in merged(findings)]


def _sentence(same: Sequence[Finding]) -> str:
    return f"{named(dict.fromkeys(each.task for each in same), same[0].name)}{same[0].text}"
