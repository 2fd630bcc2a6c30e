"""One simulated module: its settings, its run, and the records that it makes of the hits in its channels.

Hits are pulses of three lines over a background. Threshold, gain, good channel, trace, histogram and binning act on
them; sums, QDC, CFD and coincidences do not.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixieioc.hardware.crate import RUN_TIME, Floats, Losses, ModuleInfo, Statistics, Words
from pixieioc.hardware.parameters import GAIN, GOOD, HISTOGRAM, POSITIVE, TRACE, ChannelSettings, clock_divider, tick_us
from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.variant import Variant, variant

_QUEUE_WORDS = 100 * 8192 + 131072
_LINES, _RISE_NS, _DECAY_US = np.array([661.7, 1173.2, 1332.5]), 20.0, 0.5
#: The ADC's range, keV, with the smaller gain and the larger one.
_FULL_SCALE, _FULL_SCALE_GAIN = 8192.0, 2048.0
_BINS, _BINS_H = 32768, 16384
_U32 = 0xFFFFFFFF
#: Names of module parameters in a settings file.
_SAVED = {
    "SLOW_FILTER_RANGE": "SlowFilterRange", "FAST_FILTER_RANGE": "FastFilterRange", "SYNCH_WAIT": "SynchWait",
    "IN_SYNCH": "InSynch", "MODULE_CSRB": "ModCSRB", "FastTrigBackplaneEna": "FastTrigBackplaneEna",
    "CrateID": "CrateID", "SlotID": "SlotID", "MODULE_NUMBER": "ModNum",
}  # fmt: skip
_TRIGGER = tuple(f"TrigConfig{i}" for i in range(4))
#: Data come to the host so often, in seconds, as the worker of XIA's SDK brings them.
_WORKER = 0.005


class _Settings(NamedTuple):
    """What a settings file says of a module: variables by channel, and values of module parameters."""

    variables: list[dict[str, int]]
    values: dict[str, float]


class SimulatedModule:
    """A module with `rate` hits per second in each channel; offline until it has booted."""

    def __init__(self, info: ModuleInfo, number: int, rate: float, seed: int) -> None:
        self.info, self._number, self.rate = info, number, rate
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
        if not self.values["IN_SYNCH"]:
            self._clock_zero, self.values["IN_SYNCH"] = now, 1
        self._clear()
        self.active, self._only_histograms = True, histograms
        self._started = self._now = now
        self._end = now + self.values[RUN_TIME] if histograms else math.inf

    def _clear(self) -> None:
        self._started = self._now = self._end = 0.0
        self._only_histograms = False
        self._live, self._hits, self._events = np.zeros((3, self.info.channels))
        self._last = np.full(self.info.channels, -np.inf)
        self.histograms[:] = 0
        self._blocks.clear()
        self._words_in = self._words_out = self._dropped = 0

    def advance(self, now: float, *, whole: bool = False) -> None:
        """Brings the run to `now`, or to its end; not in steps that are too small to be worth it unless `whole`."""
        if not self.active:
            return
        until = min(now, self._end)
        if until - self._now >= _WORKER or whole or until == self._end:
            for channel in range(self.info.channels):
                self._take(channel, self._now, until)
            self._now = until
        self.active = now < self._end

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
        return Statistics(self._now - self._started, self._live.copy(), self._hits.copy(), self._events.copy())

    def _take(self, channel: int, begin: float, end: float) -> None:
        """The hits of a channel in a time (s)."""
        settings = self.channels[channel]
        v, csra = settings.variables, settings.variables["ChanCSRa"]
        count = int(self.random.poisson(self.rate * (end - begin)))
        times = np.sort(self.random.uniform(begin, end, count)) - self._clock_zero
        heights = self._heights(settings, self._energies(count))
        seen = heights >= v["FastThresh"] / (v["FastLength"] * clock_divider(self.info))
        seen &= bool(csra & POSITIVE)
        times, heights = times[seen], heights[seen]
        # Two hits that the fast filter does not resolve are one; one that the energy filter does not has no event.
        apart = np.diff(times, prepend=self._last[channel]) * 1e9
        self._last[channel] = times[-1] if len(times) else self._last[channel]
        fast = (v["FastLength"] + v["FastGap"]) * tick_us(self.info) * 1e3
        resolved = apart >= fast
        self._hits[channel] += resolved.sum()
        self._live[channel] += end - begin - fast * 1e-9 * resolved.sum()
        kept = apart >= self.window_ns(channel) if csra & GOOD else np.zeros(len(times), bool)
        times, heights = times[kept], heights[kept]
        self._events[channel] += len(times)
        smeared = heights * (1 + 0.002 * self.random.normal(size=len(heights)))
        energies = np.clip(smeared / self._full * 65536, 0, 65535).astype(np.uint16)
        if csra & HISTOGRAM or self._only_histograms:
            bins = energies[energies >= v["EnergyLow"]] >> (-v["Log2Ebin"] & _U32)
            self.histograms[channel] += np.bincount(bins, minlength=_BINS)[: self.histograms.shape[1]].astype(np.uint32)
        if len(times) and not self._only_histograms:
            self._record(channel, times, heights, energies)

    def _record(self, channel: int, times: Floats, heights: Floats, energies: NDArray[np.uint16]) -> None:
        layout, v = self.layout, self.channels[channel].variables
        events = ev.allocate(ev.BASE_COLUMNS, len(times), zero=True)
        events["time"][:] = np.floor(times * 1e9 / layout.tick_ns).astype(np.int64) * layout.tick_ns
        events["cfd"][:] = layout.source_offset_ns  # what a CFD that is off writes
        events["energy"][:] = np.minimum(energies, layout.energy.mask)
        events["channel"][:], events["slot"][:] = channel, self.info.slot
        events["crate"][:] = int(self.values["CrateID"]) & layout.crate.mask
        if v["ChanCSRa"] & TRACE and v["TraceLength"]:
            samples = v["TraceLength"] // 2 * 2
            traces = self._traces(channel, heights, samples)
            events[ev.TRACES] = traces.reshape(-1)
            events["trace_start"] = np.arange(len(times)) * samples
            events["trace_length"] = np.full(len(times), samples, np.uint16)
        words = encode(events, layout)
        room = _QUEUE_WORDS - self.level
        if len(words) > room:  # whole records
            length = len(words) // len(times)
            kept = room // length * length
            self._dropped += len(words) - kept
            words = words[:kept]
        self._words_in += len(words)
        self._blocks.append(words)

    @property
    def layout(self) -> Variant:
        """The layout of its records."""
        usual = 46540 if self.info.revision == "H" else 34688
        return variant(self.info.adc_mhz, self.info.firmware or usual)

    # -- pulses -----------------------------------------------------------------------------------------------------

    def baseline(self, channel: int) -> float:
        """Where the baseline of a channel is, ADC units: each detector has an offset of its own."""
        volts = self.channels[channel].read("VOFFSET") + 0.02 * channel - 0.2
        return min(max((0.5 + volts / 3) * self._full, 0.0), self._full - 1)

    def adjust_offset(self, channel: int) -> None:
        """Sets VOFFSET so that the baseline is where BASELINE_PERCENT wants it."""
        settings = self.channels[channel]
        volts = 3 * (settings.read("BASELINE_PERCENT") / 100 - 0.5) - 0.02 * channel + 0.2
        settings.write("VOFFSET", min(max(volts, -1.5), 1.5))

    def decay_times(self) -> Floats:
        """The decay time of the pulses in good channels, us; NaN in others, and where there are no pulses."""
        good = [bool(each.variables["ChanCSRa"] & GOOD) and self.rate > 0 for each in self.channels]
        return np.where(good, _DECAY_US, np.nan)

    def scope(self, channel: int, samples: int) -> NDArray[np.uint16]:
        """What the ADC sees, a sample every XDT."""
        settings = self.channels[channel]
        step = settings.read("XDT") * 1e3
        times = np.arange(samples) * step
        values = self.baseline(channel) + 2 * self.random.normal(size=samples)
        count = int(self.random.poisson(min(self.rate * samples * step * 1e-9, 1e3)))
        for hit, height in zip(
            self.random.uniform(0, times[-1], count), self._heights(settings, self._energies(count)), strict=True
        ):
            values += height * _shape(times - hit)
        return np.clip(values, 0, self._full - 1).astype(np.uint16)

    def window_ns(self, channel: int) -> float:
        """The time in which the energy filter takes a hit."""
        v = self.channels[channel].variables
        return v["PeakSep"] * 2 ** self._filter_range() * tick_us(self.info) * 1e3

    def _traces(self, channel: int, heights: Floats, samples: int) -> NDArray[np.uint16]:
        settings = self.channels[channel]
        times = np.arange(samples) * 1e3 / self.info.adc_mhz - settings.delay * tick_us(self.info) * 1e3
        values = self.baseline(channel) + np.outer(heights, _shape(times))
        return np.clip(values + self.random.normal(size=values.shape), 0, self._full - 1).astype(np.uint16)

    def _energies(self, count: int) -> Floats:
        """Energies of hits, keV."""
        lines = self.random.choice(_LINES, count)
        background = 20 + self.random.exponential(400, count)
        return np.where(self.random.uniform(size=count) < 0.5, lines, background)

    def _heights(self, settings: ChannelSettings, kev: Floats) -> Floats:
        return kev / (_FULL_SCALE_GAIN if settings.variables["ChanCSRa"] & GAIN else _FULL_SCALE) * self._full

    @property
    def _full(self) -> float:
        return 2.0**self.info.adc_bits

    def _filter_range(self) -> int:
        return int(self.values.get("SLOW_FILTER_RANGE", 2))


def _shape(ns: Floats) -> Floats:
    after = np.maximum(ns, 0)
    return np.where(ns < 0, 0.0, (1 - np.exp(-after / _RISE_NS)) * np.exp(-after / (1e3 * _DECAY_US)))
