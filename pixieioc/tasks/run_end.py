"""How long modules take data: what they are told at the start of a run, and when they have ended it by themselves.

XIA's documentation has HOST_RT_PRESET end runs for histograms; whether it ends list-mode runs is the firmware's. So it
is written at each start, and both are right: modules that go on, and modules that have ended when their time was over.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from pixieioc.hardware import Crate, Statistics
from pixieioc.hardware.crate import RUN_LEADER, RUN_TIME
from pixieioc.pipeline import Error

#: How far the clocks of the modules and of this computer may differ, and how far apart modules may start, in seconds.
MOST_AHEAD = 2.0
#: A run that lasts as long as it is preset to may be shorter by the clock of a module, by this many seconds.
_CLOSE = 0.005
#: What modules are told that are to run until they are told to end, in seconds: longer than any run.
_LONGEST_RUN = 1e7
#: How often it is asked whether the others have ended, in seconds.
_POLL = 0.002


def prepare(crate: Crate, *, synchronous: bool, clear_clocks: bool, preset: float) -> None:
    """Writes what the next run of all modules needs; `preset` is its real time (s), infinite without one."""
    if synchronous and not any(
        int(crate.read_module(module, "MODULE_CSRB")) & RUN_LEADER for module in range(len(crate.modules))
    ):  # XIA's library refuses it, and only its log says why
        raise Error("Synchronous = Yes needs a module that leads the run: set ChassisMaster of one module to Yes")
    # Each is written to all modules at once; 0 has the clocks restart at the start.
    crate.write_module(0, "SYNCH_WAIT", synchronous)
    crate.write_module(0, RUN_TIME, min(preset, _LONGEST_RUN))
    if clear_clocks:
        crate.write_module(0, "IN_SYNCH", 0)


def are_done(crate: Crate, modules: Sequence[int], preset: float) -> bool:
    """Whether modules that take no data any more have done so for as long as the run is preset to last."""
    least = preset - max(_CLOSE, 1e-6 * preset)
    return all(crate.statistics(module).real_time >= least for module in modules)


def await_others(crate: Crate, preset: float) -> None:
    """Where the first modules have ended when their time was over, the last to start get their full time, too."""
    deadline = time.monotonic() + MOST_AHEAD
    while any(running := crate.running()) and time.monotonic() < deadline:
        ended = [module for module, on in enumerate(running) if not on]
        if not ended or not are_done(crate, ended, preset):
            break
        time.sleep(_POLL)


def real_time(statistics: Sequence[Statistics]) -> float:
    """The mean real time (s) of the modules."""
    return float(np.mean([each.real_time for each in statistics]))
