"""Decided hits to list-mode words, compiled: what `listmode.encode` does for columns, without making columns.

Both follow the table of variants; a test holds them equal. Compiled code that is called from compiled code is in the
same file: numba's cache only sees that file change.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixieioc.detector.forms import SUMS, Form, Forms
from pixieioc.detector.hits import NO_ENERGY, Floats, Ints
from pixieioc.detector.pulse import NOISE_SAMPLES, PHASES
from pixieioc.listmode.events import Array
from pixieioc.listmode.flags import FLAG_CFD_FORCED, FLAG_PILEUP
from pixieioc.listmode.jit import compiled
from pixieioc.listmode.variant import PART_ESUM, PART_ETS, PART_QDC


class Hits(NamedTuple):
    """The hits of a slice by place; those of place p that are still known are `starts[p]` to `ends[p]`."""

    time: Array
    kev: Array
    tail: Array
    measured: Array
    flags: Array
    starts: Array
    ends: Array


@compiled
def time_words(form: Form, since_ns: float, start_tick: int, start_ns: int, failed: bool) -> tuple[int, int]:
    """Words 1 and 2 of a hit `since_ns` after `start_tick` and `start_ns`, less than a tick: the tick, and where in it
    the CFD saw the pulse."""
    whole = np.floor(since_ns)
    # Divisions of whole numbers as floats: exact at this size, and much faster than those of integers.
    tick = np.floor((whole + (start_ns - form.lowest_ns)) / form.tick_ns)
    told = form.failed_bits if form.cfd else 0
    if form.cfd and not failed:
        units = int((whole + start_ns - tick * form.tick_ns + (since_ns - whole)) * 32768) - form.source_offset
        source = 0
        if form.source_scale > 0:
            source = int(units / form.source_scale)
        elif units < 0:
            source = 1
        # Where 250 MHz firmware names no source, the second half of a tick cannot be told.
        fraction = min(int((units - source * form.source_scale) / form.cfd_unit), form.cfd_mask)
        told = fraction << 16 | source << form.source_shift
    ticks = (start_tick + int(tick)) & 0xFFFF_FFFF_FFFF
    return ticks & 0xFFFFFFFF, ticks >> 32 | told


@compiled
def digitise(
    form: Form,
    pulses: NDArray[np.float32],
    noise: NDArray[np.float32],
    random: np.random.Generator,
    time: Floats,
    kev: Floats,
    tail: Floats,
    begin: int,
    end: int,
    i: int,
    phase_ns: float,
    line: NDArray[np.float32],
    out: NDArray[np.uint16],
) -> bool:
    """Writes the trace of hit `i` to `out`; true if the ADC was out of range.

    `begin` to `end` are the hits of its channel that are still known, in time order; `phase_ns` is where the slice
    began in the ADC's clock; `line` is room for the samples.
    """
    count = form.samples
    offset = int(random.random() * NOISE_SAMPLES)
    baseline = np.float32(form.baseline)
    for k in range(count):
        line[k] = noise[offset + k] + baseline
    first = np.floor((time[i] + phase_ns) / form.period_ns) - form.trigger  # the first sample, in the ADC's clock
    j = i
    while j > begin and (time[j - 1] + phase_ns) / form.period_ns >= first:
        j -= 1
    left = tail[j] * form.tail * form.fall ** (first - (time[j] + phase_ns) / form.period_ns)
    if left > 0.5:
        fall = form.fall
        for k in range(count):
            line[k] += np.float32(left)
            left *= fall
    while j < end:
        place = (time[j] + phase_ns) / form.period_ns - first
        start = int(np.ceil(place))
        if start >= count:
            break
        pulse = pulses[form.pulse_at + int((start - place) * PHASES) * count :]
        height = np.float32(kev[j] * form.height)
        for k in range(count - start):
            line[start + k] += height * pulse[k]
        j += 1
    top, bottom = np.float32(form.top), np.float32(0)
    clipped = 0
    for k in range(count):  # written so that the compiler does several samples at once
        value = line[k]
        clipped += value > top
        value = top if value > top else value
        value = bottom if value < bottom else value
        out[k] = np.uint16(np.int32(value))
    return clipped > 0


@compiled
def write(
    words: NDArray[np.uint32],
    floats: NDArray[np.float32],
    halves: NDArray[np.uint16],
    begins: Ints,
    forms: Forms,
    sums: Ints,
    external_mhz: float,
    counter_ns: int,
    clock_ns: int,
    hits: Hits,
    order: Ints,
    place_of: NDArray[np.uint16],
    channels: int,
    pulses: NDArray[np.float32],
    noise: NDArray[np.float32],
    random: np.random.Generator,
    line: NDArray[np.float32],
    scratch: NDArray[np.uint16],
) -> None:
    """Writes the records of the hits in `order`, module by module; those of module m begin at word `begins[m]`.

    `words`, `floats` and `halves` are the same memory. The slice began at `counter_ns` of the modules' counters and
    `clock_ns` of the other clocks. `sums`: samples of each sum of the QDC, by place, one behind the
    other. Energy sums: trailing and leading over the filter's rise time, gap over its flat top, in ADC units;
    (leading - trailing) / samples is the height of the pulse, also where pileup spoilt the energy.
    """
    phase_ns = float(clock_ns % 1000)
    j = 0
    for m in range(len(begins) - 1):
        tick_ns = forms[m * channels].tick_ns
        start_tick = counter_ns // tick_ns
        start_ns = counter_ns - start_tick * tick_ns
        at = begins[m]
        while at < begins[m + 1]:
            i, place = int(order[j]), int(place_of[order[j]])
            j += 1
            form = forms[place]
            header, parts = form.header, form.parts
            flags = hits.flags[i]
            clipped = (hits.kev[i] + hits.tail[i]) * form.height > form.top - form.baseline
            if form.samples:
                out = halves[2 * (at + header) : 2 * (at + form.length)] if form.written == form.samples else scratch
                clipped = digitise(
                    form, pulses, noise, random, hits.time, hits.kev, hits.tail, hits.starts[place],
                    hits.ends[place], i, phase_ns, line, out,
                )  # fmt: skip
                if form.written < form.samples:
                    halves[2 * (at + header) : 2 * (at + form.length)] = out[: form.written]
                if parts & PART_QDC:
                    end = 0
                    for k in range(SUMS):
                        begin, end, total = end, end + sums[place, k], 0
                        piece = out[begin:end]
                        for n in range(len(piece)):
                            total += piece[n]
                        words[at + (8 if parts & PART_ESUM else 4) + k] = total
            w0 = form.first_word
            w3 = form.trace_bits
            if not flags & NO_ENERGY:
                w3 |= min(int(hits.measured[i] * form.gain + 0.5), form.energy_mask)
            if flags & FLAG_PILEUP:
                w0 |= 1 << 31
            if clipped:
                w0 |= form.range_first
                w3 |= form.range_last
            w1, w2 = time_words(form, hits.time[i], start_tick, start_ns, flags & FLAG_CFD_FORCED != 0)
            words[at], words[at + 1], words[at + 2], words[at + 3] = w0, w1, w2, w3
            if parts & PART_ESUM:
                base = form.baseline + hits.tail[i] * form.height
                height = hits.kev[i] * form.height
                words[at + 4] = int(form.rise_samples * base)
                words[at + 5] = int(form.rise_samples * base) + int(form.rise_samples * height)
                words[at + 6] = int(form.gap_samples * (base + height / 2))
                floats[at + 7] = base
            if parts & PART_ETS:
                stamp = int((clock_ns + hits.time[i]) * 1e-3 * external_mhz) & 0xFFFF_FFFF_FFFF
                words[at + header - 2], words[at + header - 1] = stamp & 0xFFFFFFFF, stamp >> 32
            at += form.length
