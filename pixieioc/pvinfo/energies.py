"""The process variables that show a spectrum and its regions of interest in keV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pixieioc.pipeline import channel_values
from pixieioc.pipeline.declare import Value
from pixieioc.pvinfo.model import PvInfo, Source
from pixieioc.pvinfo.states import NO_YES
from pixieioc.tasks.calibration import ChannelCalibration
from pixieioc.tasks.energy_spectra import EnergySpectra

if TYPE_CHECKING:
    from pixieioc.pipeline.task import Task

VERSION = "CalVersion_RBV"
#: By what they show: the names that channels have for them; {} is the number of a region.
AXIS, CALIBRATED = "EnergyAxis_RBV", "Calibrated_RBV"
EDGES = {"roi_low_kev": "ROI{}:LowKev", "roi_high_kev": "ROI{}:HighKev"}
_DOCS = {
    "roi_low_kev": "Where a region of interest begins; what is written selects its first bin.",
    "roi_high_kev": "Where a region of interest ends; what is written selects its last bin. Not above LowKev: there is "
    "none.",
}


def version_pvs(classes: Mapping[str, type[Task]]) -> Iterator[PvInfo]:
    """The version of the calibration, if a task has one."""
    if any(issubclass(cls, ChannelCalibration) for cls in classes.values()):
        doc = "Version of the calibration: the same for the same numbers. Empty: no channel has one."
        yield PvInfo(VERSION, "stringin", doc, "")


def energy_pvs(task: str, cls: type[Task], settings: Mapping[str, Value]) -> Iterator[PvInfo]:
    """Those of each channel, of a task with spectra."""
    if not issubclass(cls, EnergySpectra):
        return
    modules, channels, bins, rois = (int(str(settings[name])) for name in ("modules", "channels", "bins", "rois"))
    for module, channel in channel_values.places((modules, channels, 0)):
        before = f"{channel_values.channel_name(module, channel)}:"

        def of(
            own: str, name: str, number: int | None = None, index: tuple[int, int] = (module, channel),
            before: str = before,
        ) -> dict[str, Any]:  # fmt: skip
            named = channel_values.numbered(own, number)
            source = Source("run", task, name, index, number)
            pattern = own if number is not None else ""
            return {"name": before + named, "own": named, "section": "channel", "source": source, "pattern": pattern}

        yield PvInfo(
            record="bi", labels=NO_YES, doc="Whether the channel has a calibration: CalGain is not 0.",
            **of(CALIBRATED, "calibrated"),
        )  # fmt: skip
        yield PvInfo(
            record="waveform", element="FLOAT", initial=[], unit="keV", precision=3, length=bins,
            doc="Where the bins of the spectrum begin; no elements without a calibration.", **of(AXIS, "energy_axis"),
        )  # fmt: skip
        for number in range(rois):
            for name, own in EDGES.items():
                yield PvInfo(
                    record="ao", initial=0.0, unit="keV", precision=2, access="OP", role="input",
                    doc=_DOCS[name], **of(own, name, number),
                )  # fmt: skip
