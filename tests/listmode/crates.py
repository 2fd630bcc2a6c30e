"""Random crates whose events come in any pieces, and what the order of time must do with them, in plain Python."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.listmode.flags import FLAG_LATE
from pixieioc.listmode.order import Stretch, TimeOrder

SECOND = 1_000_000_000
WINDOW = 100_000
RESET = 20 * SECOND
#: What a 250 MHz module counts to, ns.
WRAP = 8 << 48


@dataclass
class Module:
    """What one module sends: true times and periods in the order of its stream, and the records that are wrong."""

    times: list[int]
    periods: list[int]
    wrong: set[int] = field(default_factory=set[int])  #: places whose time is not true

    def events(self, module: int, begin: int, end: int, shown: list[int]) -> Events:
        """Some events as they come; their energies and crates tell their places in the stream."""
        events = ev.allocate(ev.BASE_COLUMNS, end - begin, zero=True)
        events["time"][:] = shown[begin:end]
        events["module"][:] = module
        places = np.arange(begin, end)
        events["energy"][:], events["crate"][:] = places & 0xFFFF, places >> 16
        events["cfd"][:] = (places * 7919 + module) % 5 / 4  # ties, and orders within a nanosecond
        return events


def stream(random: np.random.Generator, count: int, rate: float, start: int = 0) -> list[int]:
    """Poisson times, ns, out of order by less than the window, by one place or more."""
    times = start + np.cumsum(random.exponential(1e9 / rate, count)).astype(np.int64)
    arrival = times + np.where(random.random(count) < 0.2, random.integers(0, WINDOW * 9 // 10, count), 0)
    return times[np.argsort(arrival, kind="stable")].tolist()


def cuts(random: np.random.Generator, modules: list[Module], shown: list[list[int]], pieces: int) -> list[Events]:
    """Blocks in which every module is read on by any number of events, together all of them."""
    ends = [[*sorted(random.integers(0, len(m.times) + 1, pieces - 1).tolist()), len(m.times)] for m in modules]
    blocks: list[Events] = []
    begins = [0] * len(modules)
    for piece in range(pieces):
        parts: list[Events] = []
        for module in random.permutation(len(modules)).tolist():
            end = ends[module][piece]
            parts.append(modules[module].events(module, begins[module], end, shown[module]))
            begins[module] = end
        blocks.append(ev.concatenate(parts))
    return blocks


def ordered(blocks: list[Events], modules: int, order: TimeOrder | None = None) -> list[Stretch]:
    """All that comes out of recorded data."""
    order = order or TimeOrder(WINDOW, 10**9, RESET)
    out = order.begin(range(modules))
    for block in blocks:
        out += order.feed(block, np.unique(block["module"]).tolist())
    return out + order.finish()


def rows(stretches: list[Stretch]) -> list[tuple[int, int, int, bool]]:
    """Period, module, place in the module's stream and whether it is late, of each event that came out."""
    found: list[tuple[int, int, int, bool]] = []
    for stretch in stretches:
        e = stretch.events
        places = (e["energy"].astype(int) + (e["crate"].astype(int) << 16)).tolist()
        late = (e["flags"] & FLAG_LATE > 0).tolist()
        found += zip(itertools.repeat(stretch.period), e["module"].tolist(), places, late, strict=False)
    return found


def model(modules: list[Module], shown: list[list[int]]) -> list[tuple[int, int, int]]:
    """What must come out: sorted by period, time and CFD, module, place; without the records that are wrong."""
    keyed: list[tuple[int, int, float, int, int]] = []
    for number, module in enumerate(modules):
        for place, (period, time) in enumerate(zip(module.periods, shown[number], strict=True)):
            if place not in module.wrong:
                cfd = (place * 7919 + number) % 5 / 4
                keyed.append((period, time * 4 + round(cfd * 4), 0.0, number, place))
    return [(period, module, place) for period, _, _, module, place in sorted(keyed)]
