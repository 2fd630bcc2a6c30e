"""What became of messages that tasks had to answer, where that was not what was asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unanswered:
    """Why a task has not done what a message asked for; `str()` is the sentence."""

    task: str
    why: str

    @classmethod
    def by(cls, task: str, why: str) -> Unanswered:
        """With the task's name once, also if what it says begins with it."""
        return cls(task, why.removeprefix(f"{task}: "))

    def __str__(self) -> str:
        return self.why if self.why.startswith(f"{self.task}.") else f"{self.task}: {self.why}"
