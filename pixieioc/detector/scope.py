"""What the ADC of a channel sees: pulses on its baseline, whether or not anything triggers on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixieioc.detector import hits, pulse
from pixieioc.detector.crate import Crate, Module
from pixieioc.detector.sources import emissions

#: No more pulses than this are drawn into a trace, however long it is.
MOST_PULSES = 1000


def adc_trace(
    crate: Crate, module: Module, channel: int, samples: int, step_ns: float, random: np.random.Generator
) -> NDArray[np.uint16]:
    """A trace of a channel, `step_ns` between its samples."""
    settings, span_ns = module.channel(channel), samples * step_ns
    seen = hits.tables(emissions(crate.sources, crate.background, 0.0), [module.sensor])
    count = int(random.poisson(min(1e-9 * crate.channel_rate * span_ns, MOST_PULSES)))
    place, begins, kev = np.empty(count, np.int64), np.empty(count), np.empty(count)
    hits.draw(random, count, span_ns, seen, np.zeros(1, np.int64), 1, place, begins, kev, 0)
    times = np.arange(samples) * step_ns
    values = settings.baseline + pulse.NOISE * random.normal(size=samples)
    for begin, energy in zip(begins, kev, strict=True):
        first = int(np.searchsorted(times, begin))
        values[first:] += settings.adc_per_kev * energy * pulse.unit_pulse(module.sensor, times[first:] - begin)
    return np.clip(values, 0, 2**module.adc_bits - 1).astype(np.uint16)
