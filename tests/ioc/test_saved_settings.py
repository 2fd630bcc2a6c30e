"""A saved set of settings, written value by value in any order and from any valid state, ends as saved."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ioc.ca.peer import listened_to
from tests.ioc.test_settings import JAN, Desk, desk_of_tasks

#: Of two regions the first and the last bin, by process variable; -1 as the last bin is that there is no region.
_LAST = 2047
_REGIONS = ("M00:C00:ROI1", "M00:C00:ROI2", "M00:C01:ROI1")


@st.composite
def _states(draw: st.DrawFn) -> dict[str, Any]:
    """A valid state: a value for each of the process variables that are written here."""
    state: dict[str, Any] = {"SortEvents:Window": draw(st.sampled_from([1.0, 50.0, 100.0]))}
    for region in _REGIONS:
        low = draw(st.integers(0, _LAST))
        state[f"{region}:Low"], state[f"{region}:High"] = low, draw(st.just(-1) | st.integers(low, _LAST))
    state["Cut:Lowest"] = draw(st.integers(0, 4000))  # these two fit by a rule of the task
    state["Cut:Highest"] = draw(st.integers(state["Cut:Lowest"], 4000))
    return state


async def _write(desk: Desk, state: dict[str, Any], order: list[str], pauses: random.Random) -> None:
    """Writes it in this order, now and then waiting for an answer."""
    going_on: list[Any] = []
    for name in order:
        answer = desk.pvs[name].write(state[name], JAN)
        going_on += [answer] if answer is not None else []
        if pauses.random() < 0.4:
            await asyncio.gather(*going_on)
            going_on.clear()
    await asyncio.gather(*going_on)


def _shown(desk: Desk, state: dict[str, Any], suffix: str) -> dict[str, Any]:
    return {name: desk.pvs[f"{name}{suffix}"].value for name in state}


@settings(max_examples=25, deadline=None)
@given(_states(), _states(), st.integers(0, 10**6))
def test_it_ends_as_saved(before: dict[str, Any], saved: dict[str, Any], seed: int) -> None:
    chance = random.Random(seed)

    async def story() -> None:
        async with desk_of_tasks() as desk:
            for state in (before, saved):
                order = list(state)
                chance.shuffle(order)
                await _write(desk, state, order, chance)
                assert _shown(desk, state, "") == state
                assert _shown(desk, state, "_RBV") == state
                assert (desk.pvs["ConfigDirty_RBV"].label, desk.settings.problem()) == ("No", "")

    asyncio.run(listened_to(story()))


@settings(max_examples=25, deadline=None)
@given(_states(), st.lists(st.tuples(st.sampled_from(_REGIONS), st.booleans(), st.integers(-1, _LAST)), max_size=12))
def test_what_is_used_fits_at_all_times(before: dict[str, Any], writes: list[tuple[str, bool, int]]) -> None:
    """Against a model: what was written last is shown, what is used is a pair that fits, and it is what was written."""

    async def story() -> None:
        async with desk_of_tasks() as desk:
            await _write(desk, before, list(before), random.Random(1))
            for region, is_low, value in writes:
                name = f"{region}:{'Low' if is_low else 'High'}"
                answer = desk.pvs[name].write(max(value, 0) if is_low else value, JAN)
                assert answer is not None
                await answer
                low, high = (desk.pvs[f"{region}:{end}"].value for end in ("Low", "High"))
                used = tuple(desk.pvs[f"{region}:{end}_RBV"].value for end in ("Low", "High"))
                assert used[1] == -1 or used[0] <= used[1]
                if high == -1 or low <= high:
                    assert used == (low, high)

    asyncio.run(listened_to(story()))
