"""How long something took, as far as that was its own doing: a bound in a test is that of a computer that has time.

The tests share their computer with each other and with whoever else is there. What a bound of one second protects from
is a wait for something that does not come, not that somebody else had the processor: time in which processes of this
computer waited for a processor or for a disk, as the kernel counts it, or in which there was no processor because a
host took it away, is not counted. On a computer at rest there is none of it, and a bound is exactly what it says; on
one that is busy all the time it is ten times as long at most, so that there is no load under which it does not hold.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

#: At least this share of the time counts, whatever the computer was busy with.
_LEAST = 0.1
#: Where the kernel says for how long somebody has waited, in files of one line for each kind of wait.
_PRESSURE = "/proc/pressure"


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._began, self._waited = time.monotonic(), _waited()

    @property
    def elapsed(self) -> float:
        """Seconds so far, by the clock: for what must not come earlier."""
        return time.monotonic() - self._began

    @property
    def busy(self) -> float:
        """What of it is not counted: what a bound on times that somebody else has measured may be longer by."""
        return self.elapsed - self.taken

    @property
    def taken(self) -> float:
        """Seconds so far without those in which this computer was busy: for what must not come later."""
        elapsed = self.elapsed
        return max(elapsed - (_waited() - self._waited), _LEAST * elapsed)


def _waited() -> float:
    """Seconds, since this computer was started, in which somebody waited for a processor or a disk."""
    pressure = sum(_stalled(what) for what in ("cpu", "io"))
    return pressure + _stolen()


def _stalled(what: str) -> float:
    """The kernel's own count; where it has none, as if it were the whole of the time."""
    try:
        some = Path(f"{_PRESSURE}/{what}").read_text().partition("\n")[0]
    except OSError:
        return time.monotonic()
    return int(some.rpartition("total=")[2]) / 1e6


def _stolen() -> float:
    """What a host took away for other computers on it."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")
