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
from pixieioc.listmode.events import Events
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
        self._hit_settings = self._per_channel()
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
            self._take(self._now, until)
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

    def _take(self, begin: float, end: float) -> None:
        """The hits of all channels in a time (s)."""
        per = self._hit_settings
        self._live += end - begin
        counts = self.random.poisson(self.rate * (end - begin), self.info.channels)
        channel = np.repeat(np.arange(self.info.channels), counts)
        times = self.random.uniform(begin, end, len(channel)) - self._clock_zero
        times = times[np.lexsort((times, channel))]
        heights = self._energies(len(channel)) * per["height"][channel]
        seen = (heights >= per["threshold"][channel]) & per["seen"][channel]
        channel, times, heights = channel[seen], times[seen], heights[seen]
        if not len(channel):
            return
        # Two hits that the fast filter does not resolve are one; one that the energy filter does not has no event.
        first = np.diff(channel, prepend=-1) > 0
        apart = (times - np.where(first, self._last[channel], np.roll(times, 1))) * 1e9
        last = np.append(first[1:], True)
        self._last[channel[last]] = times[last]
        resolved = np.bincount(channel[apart >= per["fast"][channel]], minlength=self.info.channels)
        self._hits += resolved
        self._live -= per["fast"] * 1e-9 * resolved
        kept = (apart >= per["window"][channel]) & per["good"][channel]
        channel, times, heights = channel[kept], times[kept], heights[kept]
        self._events += np.bincount(channel, minlength=self.info.channels)
        smeared = heights * (1 + 0.002 * self.random.normal(size=len(heights)))
        energies = np.clip(smeared / self._full * 65536, 0, 65535).astype(np.uint16)
        self._histogram(channel, energies, per)
        if len(channel) and not self._only_histograms:
            order = np.argsort(times, kind="stable")
            self._record(channel[order], times[order], heights[order], energies[order])

    def _per_channel(self) -> dict[str, NDArray[Any]]:
        """What hits need to know of the settings, one value per channel; a run does not change them."""
        variables = [channel.variables for channel in self.channels]
        named = ("ChanCSRa", "FastThresh", "FastLength", "FastGap", "PeakSep", "EnergyLow", "Log2Ebin")
        of = {name: np.array([each[name] for each in variables], np.int64) for name in named}
        csra, tick = of["ChanCSRa"], tick_us(self.info) * 1e3
        return {
            "height": np.where(csra & GAIN, self._full / _FULL_SCALE_GAIN, self._full / _FULL_SCALE),
            "threshold": of["FastThresh"] / (of["FastLength"] * clock_divider(self.info)),
            "fast": (of["FastLength"] + of["FastGap"]) * tick,
            "window": of["PeakSep"] * 2 ** self._filter_range() * tick,
            "seen": csra & POSITIVE > 0,
            "good": csra & GOOD > 0,
            "histogram": csra & HISTOGRAM > 0,
            "lowest": of["EnergyLow"],
            "shift": -of["Log2Ebin"] & _U32,
        }

    def _histogram(
        self, channel: NDArray[np.int64], energies: NDArray[np.uint16], per: dict[str, NDArray[Any]]
    ) -> None:
        wanted = (per["histogram"][channel] | self._only_histograms) & (energies >= per["lowest"][channel])
        channel, bins = channel[wanted], energies[wanted].astype(np.int64) >> per["shift"][channel[wanted]]
        fits = bins < self.histograms.shape[1]
        np.add.at(self.histograms, (channel[fits], bins[fits]), np.uint32(1))

    def _record(self, channel: NDArray[np.int64], times: Floats, heights: Floats, energies: NDArray[np.uint16]) -> None:
        """The records of events, in the order of their times; those for which there is no room are dropped whole."""
        layout = self.layout
        lengths = np.array([self._samples(each) for each in range(self.info.channels)])[channel]
        kept = int(np.searchsorted(np.cumsum(4 + lengths // 2), _QUEUE_WORDS - self.level, "right"))
        self._dropped += int((4 + lengths[kept:] // 2).sum())
        channel, times, heights = channel[:kept], times[:kept], heights[:kept]
        energies, lengths = energies[:kept], lengths[:kept]
        events = ev.allocate(ev.BASE_COLUMNS, kept, zero=True)
        events["time"][:] = np.floor(times * 1e9 / layout.tick_ns).astype(np.int64) * layout.tick_ns
        events["cfd"][:] = layout.source_offset_ns  # what a CFD that is off writes
        events["energy"][:] = np.minimum(energies, layout.energy.mask)
        events["channel"][:], events["slot"][:] = channel, self.info.slot
        events["crate"][:] = int(self.values["CrateID"]) & layout.crate.mask
        if lengths.any():
            events[ev.TRACES] = np.zeros(int(lengths.sum()), np.uint16)
            events["trace_start"] = np.cumsum(lengths) - lengths
            events["trace_length"] = lengths.astype(np.uint16)
            self._add_traces(events, channel, heights)
        words = encode(events, layout)
        self._words_in += len(words)
        self._blocks.append(words)

    def _samples(self, channel: int) -> int:
        """The length of the traces of a channel, 0 without."""
        variables = self.channels[channel].variables
        return variables["TraceLength"] // 2 * 2 if variables["ChanCSRa"] & TRACE else 0

    def _add_traces(self, events: Events, channel: NDArray[np.int64], heights: Floats) -> None:
        """Writes the samples of each event to their place."""
        for number in np.unique(channel):
            samples, mine = self._samples(int(number)), channel == number
            if samples:
                places = events["trace_start"][mine][:, None] + np.arange(samples)
                events[ev.TRACES][places] = self._traces(int(number), heights[mine], samples)

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
