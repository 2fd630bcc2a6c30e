"""A step scan and a fly scan with bluesky; the detector is the one that `pixieioc generate --devices` has made."""

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
from bluesky import RunEngine
from ophyd_async.core import init_devices, soft_signal_rw
from pixie_aio import Detector

from pixieioc.devices.files import check, read

RE = RunEngine()
with init_devices():
    det = Detector("ca://PX16:")
    motor = soft_signal_rw(float)  # stands for a motor


def preset(seconds):
    """The real time of each point; 0: none, the plan ends the run."""
    yield from bps.mv(det.preset_mode, "Real time" if seconds else "No preset")
    if seconds:
        yield from bps.mv(det.preset_real, seconds)


def step_scan():
    """A run per point."""
    yield from preset(0.2)
    yield from bp.scan([det], motor, 0, 10, 3)


@bpp.stage_decorator([det])
@bpp.run_decorator()
def fly_scan():
    """One run while the motor moves; the plan gives an event with all of it at the end."""
    yield from preset(0)
    yield from bps.declare_stream(det, name="primary", collect=True)
    yield from bps.kickoff(det, wait=True)
    for position in range(3):
        yield from bps.mv(motor, position)
        yield from bps.sleep(0.1)
    yield from bps.complete(det, wait=True)
    yield from bps.collect(det, name="primary")


def show(name, document):
    """A line for each run, and whether its files are what they were."""
    if name == "stream_resource":
        check(document)
        print("files", list(read(document)))
    elif name in ("event", "event_page"):
        data = document["data"]
        print("run", data["det-run_id"], "counts", data["det-m00_c00-counts"], data["det-end_reason"])


RE(step_scan(), show)
RE(fly_scan(), show)
