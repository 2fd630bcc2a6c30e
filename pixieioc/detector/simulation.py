"""A crate that runs: time goes on, words come out.

Time is cut into *slices* of some ms, whose decays are drawn at once. A record comes out with the slice in which all
that it tells has happened (pileup, the end of its trace).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pixieioc.detector import faults, hits, pulse, records
from pixieioc.detector.crate import Crate
from pixieioc.detector.forms import Shapes, as_table, forms, qdc_samples
from pixieioc.detector.sources import emissions

Words = NDArray[np.uint32]

#: A slice is at most so long, and shorter where it would have more decays than this.
SLICE_NS, SLICE_DECAYS = 20_000_000, 1 << 14
#: A sweep over the channels of a module lasts at most so long: how far a stream can be out of order, but for pileup.
SWEEP_NS = 50_000.0


@dataclass
class Counts(faults.FaultCounts):
    """What a simulation has made: hits in all detectors, those lost to dead time, records, their words, resets."""

    hits: int = 0
    dead: int = 0
    events: int = 0
    words: int = 0
    counter_resets: int = 0


class Simulation:
    """Runs a crate from time 0. The same crate, generator state and calls give the same words.

    More than that: the words of each module do not depend on where `advance` cut the time, as long as rates are not
    changed and neither `finish` nor `reset_counters` is called, which act at the end of the last slice.
    """

    def __init__(self, crate: Crate, random: np.random.Generator, *, clock_ns: int = 0) -> None:
        """`clock_ns` is what the modules' counters say at time 0."""
        self.counts = Counts()
        self._random, self._fault_random, noise = random.spawn(3)
        places = len(crate.modules) * crate.channels
        detectors = list({module.detector: module.sensor for module in crate.modules}.values())
        self._detector_of = np.array([detectors.index(module.sensor) for module in crate.modules])
        self._decay_ns = np.array([module.sensor.decay_ns for module in crate.modules])
        shapes = Shapes()
        rows = forms(crate, shapes)
        self._forms, self._lengths = as_table(rows), np.array([form.length for form in rows])
        self._pulses = np.concatenate(shapes.parts)
        settings = [(module, module.channel(c)) for module in crate.modules for c in range(crate.channels)]
        self._sums = np.array([qdc_samples(channel, module.adc_mhz) for module, channel in settings])
        longest = max(form.samples for form in rows)
        # Only traces have any.
        self._noise = pulse.noise(noise, longest) if longest else np.empty(0, np.float32)
        self._line, self._scratch = np.empty(longest, np.float32), np.empty(longest, np.uint16)
        self._seen = emissions(crate.sources, crate.background, crate.coincidence if places > 1 else 0.0)
        self._tables = hits.tables(self._seen, detectors)
        channels = [channel for _, channel in settings]
        self._rules = hits.rules(
            channels,
            max(
                *(channel.pileup_ns for channel in channels),
                *((form.samples - form.trigger) * form.period_ns for form in rows),
            ),
            tails=bool(longest or any(channel.energy_sums for channel in channels)),
        )
        #: Hits of each place that its fast filter has seen, those of them that were lost to dead time, and records.
        self.hits_of, self.lost_of, self.records_of = np.zeros((3, places), np.int64)
        self._last_ns = np.full(places, -1e18)
        self._last_tail = np.zeros(places)
        self._before_ns, self._before_kev = np.full(places, -1e18), np.zeros(places)
        self._waiting = (np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0))
        self._now_ns, self._origin_ns = 0, -clock_ns
        self.crate = crate
        self._plan()

    @property
    def now_ns(self) -> int:
        """The end of the last slice."""
        return self._now_ns

    def change(self, *, channel_rate: float, corrupt_rate: float, truncate_rate: float) -> None:
        """Other rates (1/s) from the next slice on."""
        self.crate = replace(
            self.crate, channel_rate=channel_rate, corrupt_rate=corrupt_rate, truncate_rate=truncate_rate
        )
        self._plan()

    def advance(self, until_ns: int, most_words: int = 1 << 62) -> dict[int, Words]:
        """The words of each module from all whole slices up to `until_ns`, but no further slice after `most_words`."""
        before = self.counts.words
        blocks: list[list[Words]] = []
        while not self.is_at(until_ns) and self.counts.words - before < most_words:
            blocks += self._next(self._slice_ns)
        return self._joined(blocks)

    def is_at(self, until_ns: int) -> bool:
        """Whether `advance` has nothing to do up to that time."""
        return self._now_ns + self._slice_ns > until_ns

    def finish(self, until_ns: int | None = None) -> dict[int, Words]:
        """The words of what is still waiting, and of the time up to `until_ns`: at most a slice, ValueError if more."""
        span_ns = max(0, (until_ns or 0) - self._now_ns)
        if span_ns > self._slice_ns:
            raise ValueError(f"{until_ns} ns: is more than a slice ({self._slice_ns} ns) after {self._now_ns} ns")
        return self._joined([self._slice(span_ns, flush=True)])

    def reset_counters(self) -> dict[int, Words]:
        """Restarts all modules' counters; the words of what is still waiting."""
        block = self._slice(0, flush=True)
        self._origin_ns = self._now_ns
        self.counts.counter_resets += 1
        return self._joined([block])

    def _plan(self) -> None:
        """How long slices and sweeps are."""
        crate = self.crate
        places = len(crate.modules) * crate.channels
        partners = sum(e.share for e in self._seen if e.second is not None)
        self._decays_per_ns = 1e-9 * crate.channel_rate * places / (1 + partners)
        self._slice_ns = int(min(SLICE_NS, SLICE_DECAYS / max(self._decays_per_ns, 1e-12)))
        # Of the records of a module, so many have their partner before or behind them.
        paired = partners / (1 + partners) * (crate.channels - 1) / max(1, places - 1)
        self._sweep_ns = sweep_ns(crate.backwards, 1e-9 * crate.channel_rate * crate.channels, paired, crate.channels)

    def _next(self, span_ns: int) -> list[list[Words]]:
        """The blocks of the next slice, and of the end of the counters' period where the interval says so."""
        interval = int(1e9 * self.crate.reset_interval)
        if interval and self._now_ns - self._origin_ns >= interval:
            reset = list(self.reset_counters().values())
            return [reset, self._slice(span_ns)]
        return [self._slice(span_ns)]

    def _slice(self, span_ns: int, *, flush: bool = False) -> list[Words]:
        """Lets `span_ns` go by; the words of each module."""
        crate = self.crate
        places = len(crate.modules) * crate.channels
        decays = int(self._random.poisson(self._decays_per_ns * span_ns))
        old = len(self._waiting[0])
        room = old + 2 * decays
        place, time, kev, tail = np.empty(room, np.int64), np.empty(room), np.empty(room), np.full(room, -1.0)
        for column, waiting in zip((place, time, kev, tail), self._waiting, strict=True):
            column[:old] = waiting
        count = hits.draw(
            self._random, decays, float(span_ns), self._tables, self._detector_of, crate.channels, place, time, kev, old
        )
        self.counts.hits += count - old
        starts = np.empty(places + 1, np.int64)
        ends, done, kept = np.empty((3, places), np.int64)
        columns = (np.empty(count), np.empty(count), np.empty(count))
        hits.sort_into_slots(place, time, kev, tail, count, starts, *columns)
        measured, flags = np.empty(count), np.empty(count, np.uint8)
        self.counts.dead += hits.settle(
            self._random, self._rules, float(span_ns), flush, starts, *columns, measured, flags, ends, done,
            self._last_ns, self._last_tail, self._before_ns, self._before_kev, self._decay_ns, crate.channels,
            self.hits_of, self.lost_of, kept,
        )  # fmt: skip
        found = records.Hits(*columns, measured, flags, starts, ends)
        self.records_of += kept
        block = self._write(span_ns, found, done, kept)
        self._keep(starts[:-1], done, ends, columns, span_ns)
        self._now_ns += span_ns
        return block

    def _write(self, span_ns: int, found: records.Hits, done: hits.Ints, kept: hits.Ints) -> list[Words]:
        """The words of each module's decided hits, with the faults that happen to them."""
        crate = self.crate
        modules = len(crate.modules)
        order = np.empty(int(kept.sum()), np.int64)
        counts = np.empty(modules, np.int64)
        bins = np.empty(int(span_ns / self._sweep_ns) + 3, np.int32)
        hits.sweep_order(
            found.time,
            found.flags,
            found.starts,
            done,
            crate.channels,
            self._rules.delay_ns,
            self._sweep_ns,
            bins,
            order,
            counts,
        )
        begins = np.concatenate([[0], np.cumsum((kept * self._lengths).reshape(modules, -1).sum(axis=1))])
        words = np.empty(int(begins[-1]), np.uint32)
        place_of = np.repeat(np.arange(len(done), dtype=np.uint16), np.diff(found.starts))
        records.write(
            words, words.view(np.float32), words.view(np.uint16), begins, self._forms, self._sums,
            float(crate.external_mhz), self._now_ns - self._origin_ns, self._now_ns, found, order, place_of,
            crate.channels, self._pulses, self._noise, self._random, self._line, self._scratch,
        )  # fmt: skip
        blocks = [
            self._damaged(words[begins[m] : begins[m + 1]], int(self._lengths[m * crate.channels]), span_ns)
            for m in range(modules)
        ]
        self.counts.events += len(order)
        self.counts.words += sum(len(block) for block in blocks)
        return blocks

    def _damaged(self, words: Words, record: int, span_ns: int) -> Words:
        if not len(words):
            return words
        for rate, damage in (
            (self.crate.corrupt_rate, faults.corrupt),
            (self.crate.truncate_rate, faults.truncate),
        ):
            if rate and self._fault_random.random() < 1e-9 * rate * span_ns:  # at most one a slice: 50/s
                words = damage(words, record, self._fault_random, self.counts)
        return words

    def _keep(
        self,
        starts: hits.Ints,
        done: hits.Ints,
        ends: hits.Ints,
        columns: tuple[hits.Floats, hits.Floats, hits.Floats],
        span_ns: int,
    ) -> None:
        """What is not decided waits for the next slice, in whose times it is before 0."""
        left = ends - done
        place = np.repeat(np.arange(len(starts)), left)
        rows = np.arange(len(place)) + np.repeat(done - np.cumsum(left) + left, left)
        time, kev, tail = (column[rows] for column in columns)
        self._waiting = (place, time - span_ns, kev, tail)
        self._last_ns -= span_ns
        self._before_ns -= span_ns

    def _joined(self, blocks: list[list[Words]]) -> dict[int, Words]:
        if len(blocks) == 1:
            return dict(enumerate(blocks[0]))
        nothing = np.empty(0, np.uint32)
        return {
            module: np.concatenate([nothing, *(block[module] for block in blocks)])
            for module in range(len(self.crate.modules))
        }


def sweep_ns(backwards: float, rate: float, paired: float, channels: int) -> float:
    """How long sweeps over the channels are so that a share `backwards` of the neighbours is out of time order.

    `rate` (1/ns) is that of a module, `paired` the share of its records that are second to a cascade partner, which has
    the same tick. Two neighbours of a sweep go backwards if they are of different decays and their channels are in the
    other order. Of m decays in a sweep, all but the first make such neighbours: m - 1 + exp(-m) on the average of
    Poisson's numbers, half of them in the other order.
    """
    half = 0.5 * (channels - 1) / channels
    low, high = 0.02, 50.0
    for _ in range(50):
        m = (low + high) / 2
        low, high = (m, high) if half * (m - 1 + np.exp(-m)) / m < backwards else (low, m)
    return float(min(SWEEP_NS, high / (1 - paired) / max(rate, 1e-15)))


def warm_up() -> None:
    """Compiles the loops, or loads them from the cache, so that the first data need not wait for it."""
    Simulation(Crate(), np.random.default_rng(0)).advance(SLICE_NS)
