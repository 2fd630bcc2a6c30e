"""What run control must know of the pipeline: its state as a whole, and how far the tasks are with a run."""

from __future__ import annotations

import time
from collections.abc import Callable

from pixieioc.ioc import run_events as ev
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.records import MINOR, Pvs
from pixieioc.ioc.run import Run
from pixieioc.ioc.run_events import Event
from pixieioc.ioc.run_state import MachineState, Phase

#: How long the tasks may take to report that they are WAITING again after a run, in seconds.
_SETTLE = 1.0


class RunObserver:
    """Looks at the pipeline after each burst of messages, and now and then; `feed` gets what the machine must know."""

    def __init__(
        self, pvs: Pvs, machine: MachineState, feed: Callable[[Event], None], pipeline: LivePipeline, source: str
    ) -> None:
        self._pvs = pvs
        self._machine = machine
        self._feed = feed
        self._pipeline = pipeline
        self._source = source
        self._at_rest_since: float | None = None
        self._dying_since: float | None = None

    def show(self) -> None:
        """Posts the state of the pipeline."""
        now, status = time.monotonic(), self._pipeline.status.name if self._pipeline.processes else "UNKNOWN"
        if status != "DYING":
            self._dying_since = None
        elif self._dying_since is None:
            self._dying_since = now
        limit = self._machine.options.stop_timeout / 2
        late = self._dying_since is not None and now - self._dying_since > limit
        self._pvs.post_with("State_RBV", status, MINOR if late else None)

    def observe(self, *, saving: bool, reached: Callable[[Run], bool]) -> None:
        """Has the machine know when the source has ended, and when all tasks are at rest.

        `saving`: tasks write files; `reached` says whether the run has what it was preset to have.
        """
        machine, run = self._machine, self._machine.run
        if run is None or machine.phase not in (Phase.RUNNING, Phase.ENDING):
            self._at_rest_since = None
            return
        source = self._pipeline.processes.get(self._source)
        if run.began is not None and run.source_ended is None and source is not None and source.finished:
            self._feed(ev.SourceDone(run.id, saving, reached(run)))
        if not (machine.awaits_rest and self._pipeline.at_rest):
            self._at_rest_since = None
            return
        now = time.monotonic()
        self._at_rest_since = now if self._at_rest_since is None else self._at_rest_since
        if self._settled() or now - self._at_rest_since >= _SETTLE:
            self._feed(ev.AtRest(run.id, next(iter(self._pipeline.errors), None)))

    def _settled(self) -> bool:
        return all(m.failed or m.reports["status"] == "WAITING" for m in self._pipeline.processes.values())
