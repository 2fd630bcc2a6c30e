"""Crates that run for a test, and what a decoder makes of their words."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.detector.crate import Channel, Crate, Module
from pixieioc.detector.pulse import ADC_TOP, BASELINE
from pixieioc.detector.simulation import Simulation
from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.listmode.stream import Decoder, StreamCounts

Words = NDArray[np.uint32]
MODULE = (Module(),)
#: The trigger is at this share of the traces.
TRIGGER = 0.3
_OF_CHANNELS = {field.name for field in fields(Channel)}


def crate(
    modules: tuple[Module, ...] = MODULE, *, qdc: bool = False, full_scale_kev: float = 3000.0, **settings: Any
) -> Crate:
    """A crate whose channels are all alike; `qdc`: sums of eighths of the trace, or of 1 us."""
    of_channels = {name: settings.pop(name) for name in _OF_CHANNELS & settings.keys()}
    trace_us = of_channels.get("trace_us", 0.0)
    sums = ((trace_us or 1.0) / 8,) * 8 if qdc else ()
    height = (ADC_TOP - BASELINE) / full_scale_kev
    channel = Channel(**{"delay_us": TRIGGER * (trace_us or 1.0), "qdc_us": sums, "adc_per_kev": height, **of_channels})
    return Crate(tuple(replace(module, settings=(channel,)) for module in modules), **settings)


@dataclass
class Run:
    simulation: Simulation
    words: dict[int, Words]
    events: Events
    decoded: dict[int, StreamCounts]

    @property
    def time(self) -> NDArray[np.float64]:
        """Times with their CFD part, ns."""
        return self.events["time"] + self.events["cfd"].astype(float)


def words_of(
    crate: Crate, ends: list[float], seed: int = 1, *, finish: bool = True
) -> tuple[Simulation, dict[int, Words]]:
    """The words of read-outs at the times `ends`, in s."""
    simulation = Simulation(crate, np.random.default_rng(seed))
    blocks = [simulation.advance(int(1e9 * end)) for end in ends]
    if finish:
        blocks.append(simulation.finish(int(1e9 * ends[-1])))
    return simulation, {m: np.concatenate([block[m] for block in blocks]) for m in range(len(crate.modules))}


def run(seconds: float, modules: tuple[Module, ...] = MODULE, seed: int = 1, **settings: Any) -> Run:
    """A crate that ran for so long, decoded."""
    simulation, words = words_of(crate(modules, **settings), [seconds], seed)
    decoders = {m: Decoder(module.layout, m) for m, module in enumerate(modules)}
    chunks = [chunk for m, decoder in decoders.items() for chunk in [*decoder.feed(words[m]), *decoder.finish()]]
    return Run(simulation, words, ev.concatenate(chunks), {m: decoder.counts for m, decoder in decoders.items()})


@functools.cache
def busy() -> Run:
    """16 channels at 20 000/s, which several tests look at; do not change it."""
    return run(1.0, channels=16, channel_rate=20_000.0)
