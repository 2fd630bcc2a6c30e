"""The conditions of a run: a site's own process variables, read at its start and end and while it goes on.

Nobody waits for them: a start takes what is known and asks again; an answer comes when it comes, or is said to miss.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from pixieioc.config import ConditionsTable, ConfigError
from pixieioc.counted import counted
from pixieioc.ioc.condition_archive import ConditionArchive, NamedBy
from pixieioc.ioc.conditions_of_run import END_WAIT, START_WAIT, ConditionsOfRun
from pixieioc.ioc.records import Pvs
from pixieioc.ioc.worker import Worker
from pixieioc.site_pvs import OK, Reading, SiteClient, Tally, parse
from pixieioc.tasks.sidecar import Condition

#: Lines that wait for the disk at most; what comes while there are more is left out, and counted.
_BEHIND = 10_000


#: By protocol, the package that reads and the extra that it comes with.
READERS = {"ca": ("aioca", "conditions"), "pva": ("p4p", "pva")}


def check_reading(table: ConditionsTable) -> None:
    """ConfigError if there is not what reads the conditions."""
    for protocol in dict.fromkeys(parse(name).protocol for name in table.pvs):
        package, extra = READERS[protocol]
        if find_spec(package) is None:
            raise ConfigError(
                f"run.conditions.pvs: {protocol}:// needs the package {package}: pip install 'pixieioc[{extra}]'"
            )


class _OfRun(NamedTuple):
    """A run: what is known of its conditions, their file, and lines that have to be written into it."""

    conditions: ConditionsOfRun
    archive: ConditionArchive
    lines: list[bytes]


class Conditions:
    """Those that are configured; without any it does nothing, and there is no process that reads."""

    def __init__(self, pvs: Pvs, table: ConditionsTable, folder: Path, worker: Callable[[str], Worker]) -> None:
        self._pvs, self._table, self._folder = pvs, table, folder
        self._worker = worker("pixieioc conditions")
        self._client = SiteClient(table.pvs, table.period, table.elements, self._take) if table.pvs else None
        self._run: _OfRun | None = None
        self._waiting = 0  # lines on their way to the file

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

    def unwritten(self) -> Iterator[str]:
        """What has not come to the file of the run, if there is anything."""
        if self._waiting:
            yield f"{counted(self._waiting, 'value')} of the run's conditions"

    # -- a run --------------------------------------------------------------------------------------------------------

    def run_begins(self, run_id: int, named_by: NamedBy) -> None:
        """A run is accepted: what is known is what it begins with, until the answers come.

        `named_by` are the settings that name its files.
        """
        if self._client is None:
            return
        now = time.time()
        limit = int(self._table.size * 1e6)
        lines: list[bytes] = []
        archive = ConditionArchive(self._folder, run_id, self._table.pvs, self._table.period, limit, now, named_by)

        def keep(index: int, reading: Reading, now: float, always: bool) -> None:
            if (line := archive.line_of(index, reading, now, always=always)) is not None:
                lines.append(line)

        run = ConditionsOfRun(self._table.pvs, self._known(), now, keep)
        self._run = _OfRun(run, archive, lines)
        self._client.ask(START_WAIT, run.start_answered, lambda: run.start_asked(self._known()))
        asyncio.get_running_loop().call_later(START_WAIT + 1.0, run.start_is_over)

    async def run_ends(self) -> None:
        """Asks for the last readings, and waits a little for those that are there."""
        run, client = self._run, self._client
        if run is None or client is None or run.conditions.is_finished:
            return
        answered = asyncio.Event()

        def note() -> None:
            if run.conditions.is_answered:
                answered.set()

        def on_answer(index: int, reading: Reading) -> None:
            run.conditions.end_answered(index, reading)
            note()

        def on_asked() -> None:
            run.conditions.end_asked(self._known())
            note()

        run.conditions.end_begins(self._known())
        client.ask(2 * END_WAIT, on_answer, on_asked)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(answered.wait(), END_WAIT)
        run.conditions.finish(time.time())
        self._write(run)

    def of_run(self) -> list[Condition]:
        """What the record of the run says of them, as far as that is known."""
        return [] if self._run is None else self._run.conditions.conditions()

    async def archive_of_run(self) -> ConditionArchive | None:
        """The file of the run that has ended, once it has all that came; the next run has another one."""
        run = self._run
        if run is None:
            return None
        await self._worker.do(lambda: None)  # behind what is on its way
        return run.archive

    # -- what comes ---------------------------------------------------------------------------------------------------

    def _known(self) -> list[Reading]:
        """What is known just now; if the process that reads is silent, nobody knows whether it still holds."""
        assert self._client is not None
        silent = self._client.silent
        return [each.unanswered(silent) if silent else each for each in self._client.latest]

    def _take(self, readings: dict[int, Reading], tallies: dict[int, Tally]) -> None:
        run = self._run
        if run is not None:
            run.conditions.news(readings, tallies, time.time())
            self._write(run)
        if readings:
            self._show()

    def _write(self, run: _OfRun) -> None:
        """Has the lines that have come written."""
        lines = run.lines.copy()
        run.lines.clear()
        if self._waiting > _BEHIND:
            run.archive.leave_out(len(lines))
            return

        def written(_: asyncio.Future[None]) -> None:
            self._waiting -= len(lines)

        if lines:
            self._waiting += len(lines)
            self._worker.do(lambda: run.archive.write(lines)).add_done_callback(written)

    def _show(self) -> None:
        missing = [
            f"{name}: {reading.state}" + (f" ({reading.why})" if reading.why else "")
            for name, reading in zip(self._table.pvs, self._known(), strict=True)
            if reading.state != OK
        ]
        self._pvs.post("ConditionsMissing_RBV", len(missing))
        self._pvs.post("ConditionsMessage_RBV", "; ".join(missing)[:2000])
