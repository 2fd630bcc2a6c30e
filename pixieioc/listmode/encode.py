"""Columns to list-mode words: the inverse of the decoder, for simulated detectors and for tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Array, Events
from pixieioc.listmode.flags import FLAG_CFD_FORCED, FLAG_OUT_OF_RANGE, FLAG_PILEUP
from pixieioc.listmode.variant import (
    LONGEST_RECORD,
    PART_ESUM,
    PART_ETS,
    PART_QDC,
    SLOT_FIRST,
    SLOT_LAST,
    Bits,
    Variant,
)

Words = NDArray[np.uint32]


def encode(events: Events, layout: Variant) -> Words:
    """The list-mode words of `events` as a module with `layout` writes them, one record after the other.

    Columns that are absent are 0 (no optional block, no trace). Raises ValueError that names the column, the first
    event that does not fit and the allowed range: an energy with too many bits, a time that is no whole tick, a slot
    outside 2..14, a CFD time that the variant cannot express, a trace with an odd number of samples.
    """
    count = ev.size(events)
    absent = ev.allocate(ev.EXTRA_COLUMNS, count, zero=True)
    columns: Events = {**absent, **events}
    samples = np.asarray(events.get(ev.TRACES, np.empty(0)), np.uint16)
    parts, trace_length = columns["parts"].astype(np.int64), columns["trace_length"].astype(np.int64)
    header = 4 + 2 * parts
    length = header + trace_length // 2
    _check("parts", parts, 0, 7)
    _check("trace_length", trace_length, 0, layout.trace_length.mask, even=True)
    _check("trace_start", columns["trace_start"] + trace_length, 0, len(samples))
    _check("record length", length, 4, min(LONGEST_RECORD, layout.record_length.mask))

    base = np.zeros((count, 4), np.int64)
    _write_field(base, Bits(0, 12, 5), header)
    _write_field(base, layout.record_length, length)
    _write_field(base, layout.trace_length, trace_length)
    _write_field(base, layout.channel, columns["channel"], "channel")
    _check("slot", columns["slot"], SLOT_FIRST, SLOT_LAST)
    _write_field(base, layout.slot, columns["slot"])
    _write_field(base, layout.crate, columns["crate"], "crate")
    _write_field(base, layout.energy, columns["energy"], "energy")
    _write_field(base, layout.out_of_range, _flag(columns, FLAG_OUT_OF_RANGE))
    _write_field(base, Bits(0, 31, 1), _flag(columns, FLAG_PILEUP))
    _write_time(base, columns, layout)

    begins = np.concatenate([[0], np.cumsum(length)])
    words = np.zeros(int(begins[-1]), np.uint32)
    for j in range(4):
        words[begins[:-1] + j] = base[:, j]
    at = begins[:-1] + 4
    _write_block(words, at, parts & PART_ESUM, [*columns["esum"].T, columns["baseline"].astype("<f4").view("<u4")])
    at = at + np.where(parts & PART_ESUM, 4, 0)
    _write_block(words, at, parts & PART_QDC, list(columns["qdc"].T))
    at = at + np.where(parts & PART_QDC, 8, 0)
    _check("ets", columns["ets"].astype(np.int64), 0, 2**48 - 1)
    _write_block(words, at, parts & PART_ETS, [columns["ets"] & np.uint64(0xFFFFFFFF), columns["ets"] >> np.uint64(32)])
    at = at + np.where(parts & PART_ETS, 2, 0)
    halves = words.view("<u2")
    for i in np.flatnonzero(trace_length):
        start = int(columns["trace_start"][i])
        halves[2 * at[i] : 2 * at[i] + trace_length[i]] = samples[start : start + trace_length[i]]
    return words


def _write_time(base: NDArray[np.int64], columns: Events, layout: Variant) -> None:
    ticks, rest = np.divmod(columns["time"].astype(np.int64), layout.tick_ns)
    _check(f"time modulo the tick of {layout.tick_ns} ns", rest, 0, 0)
    _check("time in ticks", ticks, 0, 2**48 - 1)
    base[:, 1] = ticks & 0xFFFFFFFF
    base[:, 2] |= ticks >> 32
    forced = _flag(columns, FLAG_CFD_FORCED).astype(bool)
    scaled = columns["cfd"].astype(np.float64) * 32768
    units = np.where(forced, 0, np.round(scaled).astype(np.int64))
    _check("cfd in units of 1/32768 ns (a whole number)", np.where(forced, 0, np.abs(units - scaled) > 0), 0, 0)
    if layout.source_ns:
        whole = layout.source_ns * 32768
        # Positive steps (500 MHz): source = floor. Negative ones (250 MHz): the fraction adds to -4 ns * source.
        source = (units - layout.source_offset_ns * 32768) // whole if whole > 0 else -(units // -whole)
    else:
        source = np.zeros_like(units)
    fraction, inexact = np.divmod(
        units - 32768 * (layout.source_ns * source + layout.source_offset_ns), layout.cfd_unit
    )
    _check(f"cfd in steps of {layout.cfd_unit}/32768 ns", np.where(forced, 0, inexact), 0, 0)
    _check("CFD source", np.where(forced, 0, source), 0, layout.last_source)
    if layout.forced_value != 1:  # the source says so itself, with a value of its own (7)
        source, fraction = np.where(forced, layout.forced_value, source), np.where(forced, 0, fraction)
    else:
        source, fraction = np.where(forced, 0, source), np.where(forced, 0, fraction)
        if layout.cfd_forced.count:
            _write_field(base, layout.cfd_forced, forced)
        elif forced.any():
            raise ValueError(f"flags of event {int(np.argmax(forced))}: {layout} cannot say that a CFD was forced")
    _write_field(base, layout.cfd_source, source, "CFD source of cfd")
    _write_field(base, layout.cfd_fraction, fraction, "CFD fraction of cfd")


def _flag(columns: Events, bit: int) -> Array:
    return (columns["flags"] & bit != 0).astype(np.int64)


def _write_field(base: NDArray[np.int64], bits: Bits, values: Array, name: str = "") -> None:
    if name:
        _check(name, values.astype(np.int64), 0, bits.mask)
    base[:, bits.word] |= values.astype(np.int64) << bits.shift


def _write_block(words: Words, at: NDArray[np.int64], present: Array, columns: list[Array]) -> None:
    rows = np.flatnonzero(present)
    for j, column in enumerate(columns):
        words[at[rows] + j] = column[rows]


def _check(name: str, values: Array, low: int, high: int, *, even: bool = False) -> None:
    wrong = (values < low) | (values > high)
    if even:
        wrong |= values % 2 != 0
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ValueError(f"{name} of event {i} is {values[i]}: must be {low}..{high}{' and even' if even else ''}")
