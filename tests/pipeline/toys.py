"""Small tasks for tests. Child processes import this module, so it holds nothing but tasks."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from pixieioc.pipeline import Error, Parameter, Report, Task


class ToySource(Task):
    """Sends numbered arrays: as many as it is told, or without end."""

    items = Parameter(10, low=0, doc="How many; 0: without end.")
    length = Parameter(100, low=0, high=10_000_000, doc="Length of each array.")
    pause = Parameter(0.0, unit="s", low=0, high=10, live=True, doc="Time between two items.")

    def do_start(self) -> None:
        self._next = 0

    def do_work(self, datum: Any) -> None:
        if self._next == self.items and self.items:
            self.finish()
            return
        self.send({"number": self._next, "array": np.full(self.length, self._next)})
        self._next += 1
        self.idle(self.pause)


class ToyFilter(Task):
    """Hands items on; fails, hangs, dies or is slow where it is told to."""

    fail_at = Parameter(-1, doc="Item at which it raises.")
    exit_at = Parameter(-1, doc="Item at which its process ends.")
    hang_at = Parameter(-1, doc="Item at which it goes on for ever.")
    delay = Parameter(0.0, unit="s", low=0, high=60, live=True, doc="Time that each item takes.")
    fail_start = Parameter(False, doc="Whether it cannot start.")
    refuse = Parameter(0, low=0, high=100, doc="13 is refused by the task itself.")
    talk = Parameter(False, doc="Whether it prints each number.")

    def do_configure(self, config: dict[str, Any]) -> None:
        if self.refuse == 13:
            raise Error("13 brings bad luck")

    def do_start(self) -> None:
        if self.fail_start:
            raise OSError("there is no tape in the drive")

    def do_work(self, datum: Any) -> None:
        number = datum["number"]
        if number == self.fail_at:
            raise ValueError(f"cannot work with item {number}")
        if number == self.exit_at:
            os._exit(3)
        if number == self.hang_at:
            while True:
                time.sleep(1)
        if self.delay:
            time.sleep(self.delay)
        if self.talk:
            print("item", number)
        self.send(datum)


class ToySink(Task):
    """Remembers the numbers of the items that came."""

    numbers = Report("", doc="The numbers, in the order in which they came.")
    total = Report(0, doc="Sum of all elements.")
    stopped = Report(False, doc="Whether do_stop was called.")

    def do_start(self) -> None:
        self.numbers, self.total, self.stopped = "", 0, False

    def do_work(self, datum: Any) -> None:
        self.numbers = f"{self.numbers} {datum['number']}".strip()
        self.total += int(datum["array"].sum())

    def do_stop(self) -> None:
        self.stopped = True


class ToyHog(Task):
    """Lets nothing else of its process run while it works: it holds Python's lock."""

    hog = Parameter(0.0, unit="s", low=0, high=60, doc="Time that each item takes.")

    def do_work(self, datum: Any) -> None:
        ctypes.PyDLL(None).usleep(int(1e6 * self.hog))


class ToyBeating(Task):
    """Takes long, and gives signs of life meanwhile."""

    work_time = Parameter(0.0, unit="s", low=0, high=60, doc="Time that each item takes.")

    def do_work(self, datum: Any) -> None:
        end = time.monotonic() + self.work_time
        while time.monotonic() < end:
            time.sleep(0.05)
            self.send_heart_beat()


class ToyNames(Task):
    """Has methods and attributes with the names of what drives it."""

    calls = Report("", doc="What its own methods were called for.")
    data_plane, out, loop, inbox = 1, 2, 3, 4

    def poll(self) -> None:
        raise AssertionError("nobody calls this one")

    begin = init = wait = poll

    def work(self) -> None:
        """Counts."""
        self._count += 1

    def stop(self) -> None:
        """Tells."""
        self.calls = f"{self._count} x work, then stop"

    def do_start(self) -> None:
        self._count = 0
        self.status_of, self._status, self._inbox, self._activity = {}, None, None, None

    def do_work(self, datum: Any) -> None:
        self.work()

    def do_stop(self) -> None:
        self.stop()


class ToyKeeper(Task):
    """Keeps what comes, as a file would, and hands it on; what it has kept is safe once `do_stop` has run."""

    kept = Report(0, doc="Items that are safe.")

    def do_start(self) -> None:
        self.kept = self._open = 0

    def do_work(self, datum: Any) -> None:
        self._open += 1
        self.send(datum)

    def do_stop(self) -> None:
        self.kept = self._open


class ToyHolder(Task):
    """Holds everything back until the run ends."""

    def do_start(self) -> None:
        self._held: list[Any] = []

    def do_work(self, datum: Any) -> None:
        self._held.append(datum)

    def do_stop(self) -> None:
        for datum in self._held:
            self.send(datum)


class ToyCloser(Task):
    """Ends its stream before it is through with the run, or when it must not."""

    early = Parameter(False, doc="Whether it does so in do_work.")
    late = Parameter(False, doc="Whether it sends something afterwards.")
    fifo = Parameter("", doc="What it waits for in do_stop.")

    def do_work(self, datum: Any) -> None:
        self.send(datum)
        if self.early:
            self.end_stream()

    def do_stop(self) -> None:
        self.end_stream()
        if self.fifo:
            Path(self.fifo).read_bytes()
        if self.late:
            self.send({"number": -1, "array": np.zeros(1)})


class ToyCompiler(Task):
    """Takes its time to begin; says so, or does not."""

    says = Parameter(True, doc="Whether it says so.")

    def do_init(self) -> None:
        if self.says:
            self.send_starting("compiling")
        time.sleep(4.0)  # what a compiler does

    def do_work(self, datum: Any) -> None:
        self.finish()


class ToyDevice(Task):
    """Opens something, once in its process."""

    device = Parameter("first", new_process=True, doc="What it opens.")
    other = Parameter(0, doc="Something else.")
    opened = Report("", doc="What is open.")

    def do_init(self) -> None:
        self.opened = self.device

    def do_work(self, datum: Any) -> None:
        self.finish()


class ToyUnready(Task):
    """Cannot be made."""

    def do_init(self) -> None:
        raise RuntimeError("no detector is connected")

    def do_work(self, datum: Any) -> None:
        self.finish()


class ToyQuitter(Task):
    """Leaves the process the hard way."""

    def do_init(self) -> None:
        os._exit(5)

    def do_work(self, datum: Any) -> None:
        self.finish()


class ToyExiter(Task):
    """Calls sys.exit() like a library that gives up."""

    def do_work(self, datum: Any) -> None:
        sys.exit("giving up")


class ToyLiar(Task):
    """Sends something that cannot be sent."""

    def do_work(self, datum: Any) -> None:
        self.send({"inside": {1, 2}})


class ToyCallbacks(Task):
    """Reports which callbacks were called, in order."""

    called = Report("", doc="Names of the callbacks so far.")

    def do_init(self) -> None:
        self._note("init")

    def do_connect(self, address_pull: str, is_start: bool, is_final: bool) -> None:
        self._note(f"connect({bool(address_pull)},{is_start},{is_final})")

    def do_configure(self, config: dict[str, Any]) -> None:
        self._note(f"configure({','.join(config)})")

    value = Parameter(1, low=0, high=9, doc="A number.")

    def do_start(self) -> None:
        self._note("start")

    def do_wait(self) -> None:
        if "wait" not in self.called:
            self._note("wait")

    def do_work(self, datum: Any) -> None:
        if "work" not in self.called:
            self._note("work")

    def do_stop(self) -> None:
        self._note("stop")

    def _note(self, name: str) -> None:
        self.called = f"{self.called} {name}".strip()


class ToyReporter(Task):
    """Reports very often, declared and undeclared values."""

    ticks = Report(0, doc="Counts up.")

    def do_work(self, datum: Any) -> None:
        for _ in range(1000):
            self.ticks += 1
            self.send_report({"undeclared": self.ticks})
        self.finish()


class ToyRaiser(Task):
    """Raises in the callback that it is told; as a source it makes five items, elsewhere it hands them on."""

    raise_in = Parameter("", live=True, doc="The callback that raises.")
    what = Parameter("KeyError", live=True, doc="What it raises.")

    def _fail_in(self, callback: str) -> None:
        if self.raise_in == callback:
            errors = {"KeyError": KeyError, "SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}
            raise errors[self.what](f"in {callback}")

    def do_init(self) -> None:
        self._fail_in("init")

    def do_connect(self, address_pull: str, is_start: bool, is_final: bool) -> None:
        self._fail_in("connect")

    def do_configure(self, config: dict[str, Any]) -> None:
        self._fail_in("configure")

    def do_start(self) -> None:
        self._fail_in("start")
        self._next = 0

    def do_wait(self) -> None:
        self._fail_in("wait" if self.running else "wait idle")

    def do_work(self, datum: Any) -> None:
        self._fail_in("work")
        if not self.is_start:
            self.send(datum)
        elif self._next < 5:
            self.send({"number": self._next, "array": np.full(10, self._next)})
            self._next += 1
            self.idle(0.15)
        else:
            self.finish()

    def do_report(self) -> None:
        if self.running:
            self._fail_in("report")

    def do_stop(self) -> None:
        self._fail_in("stop")

    def do_quit(self) -> None:
        self._fail_in("quit")


class ToySlips(Task):
    """Makes one of the mistakes that a task's author may make."""

    slip = Parameter("", doc="Which one.")
    total = Report(0, doc="A whole number.")

    def do_work(self, datum: Any) -> Any:
        match self.slip:
            case "type":
                self.total = "many"  # pyright: ignore[reportAttributeAccessIssue]
            case "name":
                self.report({"ack": 1})
            case "frame":
                self.counter = 5
            case "undeclared":
                self.report({"what": {1, 2}})
            case "return":
                return {"number": 1}
            case "thread":
                threading.Thread(target=lambda: {}["no such key"]).start()
                time.sleep(0.2)
            case "send in a thread":
                threading.Thread(target=self.send, args=(datum,)).start()
                time.sleep(0.2)
        return None


class ToyWriter(Task):
    """A source that writes to a file all the time."""

    file = Parameter("", doc="The file.")

    def do_work(self, datum: Any) -> None:
        with Path(self.file).open("ab") as file:
            file.write(bytes(10))
        self.idle(0.01)
