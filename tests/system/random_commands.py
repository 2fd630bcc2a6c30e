"""Random commands to a real IOC through a real Channel Access client; what clients may rely on is checked all along.

`python -m tests.system.random_commands --seed 7 --steps 2000` gives the same commands for the same seed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import tests.conftest  # noqa: F401  # first of all: libca reads its environment once
from tests.ca_client import PutFailed
from tests.running_ioc import Ioc, ioc_folder, running
from tests.stopwatch import Stopwatch

STOP_TIMEOUT = 2.0
#: What a put may take after what ends it: StopTimeout, 2 s, and some time for a busy computer.
BOUND = STOP_TIMEOUT + 2 + 2
CONFIG = f"""
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "Brake", "FillSpectra"]
imports = ["tests.ioc.brake"]

[run]
stop_timeout = {STOP_TIMEOUT}

[crate]
channels = 2

[tasks.DummyData]
channel_rate = 500

[tasks.FillSpectra]
bins = 64

[ioc]
state_dir = "state"
"""
TASKS = ("DummyData", "GatherData", "ConvertToEvents", "Brake", "FillSpectra")


class Violation(AssertionError):
    """Something that clients rely on did not hold."""


class Story:
    """One sequence of commands."""

    def __init__(self, ioc: Ioc, seed: int) -> None:
        self._ioc = ioc
        self._random = random.Random(seed)
        self._puts: list[tuple[str, Future[None]]] = []
        self._ended: dict[Future[None], Stopwatch] = {}  # since what ended it
        self._run_id = 0
        self._configuration = str(ioc.get("ConfigJSON_RBV"))
        self.said: list[str] = []
        self.steps = 0
        self._actions: list[tuple[int, Callable[[], None]]] = [
            (14, lambda: self._put("Acquire", 1)), (4, lambda: self._put("EraseStart", 1)),
            (10, lambda: self._end("Stop")), (4, lambda: self._end("Abort")), (3, lambda: self._end("Acquire", 0)),
            (2, lambda: self._end("Kill")), (2, lambda: self._put("Quit", 1)), (3, lambda: self._put("Reset", 1)),
            (4, lambda: self._put("Configure", 1)), (4, lambda: self._put("Erase", 1)),
            (2, lambda: self._put("ErrorAck", 1)), (8, self._setting), (4, self._region), (4, self._preset),
            (2, self._kill_task), (12, self._wait), (3, self._get),
        ]  # fmt: skip

    def step(self) -> None:
        """One action, and then a look at everything that must hold."""
        [(_, action)] = self._random.choices(self._actions, [weight for weight, _ in self._actions])
        self.steps += 1
        action()
        self.check()

    def finish(self) -> None:
        """Kill answers everybody; a run can be started afterwards, and ends."""
        self._end("Kill")
        killed = Stopwatch()
        while self._puts and killed.taken < BOUND:
            time.sleep(0.05)
            self.check()
        if self._puts:
            raise Violation(f"not answered after Kill: {[name for name, _ in self._puts]}")
        self._ioc.recover(self._configuration)
        self._ioc.put("PresetMode", "Real time")
        self._ioc.put("PresetReal", 0.2)
        with contextlib.suppress(PutFailed):
            self._ioc.put("Acquire", 1, timeout=60)
        if (self._ioc.get("DetectorState_RBV"), self._ioc.get("CmdStatus_RBV")) != ("Idle", "OK"):
            raise Violation(
                f"a run at the end: {self._ioc.get('StatusMessage_RBV')}: {self._ioc.get('CmdMessage_RBV')}"
            )

    def check(self) -> None:
        """What must hold at any time."""
        for name, put in list(self._puts):
            if put.done():
                self._puts.remove((name, put))
                if (error := put.exception()) is not None and not isinstance(error, PutFailed):
                    raise Violation(f"{name}: {error!r}")
                if isinstance(error, PutFailed) and error.code == 80:  # ECA_TIMEOUT
                    raise Violation(f"{name} was not answered at all")
            elif put in self._ended and self._ended[put].taken > BOUND:
                raise Violation(f"{name} was not answered within {BOUND} s of what ended it")
        run = int(self._ioc.get("RunId_RBV"))
        if not self._run_id <= run:
            raise Violation(f"RunId_RBV went from {self._run_id} to {run}")
        self._run_id = run
        if self._ioc.get("IOC:ERROR") != "OK":
            raise Violation(f"an error of the IOC itself: {self._ioc.get('IOC:ErrorMessage_RBV')}")

    # -- actions ------------------------------------------------------------------------------------------------------

    def _put(self, name: str, value: object) -> None:
        self.said.append(f"{name} = {value!r}")
        put = self._ioc.put_later(name, value, timeout=200)
        self._puts.append((name, put))

    def _end(self, name: str, value: int = 1) -> None:
        self._put(name, value)
        now = Stopwatch()
        for command, put in self._puts:
            if name == "Kill" or command in ("Acquire", "EraseStart", "Stop", "Abort"):
                self._ended.setdefault(put, now)

    def _setting(self) -> None:
        name, value = self._random.choice(
            [
                ("Brake:Delay", 0.0), ("Brake:Delay", 0.05), ("Brake:Delay", 1.0), ("Brake:Delay", -1.0),
                ("Brake:Refuse", 13), ("Brake:Refuse", 1), ("Brake:Mode", "hard"), ("Brake:Mode", "loud"),
                ("DummyData:ChannelRate", 300.0), ("DummyData:ChannelRate", -3.0), ("WaitForPipeline", 0),
                ("WaitForPipeline", 1), ("FailPutOnError", 0), ("FailPutOnError", 1), ("AutoSave", 1), ("AutoSave", 0),
                ("FilePath", str(self._ioc.folder)), ("FilePath", "/no/such/folder"),
            ]
        )  # fmt: skip
        self._put(name, value)

    def _region(self) -> None:
        where = f"M00:C0{self._random.randrange(2)}:ROI{self._random.randrange(1, 3)}"
        self._put(f"{where}:{self._random.choice(['Low', 'High'])}", self._random.randrange(-3, 80))

    def _preset(self) -> None:
        self._put("PresetMode", self._random.choice(["No preset", "Real time", "Events", "Triggers"]))
        self._put("PresetReal", self._random.choice([0.1, 0.3, 1.0, -1.0]))

    def _kill_task(self) -> None:
        task = self._random.choice(TASKS)
        self.said.append(f"{task} is killed")
        pid = self._ioc.pid_of(task)
        if pid > 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _wait(self) -> None:
        seconds = self._random.choice([0.0, 0.01, 0.1, 0.3])
        self.said.append(f"{seconds} s pass")
        time.sleep(seconds)  # part of the story, not a wait for something

    def _get(self) -> None:
        for name in ("Ready_RBV", "ReadyMessage_RBV", "ConfigJSON_RBV", "AlarmList_RBV"):
            self._ioc.get(name)


@contextlib.contextmanager
def _ioc() -> Iterator[Ioc]:
    with ioc_folder() as folder:
        config = folder / "random.toml"
        config.write_text(CONFIG)
        with running(Ioc(folder, "run", config)) as ioc:
            yield ioc


def run(seed: int, steps: int) -> None:
    """One story; Violation says what did not hold, and what came before."""
    with _ioc() as ioc:
        story = Story(ioc, seed)
        try:
            for _ in range(steps):
                story.step()
            story.finish()
        except Exception as error:
            last = "\n  ".join(story.said[-25:])
            raise Violation(f"seed {seed}, after {story.steps} steps: {error}\nbefore that:\n  {last}") from error


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--seeds", type=int, default=1, help="number of stories, with this seed and those after it")
    parser.add_argument("--steps", type=int, default=2000)
    given = parser.parse_args()
    for seed in range(given.seed, given.seed + given.seeds):
        began = time.monotonic()
        run(seed, given.steps)
        print(f"seed {seed}: {given.steps} steps in {time.monotonic() - began:.0f} s, nothing violated", flush=True)


if __name__ == "__main__":
    sys.exit(main())
