"""The log of runs and errors, for whoever comes later: what happened, and when."""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime

from pixieioc.ioc.records import Pvs
from pixieioc.pvinfo.overview import EVENTS_KEPT

#: How long each line may be.
_LONGEST = 300


class RunLog:
    """Lines with a time, the newest first."""

    def __init__(self, pvs: Pvs) -> None:
        self._pvs = pvs
        #: Unix times and texts, the newest last.
        self.entries: deque[tuple[float, str]] = deque(maxlen=EVENTS_KEPT)

    def add(self, text: str, when: float | None = None) -> None:
        """A line; `when` is its Unix time, now if None."""
        at = time.time() if when is None else when
        one_line = " ".join(text.split())
        short = one_line if len(one_line) <= _LONGEST else f"{one_line[:_LONGEST]}..."
        self.entries.append((at, short))
        self._pvs.post("RunLog_RBV", "\n".join(f"{_shown(at)}  {text}" for at, text in reversed(self.entries)))


def _shown(at: float) -> str:
    return f"{datetime.fromtimestamp(at):%m-%d %H:%M:%S}"
