"""A real chain of processes, which records what its tasks report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
        """Keeps errors in `heard_errors`."""
        self.heard_errors.append((name, err))

    def handle_print(self, name: str, string: str) -> None:
        """Keeps printed lines in `heard_prints`."""
        self.heard_prints.append((name, string))

    def handle_starting(self, name: str, what: str) -> None:
        """Keeps what takes long in `heard_starting`."""
        self.heard_starting.append((name, what))

    def handle_report(self, name: str, report: dict[str, Any]) -> None:
        """Keeps reports, with the time, in `heard_reports`."""
        self.heard_reports.append((time.monotonic(), name, dict(report)))

    def until(self, done: Callable[[], bool], seconds: float = 60.0) -> None:
        """Handles messages until something holds; fails if that takes too long."""
        self.follow(_once(Wait(done, seconds)))
        assert done()

    def chain_of(self, *names: str) -> None:
        """Makes tasks and connects them in that order."""
        self.follow(self.creating(names))
        self.connect(list(names))

    def run_through(self, seconds: float = 60.0) -> None:
        """Starts a run and waits for its end, which must be a good one."""
        self.start()
        self.wait(seconds)
        assert self.at_rest
        assert [str(error) for error in self.errors] == []

    def reported(self, name: str, report: str) -> Any:
        """The latest value that a task has reported."""
        return self.processes[name].reports[report]


@contextmanager
def chain(*names: str, settings: Mapping[str, Mapping[str, Any]] | None = None) -> Iterator[Recorder]:
    """A pipeline whose tasks, by class name, are connected in this order, configured, and ready for `run_through()`."""
    with Recorder({name: dict(values) for name, values in (settings or {}).items()}) as made:
        made.chain_of(*names)
        yield made


def _once(step: Wait) -> Procedure[None]:
    yield step
