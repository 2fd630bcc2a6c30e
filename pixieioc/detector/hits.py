"""Hits of channels, compiled: decays become hits, hits are sorted by channel, their neighbours decide what they become.

Times are ns from the start of a *slice* of time, energies keV. A *place* is a channel of the crate, counted through
all modules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixieioc.detector.crate import Channel
from pixieioc.detector.response import QUANTILES, REFERENCE_KEV, Detector, continuum
from pixieioc.detector.sources import Emission
from pixieioc.listmode.flags import FLAG_CFD_FORCED, FLAG_PILEUP
from pixieioc.listmode.jit import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Cascade partners come within so many ns.
CASCADE_NS = 1.5
#: FWHM of a normal distribution in standard deviations.
FWHM = 2.3548
#: Marks a hit whose energy is not known for pileup, and one that has no record.
NO_ENERGY, NO_RECORD = 8, 16
#: Which hits have records, if not all (RejectPileup of CHANNEL_CSRA).
SINGLE_ONLY, WITHOUT_ENERGY, PILEUP_ONLY = 1, 2, 3


class Tables(NamedTuple):
    """Emissions and deposits as compiled code takes them: rows are emissions, lines, or detectors by lines."""

    cumulated: Floats
    first: Ints
    second: Ints
    kev: Floats
    photopeak: Floats
    continuum: NDArray[np.float32]
    sigma: Floats


def tables(emissions: Sequence[Emission], detectors: Sequence[Detector]) -> Tables:
    """The tables of a source in front of detectors; a module's detector is its index in `detectors`."""
    emissions = sorted(emissions, key=lambda emission: -emission.share)  # the frequent ones are found first
    lines = sorted({e.first for e in emissions} | {e.second for e in emissions if e.second is not None})
    shares = np.cumsum([e.share for e in emissions])
    return Tables(
        shares / shares[-1],
        np.array([lines.index(e.first) for e in emissions]),
        np.array([-1 if e.second is None else lines.index(e.second) for e in emissions]),
        np.array(lines),
        np.array([[d.photopeak_share(kev) if kev else 0.0 for kev in lines] for d in detectors]),
        np.array([[continuum(d, kev) for kev in lines] for d in detectors]),
        np.array([d.fwhm(REFERENCE_KEV) / REFERENCE_KEV**0.5 / FWHM for d in detectors]),
    )


class Rules(NamedTuple):
    """What becomes of hits, by place; `delay_ns`: time from a hit until all that its record tells has happened;
    `tails`: whether a record tells of what earlier pulses left."""

    threshold_kev: Floats
    fast_ns: Floats
    dead_ns: Floats
    pileup_ns: Floats
    reject: Ints
    good: NDArray[np.bool_]
    cfd_from_kev: Floats
    cfd_fails_kev: Floats
    delay_ns: float
    tails: bool


def rules(channels: Sequence[Channel], delay_ns: float, *, tails: bool) -> Rules:
    """The rules of channels, place by place."""

    def each(of: Callable[[Channel], float]) -> Floats:
        return np.array([of(channel) for channel in channels], np.float64)

    return Rules(
        each(lambda channel: channel.threshold_kev if channel.seen else np.inf),
        each(lambda channel: 1e3 * channel.fast_us),
        each(lambda channel: 1e3 * channel.dead_us),
        each(lambda channel: channel.pileup_ns),
        each(lambda channel: channel.reject).astype(np.int64),
        each(lambda channel: channel.good) > 0,
        each(lambda channel: channel.cfd_from_kev),
        each(lambda channel: channel.cfd_fails_kev),
        delay_ns,
        tails,
    )


@compiled
def deposit(random: np.random.Generator, table: Tables, detector: int, line: int) -> float:
    """The measured energy of one photon in a detector."""
    if random.random() < table.photopeak[detector, line]:
        kev = table.kev[line]
    else:
        place = random.random() * (QUANTILES - 1)
        i = int(place)
        low, high = table.continuum[detector, line, i], table.continuum[detector, line, i + 1]
        kev = low + (place - i) * (high - low)
    return max(0.0, kev + table.sigma[detector] * np.sqrt(kev) * random.standard_normal())


@compiled
def draw(
    random: np.random.Generator,
    decays: int,
    span_ns: float,
    table: Tables,
    detector_of: Ints,
    channels: int,
    place: Ints,
    time: Floats,
    kev: Floats,
    count: int,
) -> int:
    """Writes the hits of `decays` decays within a slice behind the first `count` ones; returns how many there are.

    Intervals are exponential, scaled to the slice: the order statistics of a uniform distribution.
    """
    begins = np.empty(decays)
    total = 0.0
    for i in range(decays):
        total += random.standard_exponential()
        begins[i] = total
    scale = span_ns / (total + random.standard_exponential())
    places = channels * len(detector_of)
    for i in range(decays):
        share = random.random()
        row = 0
        while share >= table.cumulated[row]:
            row += 1
        at = int(random.random() * places)
        place[count], time[count] = at, begins[i] * scale
        kev[count] = deposit(random, table, detector_of[at // channels], table.first[row])
        count += 1
        if table.second[row] >= 0 and places > 1:
            at = (at + 1 + int(random.random() * (places - 1))) % places
            place[count], time[count] = at, begins[i] * scale + CASCADE_NS * random.random()
            kev[count] = deposit(random, table, detector_of[at // channels], table.second[row])
            count += 1
    return count


@compiled
def sort_into_slots(
    place: Ints,
    time: Floats,
    kev: Floats,
    tail: Floats,
    count: int,
    starts: Ints,
    time_out: Floats,
    kev_out: Floats,
    tail_out: Floats,
) -> None:
    """Hits in the order of places, then time; those of place p are `starts[p]` to `starts[p + 1]`."""
    starts[:] = 0
    for i in range(count):
        starts[place[i] + 1] += 1
    for p in range(len(starts) - 1):
        starts[p + 1] += starts[p]
    ends = starts.copy()
    for i in range(count):
        p = place[i]
        at = ends[p]
        ends[p] += 1
        # A cascade partner may come a little before a hit that was drawn earlier.
        while at > starts[p] and time_out[at - 1] > time[i]:
            time_out[at], kev_out[at], tail_out[at] = time_out[at - 1], kev_out[at - 1], tail_out[at - 1]
            at -= 1
        time_out[at], kev_out[at], tail_out[at] = time[i], kev[i], tail[i]


@compiled
def settle(
    random: np.random.Generator,
    rules: Rules,
    limit_ns: float,
    flush: bool,
    starts: Ints,
    time: Floats,
    kev: Floats,
    tail: Floats,
    measured: Floats,
    flags: NDArray[np.uint8],
    ends: Ints,
    done: Ints,
    last_ns: Floats,
    last_tail: Floats,
    before_ns: Floats,
    before_kev: Floats,
    decay_ns: Floats,
    channels: int,
    seen: Ints,
    lost_of: Ints,
    kept: Ints,
) -> int:
    """Loses hits to dead time, and decides those that are `delay_ns` old at `limit_ns` (all with `flush`).

    Place p keeps hits `starts[p]` to `ends[p]`; those before `done[p]` are decided: their `measured` energy (keV) and
    `flags`. A negative `tail` marks a new hit; it becomes what earlier pulses left on the baseline (keV). `last_ns` and
    `last_tail` are time and tail, with its own pulse, of the last hit of a place; `before_ns` and `before_kev` are time
    and energy of the last one that was decided, which is the neighbour of the first that was not. `seen` and `lost_of`
    count the new hits of each place that the fast filter sees, and those of them that are lost; `kept` become records.
    Returns the number of lost hits.
    """
    lost = 0
    for p in range(len(starts) - 1):
        begin = end = starts[p]
        decay = decay_ns[p // channels]
        for i in range(begin, starts[p + 1]):
            if tail[i] >= 0:  # has waited for its neighbours
                time[end], kev[end], tail[end] = time[i], kev[i], tail[i]
                end += 1
                continue
            gap = time[i] - last_ns[p]
            if kev[i] < rules.threshold_kev[p] or gap < rules.fast_ns[p]:
                continue
            seen[p] += 1
            if gap < rules.dead_ns[p]:
                lost += 1
                lost_of[p] += 1
                continue
            time[end], kev[end] = time[i], kev[i]
            tail[end] = last_tail[p] * np.exp(-max(0.0, gap) / decay) if rules.tails else 0.0
            last_ns[p], last_tail[p] = time[end], tail[end] + kev[end]
            end += 1
        ends[p] = end
        kept[p] = 0
        pileup_ns, reject, cfd_fails_kev = rules.pileup_ns[p], rules.reject[p], rules.cfd_fails_kev[p]
        i = begin
        while i < end and (flush or time[i] + rules.delay_ns <= limit_ns):
            energy, flag = kev[i], 0
            if time[i] - before_ns[p] < pileup_ns:
                energy += before_kev[p] * (1 - (time[i] - before_ns[p]) / pileup_ns)
                flag = FLAG_PILEUP
            if i + 1 < end and time[i + 1] - time[i] < pileup_ns:
                energy += kev[i + 1] * (1 - (time[i + 1] - time[i]) / pileup_ns)
                flag = FLAG_PILEUP
            piled = flag != 0
            if piled and (random.random() < 0.5 or reject == WITHOUT_ENERGY):
                flag |= NO_ENERGY
            if cfd_fails_kev > 0 and random.standard_exponential() > kev[i] / cfd_fails_kev:
                flag |= FLAG_CFD_FORCED
            if kev[i] < rules.cfd_from_kev[p]:
                flag |= FLAG_CFD_FORCED
            if not rules.good[p] or (piled and reject == SINGLE_ONLY) or (not piled and reject == PILEUP_ONLY):
                flag |= NO_RECORD
            else:
                kept[p] += 1
            measured[i], flags[i] = energy, flag
            before_ns[p], before_kev[p] = time[i], kev[i]
            i += 1
        done[p] = i
    return lost


@compiled
def sweep_order(
    time: Floats,
    flags: NDArray[np.uint8],
    starts: Ints,
    done: Ints,
    channels: int,
    delay_ns: float,
    sweep_ns: float,
    bins: NDArray[np.int32],
    order: Ints,
    counts: Ints,
) -> None:
    """The order in which records come, module by module: sweeps over the channels, each of which is emptied in turn.

    Hits `starts[p]` to `done[p]` of place p have a record unless marked, `delay_ns` after the hit; `counts[m]` of
    them are of module m. `bins` is room for one number a sweep, and one more.
    """
    last = len(bins) - 2
    first = 0
    for m in range(len(counts)):
        bins[:] = 0
        bins[0] = first
        for p in range(m * channels, (m + 1) * channels):
            for i in range(starts[p], done[p]):
                if flags[i] & NO_RECORD:
                    continue
                bins[1 + max(0, min(last, int((time[i] + delay_ns) / sweep_ns)))] += 1
        for b in range(last + 1):
            bins[b + 1] += bins[b]
        counts[m] = bins[last + 1] - first
        first = bins[last + 1]
        for p in range(m * channels, (m + 1) * channels):
            for i in range(starts[p], done[p]):
                if flags[i] & NO_RECORD:
                    continue
                b = max(0, min(last, int((time[i] + delay_ns) / sweep_ns)))
                order[bins[b]] = i
                bins[b] += 1
