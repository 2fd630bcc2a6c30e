"""The order of time against a model in plain Python: any crate, read in any pieces, in the one right order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pixieioc.listmode import events as ev
from pixieioc.listmode.order import Stretch, TimeOrder
from tests.listmode.crates import RESET, SECOND, WINDOW, WRAP, Module, cuts, model, ordered, rows, stream
from tests.soak import SOAK

RATES = st.sampled_from([1.0, 30.0, 1000.0, 50_000.0, 1e6])


def _right(modules: list[Module], shown: list[list[int]], out: list[Stretch]) -> None:
    """Nothing lost, invented or doubled; what is true in the right order, what is wrong marked."""
    found = rows(out)
    assert sorted((m, p) for _, m, p, _ in found) == [
        (m, p) for m, x in enumerate(modules) for p in range(len(x.times))
    ]
    assert [(q, m, p) for q, m, p, late in found if not late] == model(modules, shown)
    assert {(m, p) for _, m, p, late in found if late} == {(m, p) for m, x in enumerate(modules) for p in x.wrong}


@settings(max_examples=60 * SOAK, deadline=None)
@given(st.integers(0, 2**32), st.lists(RATES, min_size=1, max_size=4), st.integers(1, 30))
def test_any_cutting_and_any_interleaving_gives_the_same_rows(seed: int, rates: list[float], pieces: int) -> None:
    random = np.random.default_rng(seed)
    start = int(random.integers(0, 2**45))
    modules = [Module(t := stream(random, int(random.integers(0, 400)), rate, start), [0] * len(t)) for rate in rates]
    shown = [m.times for m in modules]
    _right(modules, shown, ordered(cuts(random, modules, shown, pieces), len(modules)))


@settings(max_examples=60 * SOAK, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 20))
def test_a_wrong_bit_costs_its_record_alone(seed: int, count: int, pieces: int) -> None:
    random = np.random.default_rng(seed)
    modules = [Module(t := stream(random, 300, 1000.0, 2**44), [0] * len(t)) for _ in range(count)]
    shown = [list(m.times) for m in modules]
    for module, times in zip(modules, shown, strict=True):
        place = 10
        while (place := place + int(random.integers(3, 100))) < 290:
            times[place] ^= 8 << int(random.integers(32, 47))  # of a counter with ticks of 8 ns
            module.wrong.add(place)
    _right(modules, shown, ordered(cuts(random, modules, shown, pieces), count))


@settings(max_examples=60 * SOAK, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 20), st.integers(0, 7))
def test_remains_of_another_run_begin_nothing(seed: int, count: int, pieces: int, remains: int) -> None:
    random = np.random.default_rng(seed)
    old = stream(random, remains, 1000.0, 5000 * SECOND)
    modules = [Module(t := stream(random, 200, 3000.0), [0] * len(t)) for _ in range(count)]
    modules[0] = Module(old + modules[0].times, [0] * (remains + 200), set(range(remains)))
    shown = [m.times for m in modules]
    _right(modules, shown, ordered(cuts(random, modules, shown, pieces), count))


@settings(max_examples=60 * SOAK, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 20))
def test_a_counter_that_passes_its_end_begins_one_period(seed: int, count: int, pieces: int) -> None:
    random = np.random.default_rng(seed)
    modules: list[Module] = []
    for _ in range(count):
        true = stream(random, 400, 200_000.0, WRAP - 1_000_000)
        modules.append(Module([t % WRAP for t in true], [t // WRAP for t in true]))
    shown = [m.times for m in modules]
    order = TimeOrder(WINDOW, 10**9, RESET)
    _right(modules, shown, ordered(cuts(random, modules, shown, pieces), count, order))
    assert order.resets == max((p for m in modules for p in m.periods), default=0)


@pytest.mark.parametrize("seed", range(5))
def test_a_counter_that_passes_its_end_delays_nothing(seed: int) -> None:
    """Live, polled every 50 ms: what was read comes out with the next reading, before, at and behind the end."""
    random = np.random.default_rng(seed)
    modules: list[Module] = []
    for _ in range(3):
        true = [t for t in stream(random, 40_000, 10_000.0, WRAP - SECOND) if t < WRAP + SECOND]
        modules.append(Module([t % WRAP for t in true], [t // WRAP for t in true]))
    order = TimeOrder(WINDOW, 10**9, RESET, longest=5.0)
    at, read_at, out = [0] * 3, dict[tuple[int, int], int](), list[tuple[int, int, int, int, bool]]()
    for poll in range(1, 43):
        until, parts = WRAP - SECOND + poll * SECOND // 20, list[ev.Events]()
        for number, module in enumerate(modules):
            end = at[number]
            while end < len(module.times) and module.times[end] + module.periods[end] * WRAP < until:
                end += 1
            parts.append(module.events(number, at[number], end, module.times))
            read_at |= {(number, place): poll for place in range(at[number], end)}
            at[number] = end
        quiet = [number for number, part in enumerate(parts) if not ev.size(part)]
        out += [(poll, *row) for row in rows(order.feed(ev.concatenate(parts), range(3), quiet, poll * 0.05))]
    assert len(out) == sum(len(module.times) for module in modules)
    assert (order.late, order.resets, order.held) == (0, 1, 0)
    assert max(poll - read_at[module, place] for poll, _, module, place, _ in out) <= 1


@settings(max_examples=60 * SOAK, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 20))
def test_restarts_that_are_confirmed_begin_periods(seed: int, count: int, pieces: int) -> None:
    random = np.random.default_rng(seed)
    modules: list[Module] = []
    for _ in range(count):
        runs = [stream(random, int(random.integers(20, 150)), 1000.0, 100 * SECOND * (3 - i)) for i in range(3)]
        modules.append(Module([t for run in runs for t in run], [i for i, run in enumerate(runs) for _ in run]))
    shown = [m.times for m in modules]
    order = TimeOrder(WINDOW, 10**9, RESET)
    _right(modules, shown, ordered(cuts(random, modules, shown, pieces), count, order))
    assert order.resets == 2


@settings(max_examples=60 * SOAK, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 20))
def test_silence_of_minutes_is_no_restart(seed: int, pieces: int) -> None:
    random = np.random.default_rng(seed)
    busy = stream(random, 300, 5.0)
    rare = (np.cumsum(random.integers(5, 200, 12)) * SECOND).tolist()
    modules = [Module(busy, [0] * 300), Module(rare, [0] * 12)]
    shown = [m.times for m in modules]
    _right(modules, shown, ordered(cuts(random, modules, shown, pieces), 2))


@settings(max_examples=60 * SOAK, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.sampled_from(["true", "two hours ahead", "two hours behind", "restarts", "wrong bits", "stuck"]),
             min_size=1, max_size=4),
)  # fmt: skip
@example(2000, ["true", "wrong bits", "true", "true"])  # what was undecided at first has waited since then
def test_nothing_is_held_longer_than_its_bound_whatever_comes(seed: int, kinds: list[str]) -> None:
    """Live, polled every 50 ms for 4 s with a bound of 1 s: all come out, marked unless in order."""
    random = np.random.default_rng(seed)
    order = TimeOrder(WINDOW, 10**9, RESET, longest=1.0)
    base = 8000 * SECOND
    read_at: dict[tuple[int, int], float] = {}
    out: list[tuple[float, int, int, int, bool]] = []
    true = [[t for t in stream(random, int(random.integers(4, 4000)), 1000.0) if t < 4 * SECOND] for _ in kinds]
    shown: list[list[int]] = []
    for kind, times in zip(kinds, true, strict=True):
        offset = {"two hours ahead": 7200 * SECOND, "two hours behind": -7200 * SECOND}.get(kind, 0)
        shown.append([base + t + offset for t in times])
        if kind == "restarts":
            shown[-1] = [base + t if t < 2 * SECOND else t - 2 * SECOND for t in times]
        if kind == "wrong bits":
            shown[-1] = [t ^ (8 << int(random.integers(32, 47)) if random.random() < 0.02 else 0) for t in shown[-1]]
    modules = [Module(times, [0] * len(times)) for times in true]
    at = [0] * len(kinds)
    for poll in range(1, 120):
        now = poll * 0.05
        parts: list[ev.Events] = []
        quiet: list[int] = []
        for number, module in enumerate(modules):
            end = at[number]
            while end < len(module.times) and module.times[end] < now * SECOND:
                end += 1
            parts.append(module.events(number, at[number], end, shown[number]))
            read_at |= {(number, place): now for place in range(at[number], end)}
            if end == at[number] and kinds[number] != "stuck":
                quiet.append(number)
            at[number] = end
        stretches = order.feed(ev.concatenate(parts), range(len(kinds)), quiet, now)
        out += [(now, *row) for row in rows(stretches)]
    assert sorted((m, p) for _, _, m, p, _ in out) == sorted(read_at)
    assert order.held == 0
    for now, _, module, place, _ in out:
        assert now - read_at[module, place] <= 1.0 + 0.051
    late = sum(late for *_, late in out)
    assert late == order.late
    if set(kinds) <= {"true", "stuck"}:
        assert late == 0
    in_time = [(q, shown[m][p] * 4 + (p * 7919 + m) % 5) for _, q, m, p, late in out if not late]
    assert in_time == sorted(in_time)


@pytest.mark.parametrize("ahead", [7200, -7200])
def test_recorded_data_that_begin_elsewhere_are_named_and_ordered_by_their_times(ahead: int) -> None:
    """Of three recorded modules one begins two hours apart: nothing is late, and the text names the one."""
    random = np.random.default_rng(1)
    base = 10_000 * SECOND
    modules = [Module(t := stream(random, 3000, 1000.0), [0] * len(t)) for _ in range(3)]
    shown = [[t + base + (ahead * SECOND if m == 1 else 0) for t in x.times] for m, x in enumerate(modules)]
    order = TimeOrder(WINDOW, 10**9, RESET, longest=1.0)
    found = rows(ordered(cuts(random, modules, shown, 7), 3, order))
    assert order.late == 0
    first = [m for _, m, _, _ in found[:3000]], [m for _, m, _, _ in found[-3000:]]
    assert (set(first[0]) == {1}, set(first[1]) == {1}) == (ahead < 0, ahead > 0)
    (text,) = order.describe_apart()
    assert text.startswith(f"module 1: its data begin at {10_000 + ahead}.0 s of its counter")
    order.begin([0, 1, 2])
    assert order.describe_apart() == []


def test_recorded_modules_that_begin_at_different_moments_of_a_run_are_not_named() -> None:
    order = TimeOrder(WINDOW, 10**9, RESET)
    modules = [Module([n * SECOND + start for n in range(20)], [0] * 20) for start in (0, 500 * SECOND)]
    found = rows(ordered(cuts(np.random.default_rng(1), modules, [m.times for m in modules], 3), 2, order))
    assert len(found) == 40
    assert order.describe_apart() == []


@pytest.mark.parametrize("ahead", [7200, -7200])
def test_a_wrong_module_takes_no_others_with_it(ahead: int) -> None:
    """Of three modules one is two hours apart: the two others are in order, and the text names the one."""
    random = np.random.default_rng(1)
    base = 10_000 * SECOND
    modules = [Module(t := stream(random, 3000, 1000.0), [0] * len(t)) for _ in range(3)]
    shown = [[t + base + (ahead * SECOND if m == 1 else 0) for t in x.times] for m, x in enumerate(modules)]
    order = TimeOrder(WINDOW, 10**9, RESET, longest=1.0)
    at, out = [0, 0, 0], list[Stretch]()
    for poll in range(1, 70):
        parts: list[ev.Events] = []
        quiet: list[int] = []
        for number, module in enumerate(modules):
            end = int(np.searchsorted(np.maximum.accumulate(module.times), poll * 0.05 * SECOND))
            parts.append(module.events(number, at[number], end, shown[number]))
            if end == at[number]:
                quiet.append(number)
            at[number] = end
        out += order.feed(ev.concatenate(parts), [0, 1, 2], quiet, poll * 0.05)
        if poll == 40:
            (text,) = order.describe_apart()
            assert text.startswith("module 1: its counter is 7200")
    found = rows(out)
    assert len(found) == 9000
    assert {m for _, m, _, late in found if late} == {1}
    # Of a module ahead, all wait for the others, and come out at the bound; of one behind, some were still in order.
    assert order.late == order.late_apart
    assert order.late == 3000 if ahead > 0 else 1500 < order.late < 2500
    good = [shown[m][p] * 4 + (p * 7919 + m) % 5 for _, m, p, late in found if not late]
    assert good == sorted(good)
