"""What a source knows of the rates in each channel, declared once for all sources that do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.hardware import Statistics
from pixieioc.pipeline import Report

Floats = NDArray[np.float64]
_TOO_HIGH = "The rate is too high for these settings."


#: Rates are counted over at least this time, in seconds: over less they would tell of chance.
RATE_INTERVAL = 0.4


class OutputRates:
    """The rate of records in each channel; of several tasks in a chain that report it, the first one's is shown."""

    channel_output_rate = Report(
        np.zeros((0, 0)),
        per="channel",
        unit="1/s",
        precision=1,
        doc="Records per second.",
        pv="OutputCountRate_RBV",
    )


class ChannelRates(OutputRates):
    """The reports of a source that sees hits before they are records; its parameters are `modules` and `channels`.

    Dead time is the share of hits that have no record, 1 - output rate / input rate: in the long run the share of the
    time in which the channel could not take one. The three are counted over the same time and reported together, so
    that this holds for what is shown, and no output rate is above its input rate. Hits that pile up are no dead time if
    they have a record. A channel without hits has none; NaN is what should be known and is not. Means are those of all
    channels with hits, as dxp's are those of all detectors.
    """

    channel_input_rate = Report(
        np.zeros((0, 0)),
        per="channel",
        unit="1/s",
        precision=1,
        doc="Hits per second, with those that have no record.",
        pv="InputCountRate_RBV",
    )
    channel_dead_time = Report(
        np.zeros((0, 0)),
        per="channel",
        unit="%",
        precision=1,
        alarm_high=40,
        alarm_hihi=70,
        hysteresis=2,
        doc="Share of the hits that have no record.",
        pv="DeadTime_RBV",
        guidance=_TOO_HIGH,
    )
    mean_dead_time = Report(0.0, unit="%", precision=1, doc="Dead time now, mean of the channels with hits.")
    live_share = Report(
        0.0,
        unit="%",
        precision=2,
        doc="Share of the run in which hits could become records, mean of the channels with hits; 0 until known.",
    )

    def report_rates(self, hits: Floats, records: Floats) -> None:
        """Input and output rates (1/s) now, by module and channel, both of the same time."""
        dead = dead_times(hits, records)
        self.channel_input_rate, self.channel_output_rate, self.channel_dead_time = hits, records, dead
        self.mean_dead_time = mean(hits, dead)

    def report_live_share(self, hits: NDArray[Any], records: NDArray[Any]) -> None:
        """Hits and records (or their rates) of the run so far, by module and channel."""
        self.live_share = 100.0 - mean(hits, dead_times(hits, records))


def dead_times(hits: NDArray[Any], records: NDArray[Any]) -> Floats:
    """The share (%) of hits (or of their rate) that have no record; 0 where there are no hits."""
    known = ~(np.isnan(hits) | np.isnan(records))
    found = np.divide(records, hits, out=np.where(known, 1.0, np.nan), where=known & (hits > 0))
    return 100.0 * (1 - found)


def mean(hits: NDArray[Any], dead: Floats) -> float:
    """The mean dead time of the channels with hits; 0 if there are none, NaN if nothing is known."""
    if np.isnan(dead).all():
        return np.nan
    counting = hits > 0
    return float(dead[counting].mean()) if counting.any() else 0.0


def counted(statistics: Sequence[Statistics], modules: int, channels: int) -> Floats:
    """The modules' own statistics as rows by module and channel: hits, live time (s), records, real time (s).

    What there is not, a module or a channel, is NaN.
    """
    rows = np.full((4, modules, channels), np.nan)
    for module, of_module in enumerate(statistics[:modules]):
        known = min(channels, len(of_module.live_times))
        values = (of_module.input_counts, of_module.live_times, of_module.output_counts)
        for row, each in enumerate(values):
            rows[row, module, :known] = each[:known]
        rows[3, module, :known] = of_module.real_time
    return rows


def rates_of(rows: Floats) -> tuple[Floats, Floats]:
    """Input and output rates (1/s) of such statistics, or of what they have grown by.

    Hits are counted while the channel is live, records come in the whole of the time. A module's counters are not read
    all at one instant, so that at low rates there may be a record more than hits: that one was a hit, too.
    """
    hits, live, records, real = rows
    output = _per_second(records, real)
    return np.maximum(_per_second(hits, live), output), output


def _per_second(counts: Floats, seconds: Floats) -> Floats:
    known = ~np.isnan(counts)
    return np.divide(counts, seconds, out=np.where(known, 0.0, np.nan), where=known & (seconds > 0))
