"""Every hit that a module counts arrives or is counted as lost, also when what is behind stands still for a while.

`python -m tests.hardware.conservation` tries more of that, and longer.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.hardware import conservation
from tests.hardware.conservation import DISK, GATHER_DATA, HEADERS, SINK, TRACES, Trial
from tests.hardware.simulation import Simulation
from tests.recorder import Recorder


@pytest.mark.parametrize(
    ("data", "stalled"),
    [(HEADERS, GATHER_DATA), (HEADERS, DISK), (TRACES, SINK)],
    ids=["GatherData", "disk", "sink"],
)
def test_what_does_not_fit_is_counted(
    pipeline: Recorder, simulation: Simulation, data: conservation.Data, stalled: str
) -> None:
    trial = Trial(pipeline, simulation, data, small=True)
    trial.begin()
    for _ in range(2):
        trial.overflow(stalled)
        assert pipeline.reported("TakeData", "hits_lost") > 0  # which is in alarm from here on
    outcome = trial.end()
    assert outcome.wrong == ()
    assert 0 < outcome.lost < outcome.input_counts == outcome.output_counts
    simulation.control("rate 100", f"pulser {conservation.PULSE}")
    trial.begin()  # what was lost belongs to that run
    outcome = trial.end()
    assert outcome.wrong == ()
    assert outcome.lost == 0 < outcome.events == outcome.output_counts


def test_nothing_is_lost_while_it_fits_and_that_it_waits_is_shown(pipeline: Recorder, simulation: Simulation) -> None:
    trial = Trial(pipeline, simulation, HEADERS, small=False)
    trial.begin()
    pipeline.processes["TakeData"].reports["buffer_use"] = 0.0
    for what in (GATHER_DATA, DISK):
        trial.stall(what, lambda: pipeline.reported("TakeData", "buffer_use") > 4)  # the link is full since long
        pipeline.until(lambda: pipeline.reported("TakeData", "buffer_use") == 0, 60)
    outcome = trial.end()
    assert outcome.wrong == ()
    assert outcome.lost == 0 < outcome.events


def test_the_read_out_goes_before_other_processes_where_that_is_allowed(
    pipeline: Recorder, simulation: Simulation
) -> None:
    allowed = subprocess.run([sys.executable, "-c", "import os; os.nice(-10)"], check=False, capture_output=True)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    Trial(pipeline, simulation, HEADERS, small=False)
    urgent, ordinary = (
        os.getpriority(os.PRIO_PROCESS, pipeline.reported(name, "process_id")) for name in ("TakeData", GATHER_DATA)
    )
    assert (urgent, ordinary) == (own if allowed.returncode else -10, own)
