"""The shape of a pulse in an ADC."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixieioc.detector.response import Detector

#: The usual ADC has 14 bits; its baseline and noise (standard deviation) are in its units.
ADC_TOP, BASELINE, NOISE = 16383, 1750, 4.0
#: Pulses begin anywhere between two samples, in so many steps.
PHASES = 32
#: Samples of noise, from which each trace takes a piece at random.
NOISE_SAMPLES = 1 << 16


def unit_pulse(detector: Detector, since_ns: NDArray[np.float64]) -> NDArray[np.float64]:
    """(1 - exp(-t / rise)) exp(-t / decay), scaled to 1 at its highest."""
    return (1 - np.exp(-since_ns / detector.rise_ns)) * np.exp(-since_ns / detector.decay_ns) * scale(detector)


def scale(detector: Detector) -> float:
    """What makes the highest point of a pulse 1: far behind it, the pulse is that times exp(-t / decay)."""
    rise, decay = detector.rise_ns, detector.decay_ns
    highest = rise * np.log1p(decay / rise)
    return float(np.exp(highest / decay) / (1 - np.exp(-highest / rise)))


def sampled(detector: Detector, period_ns: float, samples: int) -> NDArray[np.float32]:
    """Pulses that began 0, 1/32, 2/32 ... of a sample before the first of their samples, one a row."""
    since = (np.arange(samples) + np.arange(PHASES)[:, None] / PHASES) * period_ns
    return unit_pulse(detector, since).astype(np.float32)


def noise(random: np.random.Generator, longest: int) -> NDArray[np.float32]:
    """The noise of a baseline, from which that of traces of at most `longest` samples can be taken."""
    return random.normal(0, NOISE, NOISE_SAMPLES + longest).astype(np.float32)
