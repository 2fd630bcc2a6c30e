"""The IOC that is tested: what is done to it, and what must be seen then, each noted for the report."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from pixieioc.conform.client import CaClient, NoAnswer, PutFailed
from pixieioc.conform.results import NotTried, Violation

#: ECA_PUTFAIL, and ECA_TIMEOUT of a put that nobody has answered.
PUTFAIL, TIMEOUT = 160, 80
#: Severities as Channel Access has them.
NO_ALARM, MINOR, MAJOR, INVALID = range(4)
_SEVERITIES = ("NO_ALARM", "MINOR", "MAJOR", "INVALID")
#: Seconds that the network and the computers may take on top of what a rule says, unless the site allows others.
SLACK = 1.0


@dataclass(frozen=True)
class Allowed:
    """What a site allows beyond puts: faults in the tasks' processes, a folder for raw files, and time."""

    faults: bool = False
    files: str = ""
    slack: float = SLACK  #: seconds that its network and computers may take on top of what a rule says


@dataclass
class Pending:
    """A put that has not been answered."""

    name: str
    future: Future[None]
    since: float


class Target:
    """An IOC with a prefix; `steps` is what was done and seen."""

    def __init__(self, client: CaClient, allowed: Allowed | None = None) -> None:
        self.client = client
        self.allowed = allowed or Allowed()
        self.prefix, self.slack = client.prefix, self.allowed.slack
        self.steps: list[str] = []
        self._there: dict[str, bool] = {}
        self.tasks = [name for name in str(client.get("Tasks_RBV")).split(",") if name]
        self.stop_timeout = float(client.get("StopTimeout_RBV"))
        self.watch = client.watch

    @property
    def source(self) -> str:
        """The first task of the chain."""
        return self.tasks[0]

    @property
    def sink(self) -> str:
        """The last task."""
        return self.tasks[-1]

    @property
    def bound(self) -> float:
        """Seconds within which every command is answered that ends something."""
        return self.stop_timeout + 2

    def note(self, step: str) -> None:
        """Puts a step into the report."""
        self.steps.append(step)

    def expect(self, holds: object, what: str) -> None:
        """Violation that says what must be true, if it is not."""
        if not holds:
            raise Violation(what)

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, name: str) -> Any:
        """The value of a process variable; Violation if it is not there."""
        try:
            return self.client.get(name)
        except NoAnswer as error:
            raise Violation(f"{self.prefix}{name} is not there: {error}") from None

    def has(self, name: str) -> bool:
        """Whether there is such a process variable."""
        if name not in self._there:
            try:
                self.client.get(name, self.slack)
                self._there[name] = True
            except NoAnswer:
                self._there[name] = False
        return self._there[name]

    def needs(self, *names: str) -> None:
        """NotTried if one of these is not there: the chain has no task for it."""
        if missing := [name for name in names if not self.has(name)]:
            raise NotTried(f"this chain has no {', '.join(missing)}")

    def reads(self, name: str, wanted: Any, severity: int | None = None, must: str = "") -> Any:
        """What a process variable reads now, which must be `wanted` (or that for which it is true, as `must` says)."""
        value = self.get(name)
        self.note(f"{name} reads {_shown(value)}")
        self.expect(_holds(wanted, value), f"{name} reads {_shown(value)}{_must(wanted, must)}")
        if severity is not None:
            found = self.client.severity(name)
            said = f"{name} has severity {_SEVERITIES[found]}, must have {_SEVERITIES[severity]}"
            self.expect(found == severity, said)
        return value

    def becomes(self, name: str, wanted: Any, within: float, must: str = "") -> Any:
        """Waits until a process variable is `wanted`; Violation if it is not `within` seconds."""
        began = time.monotonic()
        try:
            value = self.client.until(name, wanted, within)
        except (AssertionError, NoAnswer):
            raise Violation(f"{name} reads {_shown(self.get(name))} after {within:g} s{_must(wanted, must)}") from None
        self.note(f"{name} reads {_shown(value)} after {time.monotonic() - began:.2f} s")
        return value

    # -- writing ------------------------------------------------------------------------------------------------------

    def begin(self, name: str, value: Any) -> Pending:
        """A put with callback whose answer is waited for later."""
        self.note(f"caput -c {name} {value!r}")
        return Pending(name, self.client.put_later(name, value, 120.0), time.monotonic())

    def answered(self, pending: Pending, within: float, *, failing: bool | None = False) -> float:
        """The answer to a put; it must come in time and be good, or bad if `failing` (None: either). Its seconds."""
        try:
            pending.future.result(within)
            failed = False
        except PutFailed as error:
            if error.code == TIMEOUT:
                raise Violation(f"the put of {pending.name} was not answered in 120 s") from None
            failed = True
        except TimeoutError:
            raise Violation(f"the put of {pending.name} was not answered within {within:g} s") from None
        took = time.monotonic() - pending.since
        self.note(f"{pending.name}: {'failed' if failed else 'answered'} after {took:.2f} s")
        if failing is not None and failed != failing:
            why = f": {self.get('CmdMessage_RBV')}" if failed else ", it must fail"
            raise Violation(f"the put of {pending.name} {'has failed' if failed else 'was answered as good'}{why}")
        return took

    def put(self, name: str, value: Any, within: float | None = None) -> float:
        """A put with callback, which must succeed; the seconds until its answer."""
        return self.answered(self.begin(name, value), self.bound + self.slack if within is None else within)

    def refused(self, name: str, value: Any) -> str:
        """A put that must be refused at once; the reason that the IOC gives."""
        took = self.answered(self.begin(name, value), 10 + self.slack, failing=True)
        self.expect(took < 2 * self.slack, f"the refusal took {took:.1f} s, it must come at once")
        self.reads("CmdStatus_RBV", "Refused")
        return str(self.reads("CmdMessage_RBV", lambda text: text != ""))

    # -- runs ---------------------------------------------------------------------------------------------------------

    def run_for(self, seconds: float) -> None:
        """The next run has this real-time preset; 0: none."""
        self.put("PresetMode", "Real time" if seconds else "No preset")
        if seconds:
            self.put("PresetReal", seconds)

    def start(self) -> Pending:
        """Starts a run that is then going on, with data."""
        pending = self.begin("Acquire", 1)
        self.becomes("Acquire_RBV", "Acquiring", self.slack)
        self.becomes("DetectorState_RBV", "Acquire", 10 + self.slack)
        self.becomes(f"{self.source}:Counter_RBV", lambda count: count > 0, 10 + self.slack)
        return pending

    def stop(self, pending: Pending) -> None:
        """Ends a run well."""
        self.put("Stop", 1)
        self.answered(pending, self.slack)

    # -- faults -------------------------------------------------------------------------------------------------------

    def needs_faults(self) -> None:
        """NotTried if faults are not allowed, or if the IOC is on another computer."""
        if not self.allowed.faults:
            raise NotTried("it needs a fault in a task: allow it with --faults, on the IOC's computer")
        if self.get("IOC:HOSTNAME") != socket.gethostname():
            raise NotTried(f"the IOC is on {self.get('IOC:HOSTNAME')}, its processes cannot be reached")

    def signal(self, task: str, number: signal.Signals) -> None:
        """Sends a signal to a task's process, if that may be."""
        self.needs_faults()
        pid = int(self.get(f"{task}:ProcessId_RBV"))
        self.note(f"{number.name} to {task}, process {pid}")
        try:
            os.kill(pid, number)
        except OSError as error:
            raise NotTried(f"process {pid} of {task}: {error.strerror}") from None

    @contextlib.contextmanager
    def set_to(self, **values: Any) -> Iterator[None]:
        """Settings that are so meanwhile."""
        before = {name: self.get(name) for name in values}
        try:
            for name, value in values.items():
                self.put(name, value)
            yield
        finally:
            for name, value in before.items():
                self.client.put(name, value)


def _holds(wanted: Any, value: Any) -> bool:
    return bool(wanted(value)) if isinstance(wanted, Callable) else bool(wanted == value)


def _must(wanted: Any, must: str) -> str:
    return f", must be {must or ('something else' if callable(wanted) else _shown(wanted))}"


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, int | float) else str(value)
