"""The runs of a soak, and what must hold after each."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import psutil
import pyarrow.parquet as pq

from pixieioc.drill.files import Files
from tests.ca_client import PutFailed
from tests.running_ioc import Ioc
from tests.system.rounds import BOUND, answered, conserved, expect, next_run
from tests.system.soak.settings import LIVE, SETTINGS

#: How long a run lasts, in seconds, and how often that is drawn.
_LENGTHS = (((0.1, 2.0), 5), ((2.0, 10.0), 4), ((10.0, 60.0), 1))
#: How long one lasts while what fills up with every run is to fill up.
_QUICK = (((0.1, 0.3), 1),)
#: How a run ends, and how often that is drawn.
_ENDS = {"time": 5, "events": 2, "stop": 6, "abort": 2, "task killed": 1.2, "Kill": 0.2}
_KILLS = ("task killed", "Kill")
#: In so many seconds the source of this IOC makes more than the 2 MiB of a block.
_STALL = 5.0


@dataclass
class Totals:
    """What was seen in all runs together."""

    runs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_ENDS, 0))
    settings: int = 0
    events: int = 0
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list[str])


class Runs:
    """One after the other."""

    def __init__(self, ioc: Ioc, choice: random.Random) -> None:
        self._ioc, self._choice = ioc, choice
        self._tasks = ioc.tasks()
        self._run_id = int(ioc.get("RunId_RBV"))
        self.totals = Totals()
        self.what = ""  #: what the present run is

    def one(self, *, kills: bool, quick: bool) -> None:
        """Settings, a run that ends in one of the ways (such as tasks killed, if `kills`), and what must hold then."""
        ends = {how: weight for how, weight in _ENDS.items() if kills or how not in _KILLS}
        [how] = self._choice.choices(list(ends), list(ends.values()))
        lengths = _QUICK if quick else _LENGTHS
        [(low, high)] = self._choice.choices([each for each, _ in lengths], [weight for _, weight in lengths])
        self._one(how, self._choice.uniform(low, high), self._wait)

    def largest_blocks(self) -> None:
        """A run in which the task that makes blocks of words stands still, until they are as large as they may be."""
        self._one("time", _STALL + 2.0, self._stall)

    def _one(self, how: str, seconds: float, meanwhile: Callable[[Future[None], float], None]) -> None:
        self.what = f"run {self._run_id + 1}, {how}, {seconds:.1f} s"
        self.totals.runs[how] += 1
        self._write_settings()
        files = Files(self._ioc.folder / "raw")
        try:
            self._run(how, seconds, meanwhile)
        except PutFailed as error:
            expect(how in ("abort", *_KILLS), f"a run by {how} failed: {error}, {self._why()}")
        self._run_id += 1
        found = int(self._ioc.get("RunId_RBV"))
        expect(found == self._run_id, f"RunId_RBV is {found} rather than {self._run_id}")
        for text in files.wrong():
            expect(False, text)
        if how in _KILLS:
            self._after_kill(how)
        else:
            self._check(how)

    def forget(self) -> None:
        """What was written is removed, and the next run has this number and one more."""
        for file in (*self._ioc.folder.glob("raw/*"), *self._ioc.folder.glob("events/*")):
            file.unlink(missing_ok=True)
        self._run_id = int(self._ioc.get("RunId_RBV"))

    def _write_settings(self) -> None:
        for name in self._choice.sample(list(SETTINGS), 3):
            value = SETTINGS[name](self._choice)
            self._ioc.put(name, value)
            found = self._ioc.get(f"{name}_RBV")
            expect(found == value, f"{name}_RBV is {found!r}, {value!r} was written")
            self.totals.settings += 1
        expect(self._ioc.get("Ready_RBV") == "Yes", f"not ready: {self._ioc.get('ReadyMessage_RBV')}")

    def _write_live(self) -> None:
        name = self._choice.choice(list(LIVE))
        self._ioc.put(name, LIVE[name](self._choice))
        self.totals.settings += 1

    def _run(self, how: str, seconds: float, meanwhile: Callable[[Future[None], float], None]) -> None:
        preset = {
            "time": ("Real time", "PresetReal", seconds),
            "events": ("Events", "PresetEvents", int(200 * seconds)),
        }
        mode, name, value = preset.get(how, ("No preset", "PresetReal", 1.0))
        self._ioc.put("PresetMode", mode)
        self._ioc.put(name, value)
        began = time.monotonic()
        run = self._ioc.put_later(self._choice.choice(("Acquire", "Acquire", "EraseStart")), 1, 600)
        meanwhile(run, began + (seconds if how not in preset else 20 * seconds + 60))
        if how not in preset:
            expect(not run.done(), f"the run ended by itself: {self._why()}")
            self._end(how)
        error = answered(run)
        self.totals.seconds += time.monotonic() - began
        if error is not None:
            raise error

    def _wait(self, run: Future[None], until: float) -> None:
        """Meanwhile, settings are written that can be written in a run."""
        while not run.done() and (left := until - time.monotonic()) > 0:
            try:
                run.exception(min(left, self._choice.uniform(0.5, 5.0)))
            except TimeoutError:
                self._write_live()

    def _stall(self, run: Future[None], until: float) -> None:
        self._ioc.until("GatherData:Status", "RUNNING", 10)
        task = psutil.Process(self._ioc.pid_of("GatherData"))
        task.suspend()
        with contextlib.suppress(TimeoutError):
            run.exception(_STALL)
        task.resume()
        self._wait(run, until)

    def _end(self, how: str) -> None:
        if how == "task killed":
            victim = self._choice.choice(self._tasks)
            os.kill(self._ioc.pid_of(victim), signal.SIGKILL)
            self._ioc.until(f"{victim}:ERROR", "ERROR", 3)
            return
        command = {"stop": self._choice.choice((("Stop", 1), ("Acquire", 0))), "abort": ("Abort", 1)}.get(how, (how, 1))
        answered(self._ioc.put_later(*command, 60), BOUND + 10)

    def _why(self) -> str:
        names = "CmdMessage_RBV", "RunEndReason_RBV", "ErrorFirst_RBV", "ErrorFirstMessage_RBV", "IOC:ErrorMessage_RBV"
        return ", ".join(repr(self._ioc.get(name)) for name in names)

    def _after_kill(self, how: str) -> None:
        """What was complete has been checked; a good run comes next, without anybody having to do anything."""
        if how == "Kill":  # the tasks are gone: the next start makes new ones
            expect(self._ioc.get("IOC:ERROR") == "OK", self._why())
        next_run(self._ioc)

    def _check(self, how: str) -> None:
        """Each event that was made is in each task's count and in the files, or in one of the counts of losses."""
        ioc, folder = self._ioc, self._ioc.folder
        state = ioc.get("DetectorState_RBV")
        expect(state == ("Aborted" if how == "abort" else "Idle"), f"{how}: {state}, {self._why()}")
        expect(ioc.get("IOC:ERROR") == "OK", self._why())
        conserved(ioc)
        made, words = int(ioc.get("DummyData:REPORT:EventsMade_RBV")), int(ioc.get("DummyData:REPORT:WordsMade_RBV"))
        raw, events = list(folder.glob("raw/*.bin")), list(folder.glob("events/*.parquet"))
        written = sum(file.stat().st_size for file in raw)
        rows = sum(pq.ParquetFile(file).metadata.num_rows for file in events)
        lost = int(ioc.get("WriteEvents:REPORT:EventsNotWritten_RBV"))
        counts = {task: int(ioc.get(f"{task}:Events_RBV")) for task in self._tasks[2:]}
        unfinished = [*folder.glob("raw/*.part*"), *folder.glob("events/*.part*")]
        seen = f"{how}: {made} events, {counts}, {rows} in files, {lost} not; {4 * words} bytes, {written} in files"
        expect(not unfinished, f"{how}: {unfinished} were not completed")
        expect(rows == counts["WriteEvents"] - lost, seen)
        if how != "abort":
            expect({made, rows} | set(counts.values()) == {made}, seen)
            expect(written == 4 * words == int(ioc.get("BytesWritten_RBV")), seen)
            expect(not any(ioc.get(f"{task}:Dropped_RBV") for task in self._tasks), f"{how}: something was dropped")
        self.totals.events, self.totals.bytes = self.totals.events + rows, self.totals.bytes + written
        self.totals.files += len(raw) + len(events)
