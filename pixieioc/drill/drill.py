"""One round after the other: a run, a fault in it at a random moment, what must hold then, and a next run."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

import psutil

from pixieioc.drill.faults import Fault, Outcome
from pixieioc.drill.files import Files, how_it_ended
from pixieioc.drill.table import Table

#: What messages and a busy computer may take on top of what a rule says, in seconds, unless another time is given.
SLACK = 1.0
#: HangTimeout of all tasks while one may hang, in seconds, and what finding out may take; the slack is on top of both.
_HANG_TIMEOUT, _NOTICED = 1.0, 2.5
#: Otherwise it is as configured: on a busy computer a task that is well may get no processor for that long.
_MAY_HANG = (Outcome.HANGS, Outcome.PASSES)
_ECA_TIMEOUT = 80
_MAJOR = 2


class Client(Protocol):
    """A Channel Access client of the IOC, which names process variables without the prefix."""

    def get(self, name: str, timeout: float = ...) -> Any:
        """The value: an enum's label, a text, a number."""
        ...

    def severity(self, name: str) -> int:
        """0 for no alarm, 2 for MAJOR."""
        ...

    def put(self, name: str, value: Any, timeout: float = ...) -> None:
        """A put with callback."""
        ...

    def put_later(self, name: str, value: Any, timeout: float = ...) -> Future[None]:
        """A put with callback that completes later."""
        ...

    def until(self, name: str, wanted: Any, seconds: float = ...) -> Any:
        """Waits until a process variable has a value, or one for which `wanted` is true; AssertionError otherwise."""
        ...


class Violation(Exception):
    """Something that must hold did not."""


class Unfit(Exception):
    """An IOC that must not, or cannot, be drilled."""


def row_of(fault: Fault, stop: bool) -> str:
    """The name of a fault's row in the table."""
    return f"{fault.name}{', with a Stop' if stop else ''}"


class Drill:
    """An IOC in simulation, on this computer."""

    def __init__(self, client: Client, seed: int, slack: float = SLACK) -> None:
        """Raises Unfit that says why this IOC is none for a drill."""
        self._client = client
        self._random = random.Random(seed)
        if client.get("SimMode_RBV") != "Simulation":
            raise Unfit("the source of this IOC is hardware: a drill kills tasks in the middle of runs")
        if client.get("IOC:HOSTNAME") != os.uname().nodename:
            raise Unfit(f"the IOC is on {client.get('IOC:HOSTNAME')}: a drill must be on its computer")
        if client.get("Acquire_RBV") != "Done":
            raise Unfit(f"a run is in progress: {client.get('StatusMessage_RBV')}")
        self.tasks = str(client.get("Tasks_RBV")).split(",")
        self._stop_timeout = float(client.get("StopTimeout_RBV"))
        self._slack, self._hang_timeout = slack, _HANG_TIMEOUT + slack
        self._noticed = _NOTICED + slack
        self._bound = self._stop_timeout + 2 + slack
        self._ioc = psutil.Process(int(client.get("IOC:PROCESS_ID")))
        self._files = Files(Path(str(client.get("FilePath"))))
        self.table = Table()

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        """Meanwhile, runs have no preset; the settings are as before afterwards."""
        settings: dict[str, Any] = {"PresetMode": "No preset", "PresetReal": 0.2}
        self._hang_timeouts = {
            f"{task}:HangTimeout": float(self._client.get(f"{task}:HangTimeout")) for task in self.tasks
        }
        before = {name: self._client.get(name) for name in settings} | self._hang_timeouts
        try:
            for name, value in settings.items():
                self._client.put(name, value)
            self._next_run()
            self._processes = len(self._ioc.children(recursive=True))
            yield
        finally:
            for name, value in before.items():
                self._client.put(name, value)

    def _limit_hangs(self, fault: Fault) -> None:
        """Has tasks that hang killed soon if this fault may come to that."""
        for name, configured in self._hang_timeouts.items():
            wanted = self._hang_timeout if fault.outcome in _MAY_HANG else configured
            if self._client.get(name) != wanted:
                self._client.put(name, wanted)

    def round(self, fault: Fault, task: str, *, stop: bool) -> None:
        """One fault; what does not hold is noted in the table, and the next round can begin."""
        seen = self.table.row(row_of(fault, stop))
        seen.rounds += 1
        try:
            self._round(fault, task, stop, seen.told, seen.answered)
        except (Violation, AssertionError, psutil.Error) as violation:
            seen.violations.append(f"{task}: {violation}")
            self._client.put_later("Kill", 1).exception(self._bound)
            with contextlib.suppress(Violation):
                self._next_run()

    def _round(self, fault: Fault, task: str, stop: bool, told: list[float], answered: list[float]) -> None:
        client, pids = self._client, self._pids()
        self._limit_hangs(fault)
        client.put("PresetMode", "No preset")
        puts = [client.put_later("Acquire", 1, 120.0)]
        client.until("DetectorState_RBV", "Acquire", 20 + self._slack)
        client.until(f"{self.tasks[0]}:Counter_RBV", lambda count: count > 0, 20 + self._slack)
        time.sleep(self._random.random())  # the random moment: nothing is waited for
        fault.do(task, pids[task], self._random.random())
        began = time.monotonic()
        if stop:
            time.sleep(0.3 * self._random.random())
            puts.append(client.put_later("Stop", 1, 60.0))
            self._undo(fault, pids[task])
        elif fault.outcome is Outcome.ENDS:
            client.until(f"{task}:ERROR", "ERROR", 1 + self._slack)
            told.append(time.monotonic() - began)
        elif fault.outcome is not Outcome.HANGS:
            self._undo(fault, pids[task])
            time.sleep(1)  # in which it would show
            if fault.outcome is Outcome.PASSES:
                self._expect(client.get("Acquire_RBV") == "Acquiring", lambda: f"the run ended: {self._why()}")
            puts.append(client.put_later("Stop", 1, 60.0))
            began = time.monotonic()
        elif not stop:
            client.until(f"{task}:ERROR", "ERROR", self._hang_timeout + self._noticed)
            told.append(time.monotonic() - began)
        noticed = self._hang_timeout + self._noticed if fault.outcome is Outcome.HANGS and not stop else 0.0
        try:
            self._answers(puts, began + self._bound + noticed)
        finally:
            if fault.lift is not None:
                fault.lift(pids[task])
        answered.append(time.monotonic() - began)
        self._check(task, pids, fault, stop)

    def _undo(self, fault: Fault, pid: int) -> None:
        """Lets what can be undone last for a while, which is short enough for a Stop to wait for it."""
        if fault.undo is not None:
            time.sleep(min(0.2 + 1.3 * self._random.random(), self._stop_timeout / 2))
            fault.undo(pid)

    def _check(self, task: str, pids: dict[str, int], fault: Fault, stop: bool) -> None:
        failed = self._client.get("DetectorState_RBV") == "Error"
        self._check_end(task, fault, stop, failed=failed)
        self._check_others(task)
        self._conserved()
        for text in self._files.wrong():
            raise Violation(text)
        self._recorded(failed)
        self._next_run()
        self._check_processes(task, pids)

    def _check_end(self, task: str, fault: Fault, stop: bool, *, failed: bool) -> None:
        """The run has ended as the fault wants it, with an error of this task if it has failed."""
        client = self._client
        self._expect(client.get("Acquire_RBV") == "Done", lambda: "Acquire_RBV is not Done after its put was answered")
        self._expect(client.get("IOC:ERROR") == "OK", lambda: f"IOC:ERROR: {client.get('IOC:ErrorMessage_RBV')}")
        must_fail = (fault.outcome is Outcome.HANGS and not (stop and fault.late)) or (
            fault.outcome is Outcome.ENDS and not stop
        )
        self._expect(failed or not must_fail, lambda: f"the run ended well: {self._why()}")
        self._expect(not failed or fault.outcome is not Outcome.PASSES, lambda: f"it failed: {self._why()}")
        if failed:
            first = client.get("ErrorFirst_RBV")
            self._expect(first == task, lambda: f"ErrorFirst_RBV names {first!r}")
            self._expect(client.severity(f"{task}:ERROR") == _MAJOR, lambda: f"{task}:ERROR is not MAJOR")

    def _check_others(self, task: str) -> None:
        """Healthy tasks were left alone."""
        for other in self.tasks:
            status = self._client.get(f"{other}:Status") if other != task else ""
            self._expect(status != "LOST", lambda other=other: f"{other} was killed, too: {self._why()}")

    def _check_processes(self, task: str, pids: dict[str, int]) -> None:
        """After the next run: at most this task has a new process, and there are as many as before."""
        now = self._pids()
        changed = [other for other in self.tasks if other != task and now[other] != pids[other]]
        self._expect(not changed, lambda: f"{', '.join(changed)} got new processes, too")
        if now[task] != pids[task]:
            self._expect(not psutil.pid_exists(pids[task]) or _is_zombie(pids[task]), lambda: f"{task} still lives")
        found = sum(not _is_zombie(process.pid) for process in self._ioc.children(recursive=True))
        self._expect(found == self._processes, lambda: f"{found} processes, {self._processes} before")

    def _conserved(self) -> None:
        """Along each link of the chain: what was sent has been handled, was dropped, or is missing and told so."""
        client = self._client
        for before, behind in zip(self.tasks, self.tasks[1:], strict=False):
            if "LOST" in (client.get(f"{before}:Status"), client.get(f"{behind}:Status")):
                continue  # its last word may be half a second old
            sent = client.get(f"{before}:REPORT:MessagesOut_RBV")
            handled, missing = client.get(f"{behind}:Counter_RBV"), client.get(f"{behind}:Balance_RBV")
            dropped = client.get(f"{behind}:Dropped_RBV")
            text = f"{before} sent {sent} items, {behind} handled {handled}, dropped {dropped}, misses {missing}"
            self._expect(handled + missing <= sent <= handled + missing + dropped, lambda text=text: text)

    def _recorded(self, failed: bool) -> None:
        """The sidecars of the run's raw files say how it ended."""
        run, ended = self._client.get("RunId_RBV"), (self._client.get("RunEndReason_RBV"), not failed)
        for sidecar in (path for path, about in self._files.sidecars.items() if about.get("run_id") == run):
            found = how_it_ended(sidecar, ended)
            text = f"{sidecar} says {found} of a run that ended {ended}"
            self._expect(found == ended, lambda text=text: text)

    def _next_run(self) -> None:
        """A good run, without anybody having to do anything first."""
        client = self._client
        client.put("PresetMode", "Real time")
        run = client.get("RunId_RBV")
        error = client.put_later("Acquire", 1, 120.0).exception(60)
        state = client.get("DetectorState_RBV")
        self._expect(error is None and state == "Idle", lambda: f"the next run: {self._why()}")
        self._expect(client.get("RunId_RBV") > run, lambda: f"RunId_RBV is still {run}")
        self._expect(client.get(f"{self.tasks[-1]}:Counter_RBV") > 0, lambda: "the next run has no data")
        client.put("ErrorAck", 1)

    def _answers(self, puts: Sequence[Future[None]], due: float) -> None:
        for put in puts:
            try:
                error = put.exception(max(0.0, due - time.monotonic()))
            except TimeoutError:
                raise Violation(f"a put was not answered in time: {self._client.get('StatusMessage_RBV')}") from None
            self._expect(getattr(error, "code", 0) != _ECA_TIMEOUT, lambda: "a put was not answered at all")

    def _pids(self) -> dict[str, int]:
        return {task: int(self._client.get(f"{task}:ProcessId_RBV")) for task in self.tasks}

    def _why(self) -> str:
        said = (self._client.get(name) for name in ("RunEndReason_RBV", "ErrorFirstMessage_RBV", "CmdMessage_RBV"))
        return ", ".join(repr(text) for text in said)

    @staticmethod
    def _expect(holds: bool, text: Callable[[], str]) -> None:
        if not holds:
            raise Violation(text())


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
