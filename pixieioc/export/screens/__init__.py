"""The operator's screens for Phoebus, as text that follows from an IOC's description."""

from __future__ import annotations

from pixieioc.export.screens.alarms import alarms_screens
from pixieioc.export.screens.calibration import calibration_screens, has_calibration
from pixieioc.export.screens.curves import spectra_screens, traces_screens
from pixieioc.export.screens.expert import expert_screen
from pixieioc.export.screens.layout import Site
from pixieioc.export.screens.modules import SIGN, modules_screens
from pixieioc.export.screens.pipeline import pipeline_screen
from pixieioc.export.screens.rates import rates_screens
from pixieioc.export.screens.run import run_screen
from pixieioc.export.screens.scope import scope_screen
from pixieioc.export.screens.task import file_of, task_screen
from pixieioc.pvinfo.description import Description


def screens(description: Description, protocol: str = "") -> dict[str, str]:
    """The text of each display file, by its name; those of channels are only there if channels have what they show.

    `protocol` stands before each name: `pva://`.
    """
    site = Site(description, protocol=protocol)
    files = {"run.bob": run_screen(site), "pipeline.bob": pipeline_screen(site), "expert.bob": expert_screen(site)}
    files |= alarms_screens(site)
    files |= {file_of(task): task_screen(site, task) for task in description.tasks}
    if site.has_channel("Spectrum_RBV"):
        files |= spectra_screens(site)
    if has_calibration(site):
        files |= calibration_screens(site)
    if site.has_channel("Trace_RBV"):
        files |= traces_screens(site)
    if site.has_channel("OutputCountRate_RBV"):
        files |= rates_screens(site)
    if site.has_channel(SIGN):
        files |= modules_screens(site)
    if site.has_channel("AdcTrace_RBV"):
        files |= scope_screen(site)
    return files
