"""The clients of a soak, each a process of its own; they come and go."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.running_ioc import ROOT

#: How long one stays, in seconds.
_STAYS = (180.0, 900.0)


class Clients:
    """A number of them, of whom one that has left is replaced at once."""

    def __init__(self, screens: Path, prefix: str, count: int, choice: random.Random) -> None:
        self._screens, self._prefix, self._choice = screens, prefix, choice
        self.posts = self.screens = self.lost = self.came = 0
        self.problems: list[str] = []
        self._still = False
        self._there = [self._come() for _ in range(count)]

    def _come(self) -> tuple[subprocess.Popen[str], float]:
        self.came += 1
        seed = self._choice.randrange(10**6)
        command = [sys.executable, "-m", "tests.system.soak.client", str(self._screens), self._prefix, str(seed)]
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return process, time.monotonic() + self._choice.uniform(*_STAYS)

    def look(self) -> None:
        """Those whose time is over leave; every third is killed, as a program that crashes. Who stands still stays."""
        if self._still:
            return
        for index, (process, leaves) in enumerate(self._there):
            if process.poll() is not None or time.monotonic() > leaves:
                self._leave(process, killed=self._choice.random() < 1 / 3)
                self._there[index] = self._come()

    def _leave(self, process: subprocess.Popen[str], *, killed: bool) -> None:
        if process.poll() is not None:
            self.problems.append(f"a client ended by itself with {process.returncode}")
        if killed:
            process.kill()
            process.communicate()
            return
        try:
            said, complaint = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            said, complaint = process.communicate()
        if process.returncode or len(said.split()) != 3:
            self.problems.append(f"a client ended with {process.returncode}: {complaint[-300:]}")
            return
        posts, screens, lost = map(int, said.split())
        self.posts, self.screens, self.lost = self.posts + posts, self.screens + screens, self.lost + lost

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Meanwhile none of them takes anything from the IOC."""
        self._send(signal.SIGSTOP)
        self._still = True
        try:
            yield
        finally:
            self._send(signal.SIGCONT)
            self._still = False

    def _send(self, number: signal.Signals) -> None:
        for process, _ in self._there:
            process.send_signal(number)

    def add(self, others: Clients) -> None:
        """Counts what others have seen, too."""
        self.posts, self.screens = self.posts + others.posts, self.screens + others.screens
        self.came, self.lost = self.came + others.came, self.lost + others.lost
        self.problems += others.problems

    def end(self) -> None:
        """All of them leave."""
        for process, _ in self._there:
            self._leave(process, killed=False)
