"""What the records of each module look like, as compiled code takes it: one row of numbers a module."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple, cast, get_type_hints

import numpy as np

from pixieioc.detector import pulse
from pixieioc.detector.crate import Crate
from pixieioc.listmode.variant import SLOT_FIRST, Bits

#: QDC sums without traces are those of a trace that is so long.
QDC_US = 1.0


class Form(NamedTuple):
    """One module. The first word without channel and flags, the bits that say trace length, out of range and failed
    CFD; how a time is told; the samples of its traces, and whether they are written or only summed.

    Times within a tick are in 1/32768 ns; `lowest_ns` is the earliest of a tick. `height`: ADC units a keV; `tail`:
    those far behind a pulse of 1 keV, extrapolated to its begin; `fall`: their factor a sample.
    """

    length: int
    first_word: int
    trace_bits: int
    range_first: int
    range_last: int
    failed_bits: int
    energy_mask: int
    tick_ns: int
    lowest_ns: int
    source_offset: int
    source_scale: int
    source_shift: int
    sources: int
    cfd_unit: int
    cfd_mask: int
    samples: int
    traced: int
    pulse_at: int
    period_ns: float
    height: float
    tail: float
    fall: float
    rise_samples: int
    gap_samples: int


#: An array with one record a module.
Forms = Sequence[Form]


def forms(crate: Crate) -> list[Form]:
    """The modules of a crate; their pulses stand one behind the other."""
    rows: list[Form] = []
    pulse_at = 0
    for number, module in enumerate(crate.modules):
        layout, sensor = module.layout, module.sensor
        written = crate.samples(module)
        samples = written or (2 * round(QDC_US * module.adc_mhz / 2) if crate.qdc else 0)
        header = 4 + 2 * crate.parts
        length = header + written // 2
        scale = layout.source_ns * 32768
        height = (pulse.ADC_TOP - pulse.BASELINE) / crate.full_scale_kev
        period = 1e3 / module.adc_mhz
        # A CFD that failed is said by a bit of its own, by the highest source, or not at all.
        failed = layout.forced_value << layout.cfd_forced.shift if layout.cfd_forced.count else 0
        rows.append(
            Form(
                length,
                length << layout.record_length.shift | header << 12 | (SLOT_FIRST + number) << layout.slot.shift,
                written << layout.trace_length.shift,
                _bit(layout.out_of_range, 0),
                _bit(layout.out_of_range, 3),
                failed,
                layout.energy.mask,
                layout.tick_ns,
                layout.source_offset_ns + min(0, layout.source_ns * layout.last_source),
                layout.source_offset_ns * 32768,
                scale,
                layout.cfd_source.shift,
                layout.last_source,
                layout.cfd_unit,
                layout.cfd_fraction.mask,
                samples,
                int(written > 0),
                pulse_at,
                period,
                height,
                height * pulse.scale(sensor),
                float(np.exp(-period / sensor.decay_ns)),
                round(crate.rise_us * module.adc_mhz),
                round(crate.flat_top_us * module.adc_mhz),
            )
        )
        pulse_at += pulse.PHASES * samples
    return rows


def as_table(rows: list[Form]) -> Forms:
    """The rows for compiled code."""
    return cast(Forms, np.array(rows, _types()))


@functools.cache
def _types() -> list[tuple[str, type]]:
    return [(name, np.float64 if of is float else np.int64) for name, of in get_type_hints(Form).items()]


def _bit(bits: Bits, word: int) -> int:
    return 1 << bits.shift if bits.word == word else 0
