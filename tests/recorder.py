"""A pipeline for tests, which records what it hears."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pixieioc.pipeline import Error, Pipeline
from pixieioc.pipeline.procedure import Procedure, Wait


class Recorder(Pipeline):
    """A pipeline that remembers all that its handlers are told."""

    def __init__(self, task_kwargs: dict[str, Any] | None = None) -> None:
        super().__init__(task_kwargs)
        self.heard_errors: list[tuple[str, Error]] = []
        self.heard_prints: list[tuple[str, str]] = []
        self.heard_starting: list[tuple[str, str]] = []
        self.heard_reports: list[tuple[float, str, dict[str, Any]]] = []

    def handle_error(self, name: str, err: Error) -> None:
        self.heard_errors.append((name, err))

    def handle_print(self, name: str, string: str) -> None:
        self.heard_prints.append((name, string))

    def handle_starting(self, name: str, what: str) -> None:
        self.heard_starting.append((name, what))

    def handle_report(self, name: str, report: dict[str, Any]) -> None:
        self.heard_reports.append((time.monotonic(), name, dict(report)))

    def until(self, done: Callable[[], bool], seconds: float = 10.0) -> None:
        """Handles messages until something holds; fails if that takes too long."""
        self.follow(_once(Wait(done, seconds)))
        assert done()

    def chain_of(self, *names: str) -> None:
        """Makes tasks and connects them in that order."""
        self.follow(self.creating(names))
        self.connect(list(names))

    def run_through(self, seconds: float = 30.0) -> None:
        """Starts a run and waits for its end, which must be a good one."""
        self.start()
        self.wait(seconds)
        assert self.at_rest
        assert [str(error) for error in self.errors] == []

    def told(self, name: str, report: str) -> Any:
        """The latest value that a task has reported."""
        return self.processes[name].reports[report]


def _once(step: Wait) -> Procedure[None]:
    yield step
