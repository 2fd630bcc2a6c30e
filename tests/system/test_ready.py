"""Rule 14 on a new installation: an IOC that says that it is ready is ready, and stays so."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from pixieioc.listmode.encode import encode
from pixieioc.listmode.variant import variant
from tests.listmode.samples import random_events
from tests.running_ioc import Ioc, ioc_folder, running
from tests.stopwatch import Stopwatch

CONFIG = """
[pipeline]
chain = ["LoadFiles", "ConvertToEvents", "SortEvents", "PickSingleModule", "WriteEvents"]

[crate]
modules = 2

[tasks.LoadFiles]
files = ["*.bin"]

[ioc]
state_dir = "state"
"""
LAYOUT = variant(500, 34688)
#: Seconds for which it must stay ready.
_STAYS = 4.0


def _write_recording(folder: Path) -> None:
    """Two modules with all that a stream may have: blocks, traces, broken records."""
    for module in range(2):
        events = random_events(LAYOUT, 3000, module)
        events["time"][:] = np.sort(events["time"] % 10**9)
        words = encode(events, LAYOUT)
        words[5000:5003] = 0
        words.tofile(folder / f"mod{module}.bin")


def test_who_is_ready_has_compiled_all_that_data_may_need_and_stays_ready() -> None:
    with ioc_folder() as folder:
        cache = folder / "cache"
        cache.mkdir(mode=0o700)
        _write_recording(folder)
        (folder / "test.toml").write_text(CONFIG)
        ioc = Ioc(folder, "run", folder / "test.toml")
        ioc.environment = {"NUMBA_CACHE_DIR": str(cache)}
        with running(ioc), ioc.watch("Ready_RBV", "Acquire_RBV", "ConvertToEvents:Events_RBV") as watch:
            since = watch.until("Ready_RBV", "Yes", 120).received
            compiled = _contents(cache)
            assert compiled
            clock = Stopwatch()
            ioc.put("Acquire", 1)
            busy = clock.busy
            assert ioc.get("WriteEvents:REPORT:EventsWritten_RBV") > 1000
            begun = watch.until("Acquire_RBV", "Acquiring").stamp
            assert watch.until("ConvertToEvents:Events_RBV", lambda events: events > 1000).stamp - begun < 1.0 + busy
            assert ioc.get("ConvertToEvents:REPORT:CorruptRegions_RBV") > 0
            time.sleep(max(0.0, since + _STAYS - time.time()))  # nothing is to happen
            assert _contents(cache) == compiled
            ready = watch.values("Ready_RBV")
            assert ready[ready.index("Yes") :] == ["Yes", "No", "Yes"]  # not ready while the run was on


def _contents(cache: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in cache.rglob("*.nb?")}
