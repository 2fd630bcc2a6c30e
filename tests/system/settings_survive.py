"""The settings of an IOC after SIGKILL at random moments: `python -m tests.system.settings_survive --times 200`.

Each time an IOC is started, its settings are compared with what was written before the last kill, and written again and
again until the next one. None may be older than a second before the kill, none may be what was never written. With
`--power-cut` the state folder is a file system of its own, which loses at the kill what is not on its device yet; that
needs root and mkfs.ext4.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.block_disks import cut_power, freezable, mount_again
from tests.ca_client import PutFailed
from tests.running_ioc import Ioc, end_in_order, ioc_folder
from tests.stopwatch import Stopwatch

CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData"]
[ioc]
state_dir = "state"
"""
#: How old what is restored may be, in seconds before the kill.
OLDEST = 1.0
#: What is written, and the value that a counter becomes there.
_SETTINGS: dict[str, Any] = {
    "PresetReal": lambda n: 1.0 + n,
    "FileName": lambda n: f"run{n}{'ä' * (n % 50)}",
    "FileNumber": lambda n: n,
    "GatherData:MaxDelay": lambda n: 0.01 + n * 1e-6,
    "GatherData:Rate_RBV.HIHI": lambda n: 1000.0 + n,
}


@dataclass
class Story:
    """What was written to one setting: value and the time when that was answered, the latest last."""

    values: list[tuple[Any, float]] = field(default_factory=list[tuple[Any, float]])

    def judge(self, found: Any, killed: float, allowed: float) -> tuple[str, float]:
        """What is wrong with the value after a kill, and its age: from when it was replaced until the kill."""
        known = [i for i, (value, _) in enumerate(self.values) if value == found or value != value]
        if not known:
            return f"{found!r} was never written", 0.0
        last = known[-1]
        age = 0.0 if last == len(self.values) - 1 else killed - self.values[last + 1][1]
        self.values = [self.values[last]]
        return (f"{found!r} is {age:.2f} s old" if age > allowed else ""), age


class Campaign:
    """One IOC in its folder, killed again and again."""

    def __init__(self, folder: Path, seed: int, *, power_cut: bool = False) -> None:
        self._state = folder / "state" if power_cut else None
        (folder / "test.toml").write_text(CONFIG)
        self._chance = random.Random(seed)
        self._ioc = Ioc(folder, "run", folder / "test.toml")
        self._stories: dict[str, Story] = {}
        self._killed, self._allowed, self._number = 0.0, OLDEST, 0
        self.wrong: list[str] = []
        self.oldest, self.slowest, self.starts = 0.0, 0.0, 0

    def once(self) -> None:
        """A start, a look at what was restored, and puts into which the kill comes."""
        self._ioc.launch()
        try:
            self._await_server()
            self._look()
            self._began = Stopwatch()
            kill = threading.Timer(self._chance.uniform(0.0, 1.6), self._kill)
            kill.start()
            self._write()
            kill.join()
        finally:
            self._ioc.end(signal.SIGKILL)

    def _kill(self) -> None:
        below = self._ioc.processes()[1:] if self._state is not None else []
        self._killed, self._allowed = time.monotonic(), OLDEST + self._began.busy
        if self._state is not None:
            cut_power(self._state)
        self._ioc.process.kill()
        if self._state is not None:
            self._ioc.process.wait(20)
            psutil.wait_procs(below, 20)
            mount_again(self._state)

    def _await_server(self) -> None:
        began = time.monotonic()
        self._ioc.until_serving()
        self.slowest = max(self.slowest, time.monotonic() - began)

    def _look(self) -> None:
        self.starts += 1
        restored = self._ioc.get("SR_rebootMessage_RBV", 30.0)
        if "not used" in restored:
            self.wrong.append(f"start {self.starts}: {restored}")
        for name in _SETTINGS:
            found = self._ioc.get(name)
            story = self._stories.setdefault(name, Story([(found, 0.0)]))
            problem, age = story.judge(found, self._killed, self._allowed)
            self.oldest = max(self.oldest, age)
            if problem:
                self.wrong.append(f"start {self.starts}: {name}: {problem}")

    def _write(self) -> None:
        names = list(_SETTINGS)
        with contextlib.suppress(PutFailed):  # the IOC is gone
            while self._ioc.process.poll() is None:
                self._number += 1
                name = self._chance.choice(names)
                value = _SETTINGS[name](self._number)
                story = self._stories[name].values
                story.append((value, float("inf")))  # it may be saved before the client has its answer
                self._ioc.put(name, value, 3.0)
                story[-1] = (value, time.monotonic())
                time.sleep(self._chance.choice((0.0, 0.0, 0.01, 0.1)))


def campaign(times: int, seed: int, *, power_cut: bool = False) -> Campaign:
    """That of so many kills, and one more start to see what the last one has left."""
    with ioc_folder() as folder, freezable(folder / "state") if power_cut else contextlib.nullcontext():
        made = Campaign(folder, seed, power_cut=power_cut)
        with contextlib.suppress(KeyboardInterrupt):  # what was seen so far
            for _ in range(times + 1):
                made.once()
    return made


def main() -> None:
    """Prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--power-cut", action="store_true", help="what is not on the disk at a kill is lost")
    options = parser.parse_args()
    end_in_order()
    print(f"seed {options.seed}")
    began = time.monotonic()
    done = campaign(options.times, options.seed, power_cut=options.power_cut)
    for text in done.wrong:
        print(text)
    what = "power cuts" if options.power_cut else "kills"
    print(
        f"{done.starts - 1} {what} in {time.monotonic() - began:.0f} s: {len(done.wrong)} values or files wrong, "
        f"the oldest value was {done.oldest:.2f} s older than the kill; the slowest start took {done.slowest:.1f} s"
    )
    raise SystemExit(bool(done.wrong))


if __name__ == "__main__":
    main()
