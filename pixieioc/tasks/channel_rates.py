"""What a source knows of the rates in each channel, declared once for all sources that do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.pipeline import Report

Floats = NDArray[np.float64]
_TOO_HIGH = "The rate is too high for these settings."


class ChannelRates:
    """The reports of a source that sees hits before they are records; its parameters are `modules` and `channels`.

    Dead time is the share of hits that have no record, 1 - output rate / input rate: in the long run the share of the
    time in which the channel could not take one. Hits that pile up are no dead time if they have a record. What is not
    known is NaN. The mean is that of all channels that have hits, as dxp's is that of all detectors.
    """

    channel_input_rate = Report(
        np.zeros((0, 0)),
        per="channel",
        unit="1/s",
        precision=1,
        doc="Hits a second, with those that have no record.",
        pv="InputCountRate_RBV",
    )
    channel_dead_time = Report(
        np.zeros((0, 0)),
        per="channel",
        unit="%",
        precision=1,
        high=40,
        hihi=70,
        hysteresis=2,
        doc="Share of the hits that have no record.",
        pv="DeadTime_RBV",
        guidance=_TOO_HIGH,
    )
    mean_dead_time = Report(
        np.nan, unit="%", precision=1, doc="Dead time now, mean of the channels with hits; NaN: not known."
    )
    run_dead_time = Report(
        np.nan, unit="%", precision=1, doc="Dead time of the run so far, mean of the channels with hits."
    )

    def tell_rates(self, rates: Floats, dead: Floats) -> None:
        """Input rates (1/s) and dead times (%) now, by module and channel."""
        self.channel_input_rate, self.channel_dead_time = rates, dead
        self.mean_dead_time = mean(dead)


def dead_times(hits: NDArray[Any], records: NDArray[Any]) -> Floats:
    """The share (%) of hits that have no record, at least 0; NaN where there are no hits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(hits > 0, 100.0 * np.clip(1 - records / hits, 0, 1), np.nan)


def mean(dead: Floats) -> float:
    """The mean of what is known; NaN if nothing is."""
    known = dead[~np.isnan(dead)]
    return float(known.mean()) if len(known) else np.nan
