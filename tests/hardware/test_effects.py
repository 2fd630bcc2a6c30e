"""What settings of a simulated module do to its data, by a clock that the test turns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pixieioc.hardware import HardwareError, ModuleInfo
from pixieioc.hardware.setting_table import CHANNEL_BITS
from pixieioc.hardware.simulated import SimulatedCrate
from pixieioc.listmode.events import Events
from pixieioc.listmode.flags import FLAG_PILEUP
from pixieioc.listmode.variant import variant
from tests.hardware.simulation import decoded

LAYOUT = variant(500, 34688)
#: The channel that is set, and one that is not.
SET, OTHER = 3, 4


class _Crate(SimulatedCrate):
    """One booted module, whose time the test makes go by."""

    def __init__(self, rate: float = 2000.0, info: ModuleInfo | None = None) -> None:
        self.time = 0.0
        super().__init__([info or ModuleInfo(5, "F", 1005, 14, 500)], rate, clock=lambda: self.time)
        self.open([5])
        self.boot([])

    def set_up(self, **settings: float) -> None:
        for name, value in settings.items():
            if name in CHANNEL_BITS:
                register = self.read_channel(0, SET, "CHANNEL_CSRA")
                self.write_channel(0, SET, "CHANNEL_CSRA", CHANNEL_BITS[name].put_into(register, value))
            else:
                self.write_channel(0, SET, name, value)

    def run(self, seconds: float = 0.5) -> np.ndarray[Any, np.dtype[np.uint32]]:
        self.start()
        self.time += seconds
        self.end()
        return self.read(0)


def _events(crate: _Crate) -> tuple[Events, Events]:
    """Of the channel that was set, and of the other one."""
    events = decoded(crate.run(), LAYOUT)
    assert set(events["slot"]) == {5}
    present = [name for name in _COLUMNS if name in events]
    mine, others = ({name: events[name][events["channel"] == c] for name in present} for c in (SET, OTHER))
    assert len(others["energy"]) == pytest.approx(1000, abs=150)
    assert crate.statistics(0).output_counts[SET] == len(mine["energy"])
    return mine, others


_COLUMNS = ("energy", "flags", "cfd", "parts", "channel")


@pytest.mark.parametrize("settings", [{"TRIGGER_RISETIME": 0.02, "TRIGGER_THRESHOLD": 6000}, {"Polarity": 0}], ids=str)
def test_what_is_below_the_threshold_or_of_the_wrong_polarity_is_not_seen(settings: dict[str, float]) -> None:
    crate = _Crate()
    crate.set_up(**settings)
    mine, _ = _events(crate)
    assert len(mine["energy"]) == crate.statistics(0).input_counts[SET] == 0


def test_a_channel_that_is_not_good_triggers_and_is_not_recorded() -> None:
    crate = _Crate()
    crate.set_up(GoodChannel=0)
    mine, _ = _events(crate)
    assert len(mine["energy"]) == 0
    assert crate.statistics(0).input_counts[SET] > 800


def test_the_larger_gain_is_four_times_the_smaller() -> None:
    crate = _Crate()
    crate.set_up(Gain=1)
    mine, others = _events(crate)
    assert np.percentile(mine["energy"], 90) == pytest.approx(4 * np.percentile(others["energy"], 90), rel=0.1)


def test_blocks_are_in_the_records_of_channels_that_want_them() -> None:
    crate = _Crate()
    crate.set_up(CaptureSums=1, EnableQDC=1, ExtTimestamps=1)
    mine, others = _events(crate)
    assert (set(mine["parts"]), set(others["parts"])) == ({7}, {0})


def test_the_cfd_gives_times_between_ticks_for_pulses_above_its_threshold() -> None:
    crate = _Crate()
    crate.set_up(EnableCFD=1)
    mine, others = _events(crate)
    assert len(set(mine["cfd"])) > 500
    assert len(set(others["cfd"])) == 1
    crate.set_up(CFDThresh=65535)
    assert set(_events(crate)[0]["cfd"]) == {0}


@pytest.mark.parametrize(
    ("label", "piled", "energy"),
    [("All", (0.4, 0.8), True), ("Single", (0, 0), True), ("Pileup", (0.4, 0.8), False), ("Pileup only", (1, 1), True)],
)
def test_which_hits_are_kept(label: str, piled: tuple[float, float], energy: bool) -> None:
    crate = _Crate()
    crate.write_module(0, "SLOW_FILTER_RANGE", 6)
    crate.set_up(ENERGY_RISETIME=40, ENERGY_FLATTOP=40, RejectPileup=CHANNEL_BITS["RejectPileup"].labels.index(label))
    crate.set_rate(5000.0)
    events = decoded(crate.run(), LAYOUT)
    mine = events["channel"] == SET
    flagged = events["flags"][mine] & FLAG_PILEUP > 0
    assert piled[0] <= flagged.mean() <= piled[1]
    assert energy == (events["energy"][mine][flagged] > 0).any() or not flagged.any()


def test_traces_have_their_length_their_baseline_and_their_trigger() -> None:
    crate = _Crate()
    crate.set_up(CaptureTrace=1, TRACE_LENGTH=2.0, TRACE_DELAY=0.8, VOFFSET=0.0, EnableQDC=1)
    events = decoded(crate.run(), LAYOUT)
    mine = events["channel"] == SET
    assert (set(events["trace_length"][mine]), set(events["trace_length"][~mine])) == ({1000}, {0})
    start = events["trace_start"][mine]
    traces = events["traces"][start[:, None] + np.arange(1000)].astype(float)
    baseline = (0.5 + (0.02 * SET - 0.2) / 3) * 16384
    assert np.median(traces[:, :390]) == pytest.approx(baseline, abs=3)
    large = events["energy"][mine] > 4000
    assert large.sum() > 50
    assert np.abs(np.median(traces[large].argmax(axis=1)) - 425) < 25  # NaI rises for 20 ns
    # QDCLen0, 0.3 us, is of samples before the pulse.
    assert events["qdc"][mine][:, 0] == pytest.approx(traces[:, :150].sum(axis=1))


def test_clocks_that_are_not_cleared_go_on() -> None:
    crate = _Crate()
    assert decoded(crate.run(), LAYOUT)["time"].max() < 0.5e9
    crate.time += 1.0
    assert decoded(crate.run(), LAYOUT)["time"].min() > 1.5e9
    crate.write_module(0, "IN_SYNCH", 0)
    assert decoded(crate.run(), LAYOUT)["time"].max() < 0.5e9


def test_whole_records_are_dropped_when_nobody_reads() -> None:
    crate = _Crate(50_000.0)
    crate.set_up(CaptureTrace=1, TRACE_LENGTH=1.0)
    words = crate.run(2.0)
    losses, counts = crate.losses(0), crate.statistics(0).output_counts
    assert losses is not None
    lengths = np.full(16, 4)
    lengths[SET] = 254
    assert losses.words_out == losses.words_in == len(words)
    assert losses.words_in + losses.words_dropped == (counts * lengths).sum()
    assert losses.any
    decoded(words, LAYOUT)


def test_firmware_that_cannot_do_what_the_settings_want_refuses_the_start() -> None:
    crate = _Crate(info=ModuleInfo(5, "F", 1005, 14, 500, 29432))
    crate.set_up(ExtTimestamps=1)
    with pytest.raises(
        HardwareError, match=r"Pixie16StartListModeRun of module 0: .*external time stamps need firmware"
    ):
        crate.start()
    assert crate.running() == (False,)
