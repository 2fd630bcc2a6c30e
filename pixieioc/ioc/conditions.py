"""The conditions of a run: a site's own process variables, read at its start and end and while it goes on.

Nobody waits for them: a start takes what is known and asks anew; an answer comes when it comes, or is said to miss.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from pixieioc.config import ConditionsTable, ConfigError
from pixieioc.ioc.condition_archive import ConditionArchive, NamedBy
from pixieioc.ioc.records import Pvs
from pixieioc.ioc.worker import Worker
from pixieioc.site_pvs import OK, Reading, SiteClient, Tally, parse
from pixieioc.tasks.sidecar import Condition

#: How long a process variable may take to answer at the start of a run, while that goes on, and at its end, which waits
#: for it; in seconds.
START_WAIT, END_WAIT = 5.0, 0.05
_UNANSWERED = "it did not answer within {:g} s; this is what was known before"
#: Lines that wait for the disk at most; what comes while there are more is left out, and counted.
_BEHIND = 10_000


#: By protocol, the package that reads and the extra that it comes with.
_READERS = {"ca": ("aioca", "conditions"), "pva": ("p4p", "pva")}


def check_reading(table: ConditionsTable) -> None:
    """ConfigError if there is not what reads the conditions."""
    for protocol in dict.fromkeys(parse(name).protocol for name in table.pvs):
        package, extra = _READERS[protocol]
        if find_spec(package) is None:
            raise ConfigError(
                f"run.conditions.pvs: {protocol}:// needs the package {package}: pip install 'pixieioc[{extra}]'"
            )


@dataclass(eq=False)
class _OfRun:
    """What is known of the conditions in a run."""

    id: int
    archive: ConditionArchive
    start: list[Reading]
    end: list[Reading] | None = None
    unanswered: set[int] = field(default_factory=set[int])
    tallies: list[Tally] = field(default_factory=list[Tally])
    waiting: int = 0  #: lines on their way to the file
    left_out: int = 0


class Conditions:
    """Those that are configured; without any it does nothing, and there is no process that reads."""

    def __init__(self, pvs: Pvs, table: ConditionsTable, folder: Path, worker: Callable[[str], Worker]) -> None:
        self._pvs, self._table, self._folder = pvs, table, folder
        self._worker = worker("pixieioc conditions")
        self._client = SiteClient(table.pvs, table.period, table.elements, self._take) if table.pvs else None
        self._run: _OfRun | None = None

    def begin(self) -> None:
        """Begins to read."""
        if self._client is not None:
            self._show()
            self._client.begin()

    async def end(self) -> None:
        """Ends the process that reads."""
        if self._client is not None:
            await self._client.end()
        self._worker.close()

    # -- a run --------------------------------------------------------------------------------------------------------

    def run_begins(self, run_id: int, named_by: NamedBy) -> None:
        """A run is accepted: what is known is what it begins with, until the answers come.

        `named_by` are the settings that name its files.
        """
        if self._client is None:
            return
        now = time.time()
        path = self._folder / f"conditions-{run_id:06d}.jsonl"
        limit = int(self._table.size * 1e6)
        archive = ConditionArchive(path, run_id, self._table.pvs, self._table.period, limit, now, named_by)
        run = self._run = _OfRun(run_id, archive, self._known(), tallies=[])
        run.tallies = [_held(reading) for reading in run.start]
        run.unanswered = {index for index, reading in enumerate(run.start) if reading.state == OK}
        self._keep(run, dict(enumerate(run.start)), always=True)

        def answered(index: int, reading: Reading) -> None:
            run.unanswered.discard(index)
            run.start[index] = _merged(run.start[index], reading, START_WAIT)

        self._client.ask(START_WAIT, answered)

    async def run_ends(self) -> None:
        """Asks for the last readings, and waits a little for those that are there."""
        run, client = self._run, self._client
        if run is None or client is None:
            return
        known = self._known()
        run.end = [each.unanswered(_UNANSWERED.format(END_WAIT)) if each.state == OK else each for each in known]
        missing = {index for index, reading in enumerate(known) if reading.state == OK}
        done = asyncio.get_running_loop().create_future()

        def answered(index: int, reading: Reading) -> None:
            if self._run is run and run.end is not None and not done.done():
                run.end[index] = _merged(known[index], reading, END_WAIT)
                missing.discard(index)
                if not missing:
                    done.set_result(None)

        client.ask(2 * END_WAIT, answered)
        if missing:
            await asyncio.wait([done], timeout=END_WAIT)
        if not done.done():
            done.set_result(None)
        run.start = [
            each.unanswered("it had not answered when the run ended") if index in run.unanswered else each
            for index, each in enumerate(run.start)
        ]
        self._keep(run, dict(enumerate(run.end)), always=True)

    def of_run(self) -> list[Condition]:
        """What the record of the run says of them, as far as that is known."""
        run = self._run
        return [] if run is None else [self._condition(run, index) for index in range(len(self._table.pvs))]

    def _condition(self, run: _OfRun, index: int) -> Condition:
        tally = run.tallies[index]
        return Condition(
            pv=self._table.pvs[index],
            start=run.start[index],
            end=None if run.end is None else run.end[index],
            updates=tally.updates,
            disconnections=tally.disconnections,
            minimum=tally.minimum,
            maximum=tally.maximum,
            mean=tally.mean,
            worst_severity=tally.worst,
        )

    async def archive_of_run(self) -> Path | None:
        """The file of the run that has ended, once it has all that came; the next run has another one."""
        run, self._run = self._run, None
        if run is None:
            return None
        await self._worker.do(lambda: None)  # behind what is on its way
        return run.archive.path if run.archive.path.exists() else None

    # -- what comes ---------------------------------------------------------------------------------------------------

    def _known(self) -> list[Reading]:
        """What is known just now; if the process that reads is silent, nobody knows whether it still holds."""
        assert self._client is not None
        silent = self._client.silent
        return [each.unanswered(silent) if silent and each.state == OK else each for each in self._client.latest]

    def _take(self, readings: dict[int, Reading], tallies: dict[int, Tally]) -> None:
        run = self._run
        if run is not None:
            for index, tally in tallies.items():
                run.tallies[index].add(tally)
            self._keep(run, readings)
        if readings:
            self._show()

    def _keep(self, run: _OfRun, readings: dict[int, Reading], *, always: bool = False) -> None:
        now = time.time()
        lines = [
            line
            for index, reading in readings.items()
            if (line := run.archive.line_of(index, reading, now, always=always)) is not None
        ]
        if run.waiting > _BEHIND:
            run.left_out += len(lines)
            return

        def written(_: asyncio.Future[None]) -> None:
            run.waiting -= len(lines)

        if lines:
            run.waiting += len(lines)
            self._worker.do(lambda: run.archive.write(lines)).add_done_callback(written)

    def _show(self) -> None:
        missing = [
            f"{name}: {reading.state}" + (f" ({reading.why})" if reading.why else "")
            for name, reading in zip(self._table.pvs, self._known(), strict=True)
            if reading.state != OK
        ]
        self._pvs.post("ConditionsMissing_RBV", len(missing))
        self._pvs.post("ConditionsMessage_RBV", "; ".join(missing)[:2000])


def _held(reading: Reading) -> Tally:
    """What a run begins with: a value that is there holds until the next one comes."""
    tally = Tally()
    if reading.state == OK:
        tally.note(reading)
        tally.updates = 0
    return tally


def _merged(known: Reading, answer: Reading, seconds: float) -> Reading:
    """The answer; if there is none in time, what was known, and that it is not certain."""
    if answer.state == OK or known.state != OK:
        return answer
    return known.unanswered(answer.why or _UNANSWERED.format(seconds)) if answer.state == "no answer" else answer
