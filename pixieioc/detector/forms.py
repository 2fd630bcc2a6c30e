"""What the records of each channel look like, as compiled code takes it: one row of numbers a channel."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple, cast, get_type_hints

import numpy as np
from numpy.typing import NDArray

from pixieioc.detector import pulse
from pixieioc.detector.crate import Channel, Crate, Module
from pixieioc.listmode.variant import SLOT_FIRST, Bits

#: Sums of the QDC.
SUMS = 8
#: Samples behind which no signal is looked at: no module has room for longer traces.
LONGEST = 32768


class Form(NamedTuple):
    """One channel. The first word without flags, the bits that say trace length, out of range and failed CFD; how
    a time is told; the samples that are looked at, those of them that are `written`, and where the trigger is.

    Times within a tick are in 1/32768 ns; `lowest_ns` is the earliest of a tick. `height`: ADC units a keV; `tail`:
    those far behind a pulse of 1 keV, extrapolated to its begin; `fall`: their factor a sample.
    """

    length: int
    header: int
    parts: int
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
    cfd: int
    cfd_unit: int
    cfd_mask: int
    samples: int
    written: int
    trigger: int
    pulse_at: int
    gain: float
    period_ns: float
    top: float
    baseline: float
    height: float
    tail: float
    fall: float
    rise_samples: int
    gap_samples: int


#: An array with one record a channel.
Forms = Sequence[Form]


class Shapes:
    """The pulses that records are made of, one kind behind the other, each kind once."""

    def __init__(self) -> None:
        self.parts: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
        self._at: dict[tuple[str, int, int], int] = {}
        self._end = 0

    def at(self, module: Module, samples: int) -> int:
        """Where those of a module's detector begin."""
        key = module.detector, module.adc_mhz, samples
        if key not in self._at:
            self._at[key] = self._end
            self.parts.append(pulse.sampled(module.sensor, 1e3 / module.adc_mhz, samples).ravel())
            self._end += pulse.PHASES * samples
        return self._at[key]


def forms(crate: Crate, shapes: Shapes) -> list[Form]:
    """The channels of a crate, module by module."""
    return [
        _form(module, module.slot or SLOT_FIRST + number, channel, module.channel(channel), shapes)
        for number, module in enumerate(crate.modules)
        for channel in range(crate.channels)
    ]


def qdc_samples(settings: Channel, adc_mhz: int) -> list[int]:
    """Samples of each sum of the QDC, as far as a memory for traces reaches."""
    ends = [min(round(us * adc_mhz), LONGEST) for us in accumulate(settings.qdc_us, initial=0.0)]
    return [end - begin for begin, end in pairwise(ends)] or [0] * SUMS


def _form(module: Module, slot: int, channel: int, settings: Channel, shapes: Shapes) -> Form:
    layout, sensor, mhz = module.layout, module.sensor, module.adc_mhz
    written = settings.samples(mhz)
    samples = max(written, sum(qdc_samples(settings, mhz)))
    header = 4 + 2 * settings.parts
    length = header + written // 2
    period = 1e3 / mhz
    place = channel << layout.channel.shift | slot << layout.slot.shift | module.crate << layout.crate.shift
    return Form(
        length,
        header,
        settings.parts,
        length << layout.record_length.shift | header << 12 | place,
        written << layout.trace_length.shift,
        _bit(layout.out_of_range, 0),
        _bit(layout.out_of_range, 3),
        # A CFD that failed is said by a bit of its own, by the highest source, or not at all.
        layout.forced_value << layout.cfd_forced.shift if layout.cfd_forced.count else 0,
        layout.energy.mask,
        layout.tick_ns,
        layout.source_offset_ns + min(0, layout.source_ns * layout.last_source),
        layout.source_offset_ns * 32768,
        layout.source_ns * 32768,
        layout.cfd_source.shift,
        layout.last_source,
        int(settings.cfd),
        layout.cfd_unit,
        layout.cfd_fraction.mask,
        samples,
        written,
        min(int(settings.delay_us * mhz + 1e-6), samples),
        shapes.at(module, samples),
        settings.gain,
        period,
        2.0**module.adc_bits - 1,
        settings.baseline,
        settings.adc_per_kev,
        settings.adc_per_kev * pulse.scale(sensor),
        float(np.exp(-period / sensor.decay_ns)),
        round(settings.rise_us * mhz),
        round(settings.flat_top_us * mhz),
    )


def as_table(rows: list[Form]) -> Forms:
    """The rows for compiled code."""
    return cast(Forms, np.array(rows, _types()))


@functools.cache
def _types() -> list[tuple[str, type]]:
    return [(name, np.float64 if of is float else np.int64) for name, of in get_type_hints(Form).items()]


def _bit(bits: Bits, word: int) -> int:
    return 1 << bits.shift if bits.word == word else 0
