"""One simulated module: its settings, and its run, which is that of a simulated detector with these settings."""

from __future__ import annotations

import math
from collections import deque
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixieioc.detector.crate import BadCrate, Crate, Module
from pixieioc.detector.scope import adc_trace
from pixieioc.detector.simulation import Simulation
from pixieioc.hardware.crate import RUN_TIME, Floats, Losses, ModuleInfo, Statistics, Words
from pixieioc.hardware.effects import Input, adjust_offset, baseline, channel_of
from pixieioc.hardware.error import HardwareError
from pixieioc.hardware.parameters import GOOD, HISTOGRAM, ChannelSettings, tick_us
from pixieioc.listmode.stream import Decoder

_QUEUE_WORDS = 100 * 8192 + 131072
#: What is before the channels, and the energy (keV) that fills the ADC's range with the larger gain.
_DETECTOR, _FULL_SCALE_KEV = "NaI", 2048.0
#: Units of energy for the ADC's range.
_ENERGIES = 65536
_BINS, _BINS_H = 32768, 16384
_U32 = 0xFFFFFFFF
#: Names of module parameters in a settings file.
_SAVED = {
    "SLOW_FILTER_RANGE": "SlowFilterRange", "FAST_FILTER_RANGE": "FastFilterRange", "SYNCH_WAIT": "SynchWait",
    "IN_SYNCH": "InSynch", "MODULE_CSRB": "ModCSRB", "FastTrigBackplaneEna": "FastTrigBackplaneEna",
    "CrateID": "CrateID", "SlotID": "SlotID", "MODULE_NUMBER": "ModNum",
}  # fmt: skip
_TRIGGER = tuple(f"TrigConfig{i}" for i in range(4))


class _Settings(NamedTuple):
    """What a settings file says of a module: variables by channel, and values of module parameters."""

    variables: list[dict[str, int]]
    values: dict[str, float]


class SimulatedModule:
    """A module with `rate` hits per second in each channel; offline until it has booted."""

    def __init__(self, info: ModuleInfo, number: int, rate: float, seed: int) -> None:
        self.info, self._number, self._rate = info, number, rate
        self.random = np.random.default_rng((seed, info.slot))
        self.online = self.active = False
        self.values: dict[str, float] = {}
        self.channels = [ChannelSettings(info, self._filter_range) for _ in range(info.channels)]
        self.histograms = np.zeros((info.channels, _BINS_H if info.revision == "H" else _BINS), np.uint32)
        self._blocks: deque[Words] = deque()
        self._clock_zero = 0.0
        self._clear()

    def boot(self, info: ModuleInfo) -> None:
        """Default settings, and no run."""
        self.info, self.online, self.active = info, True, False
        self.values = {
            **dict.fromkeys((*_SAVED, *_TRIGGER), 0), "SLOW_FILTER_RANGE": 2, RUN_TIME: 10.0, "SlotID": info.slot,
            "MODULE_NUMBER": self._number,
        }  # fmt: skip
        for channel in self.channels:
            channel.set_defaults()

    def filter_range_changed(self) -> None:
        """What follows from SLOW_FILTER_RANGE in all channels."""
        for channel in self.channels:
            channel.derive()
            channel.find_baseline_cut()

    # -- settings files ---------------------------------------------------------------------------------------------

    def saved(self) -> dict[str, Any]:
        """The settings as in a file of XIA's SDK."""
        names = self.channels[0].variables
        module: dict[str, Any] = {saved: int(self.values[name]) for name, saved in _SAVED.items()}
        module["TrigConfig"] = [int(self.values[name]) for name in _TRIGGER]
        module["HostRunTimePreset"] = int(np.float32(self.values[RUN_TIME]).view(np.uint32))
        info = self.info
        return {
            "channel": {"input": {name: [c.variables[name] for c in self.channels] for name in names}},
            "metadata": {
                "hardware_revision": info.revision, "num-channels": info.channels, "number": self._number,
                "serial-num": info.serial, "slot": info.slot,
            },
            "module": {"input": module},
        }  # fmt: skip

    def settings_of(self, saved: dict[str, Any] | None) -> _Settings | None:
        """The settings in a file, and where it has none, the present ones; None: the defaults."""
        if saved is None:
            return None
        channel, module = saved["channel"]["input"], saved["module"]["input"]
        variables = [
            {name: int(channel[name][i]) & _U32 if name in channel else value for name, value in c.variables.items()}
            for i, c in enumerate(self.channels)
        ]
        fixed = ("SlotID", "MODULE_NUMBER")
        values: dict[str, float] = {n: int(module[s]) for n, s in _SAVED.items() if s in module and n not in fixed}
        values.update(zip(_TRIGGER, map(int, module.get("TrigConfig", ())), strict=False))
        if "HostRunTimePreset" in module:
            values[RUN_TIME] = float(np.uint32(module["HostRunTimePreset"]).view(np.float32))
        return _Settings(variables, values)

    def take_over(self, settings: _Settings | None) -> None:
        """Uses settings; None: the defaults."""
        if settings is None:
            self.boot(self.info)
            return
        for channel, variables in zip(self.channels, settings.variables, strict=True):
            channel.variables = variables
        self.values.update(settings.values)

    # -- the run ----------------------------------------------------------------------------------------------------

    def start(self, now: float, *, histograms: bool) -> None:
        """Begins a new run at `now` (s); one for histograms alone ends after HOST_RT_PRESET."""
        call = "Pixie16StartHistogramRun" if histograms else "Pixie16StartListModeRun"
        if not self.values["IN_SYNCH"]:
            self._clock_zero, self.values["IN_SYNCH"] = now, 1
        self._clear()
        try:
            crate = self._crate()
        except BadCrate as error:
            raise HardwareError(call, -206, f"invalid module operation: {error}", module=self._number) from error
        self._simulation = Simulation(crate, self.random, clock_ns=round(1e9 * (now - self._clock_zero)))
        self._fast_s = np.array([1e-6 * settings.fast_us for settings in crate.modules[0].settings])
        self.active, self._only_histograms = True, histograms
        self._started = now
        self._end = now + self.values[RUN_TIME] if histograms else math.inf

    def _clear(self) -> None:
        self._simulation: Simulation | None = None
        self._started = self._end = 0.0
        self._only_histograms = False
        self.histograms[:] = 0
        self._blocks.clear()
        self._words_in = self._words_out = self._dropped = 0

    @property
    def rate(self) -> float:
        """Hits per second in each channel."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        if self._simulation is not None:
            self._simulation.change(channel_rate=rate, corrupt_rate=0.0, truncate_rate=0.0)

    def advance(self, now: float, *, whole: bool = False) -> None:
        """Brings the run to `now`, as far as whole steps of its simulation go; `whole`: to `now` itself, its end."""
        if not self.active or self._simulation is None:
            return
        until_ns = round(1e9 * (min(now, self._end) - self._started))
        self._take(self._simulation.advance(until_ns)[0])
        self.active = now < self._end
        if whole or not self.active:
            self._take(self._simulation.finish(until_ns)[0])

    @property
    def level(self) -> int:
        """Words that can be read."""
        return sum(len(block) for block in self._blocks)

    def take(self) -> Words:
        """All words that can be read."""
        words = np.concatenate([*self._blocks, np.empty(0, np.uint32)])
        self._blocks.clear()
        self._words_out += len(words)
        return words

    @property
    def losses(self) -> Losses:
        """What the queue could not take."""
        return Losses(self._words_in, self._words_out, self._dropped, int(self._dropped > 0), 0)

    @property
    def statistics(self) -> Statistics:
        """Counts of this run."""
        it = self._simulation
        if it is None:
            return Statistics(0.0, *np.zeros((3, self.info.channels)))
        triggers, time = it.hits_of.astype(np.float64), 1e-9 * it.now_ns
        # After a trigger, the fast filter sees nothing for its own length.
        return Statistics(time, time - self._fast_s * triggers, triggers, it.records_of.astype(np.float64))

    def _take(self, words: Words) -> None:
        """Records come from the module; those for which the host has no room are dropped whole."""
        if not len(words):
            return
        self._histogram(words)
        if self._only_histograms:
            return
        kept = self._fitting(words, _QUEUE_WORDS - self.level)
        self._dropped += len(words) - kept
        self._words_in += kept
        self._blocks.append(words[:kept])

    def _fitting(self, words: Words, room: int) -> int:
        """The words of the first records that fit into this room."""
        if len(words) <= room:
            return len(words)
        length, at, end = self._module().layout.record_length, 0, 0
        while (end := at + (int(words[at]) >> length.shift & length.mask)) <= room:
            at = end
        return at

    def _histogram(self, words: Words) -> None:
        """Fills the histograms of the channels that have one with the energies that are known."""
        variables = [channel.variables for channel in self.channels]
        wanted = np.array([bool(v["ChanCSRa"] & HISTOGRAM) or self._only_histograms for v in variables])
        if not wanted.any():
            return
        lowest = np.array([max(1, v["EnergyLow"]) for v in variables])
        shift = np.array([-v["Log2Ebin"] & _U32 for v in variables])
        decoder = Decoder(self._module().layout)
        for events in [*decoder.feed(words), *decoder.finish()]:
            channel, energy = events["channel"].astype(np.int64), events["energy"].astype(np.int64)
            bins = energy >> shift[channel]
            fits = wanted[channel] & (energy >= lowest[channel]) & (bins < self.histograms.shape[1])
            np.add.at(self.histograms, (channel[fits], bins[fits]), np.uint32(1))

    # -- pulses -----------------------------------------------------------------------------------------------------

    def baseline(self, channel: int) -> float:
        """Where the baseline of a channel is, ADC units."""
        return baseline(self.channels[channel], _offset_volts(channel))

    def adjust_offset(self, channel: int) -> None:
        """Sets VOFFSET so that the baseline is where BASELINE_PERCENT wants it."""
        adjust_offset(self.channels[channel], _offset_volts(channel))

    def decay_times(self) -> Floats:
        """The decay time of the pulses in good channels, us; NaN in others, and where there are no pulses."""
        good = [bool(each.variables["ChanCSRa"] & GOOD) and self.rate > 0 for each in self.channels]
        return np.where(good, 1e-3 * self._module().sensor.decay_ns, np.nan)

    def scope(self, channel: int, samples: int) -> NDArray[np.uint16]:
        """What the ADC sees, a sample every XDT."""
        crate = self._crate()
        step_ns = 1e3 * self.channels[channel].read("XDT")
        return adc_trace(crate, crate.modules[0], channel, samples, step_ns, self.random)

    def window_ns(self, channel: int) -> float:
        """The time in which the energy filter takes a hit."""
        v = self.channels[channel].variables
        return v["PeakSep"] * 2 ** self._filter_range() * tick_us(self.info) * 1e3

    def _crate(self) -> Crate:
        """What its channels see and make of it; BadCrate if its firmware cannot do what the settings want."""
        return Crate((self._module(),), self.info.channels, self.rate)

    def _module(self) -> Module:
        info = self.info
        usual = 46540 if info.revision == "H" else 34688
        adc_per_kev = 2**info.adc_bits / _FULL_SCALE_KEV
        settings = tuple(
            channel_of(each, Input(adc_per_kev, _ENERGIES / _FULL_SCALE_KEV, _offset_volts(number)))
            for number, each in enumerate(self.channels)
        )
        revision, crate = info.firmware or usual, int(self.values["CrateID"]) & 15
        return Module(info.adc_mhz, revision, _DETECTOR, settings, info.adc_bits, info.slot, crate)

    def _filter_range(self) -> int:
        return int(self.values.get("SLOW_FILTER_RANGE", 2))


def _offset_volts(channel: int) -> float:
    """Each input has an offset of its own."""
    return 0.02 * channel - 0.2
