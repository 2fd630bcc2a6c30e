"""What can be set of energy spectra and their regions of interest, and what their bins mean."""

from __future__ import annotations

from pixieioc.pipeline import Parameter
from pixieioc.tasks.calibration import ENERGIES, ChannelCalibration
from pixieioc.tasks.crate import CrateFacts


class EnergySpectra(ChannelCalibration):
    """Declarations only: who fills the spectra counts in bins, whoever shows them has them in keV as well."""

    modules, channels = CrateFacts.modules, CrateFacts.channels
    bins = Parameter(2048, low=16, high=65536, fixed=True, doc="Bins of a spectrum, over all energies from 0 to 65535.")

    rois = Parameter(4, low=1, high=32, fixed=True, doc="Number of regions of interest of each spectrum.")
    roi_low = Parameter(
        [[[0]]],
        per="channel",
        times="rois",
        low=0,
        high=ENERGIES - 1,
        unit="bin",
        at_once=True,
        doc="First bin of a region of interest.",
        pv="ROI{}:Low",
    )
    roi_high = Parameter(
        [[[-1]]],
        per="channel",
        times="rois",
        low=-1,
        high=ENERGIES - 1,
        unset=-1,
        at_least="roi_low",
        below="bins",
        unit="bin",
        at_once=True,
        doc="Last bin of a region of interest; -1: there is none.",
        pv="ROI{}:High",
    )
    roi_name = Parameter(
        [[[""]]],
        per="channel",
        times="rois",
        longest=39,
        at_once=True,
        doc="Name of a region of interest.",
        pv="ROI{}:Name",
    )
    roi_background = Parameter(
        1,
        low=-1,
        high=1000,
        unit="bin",
        at_once=True,
        doc="Bins on either side of the first and the last bin of a region that make the background; -1: none.",
    )
