"""How a soak tells growth from noise, from restarts and from what fills up once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from tests.system.soak.samples import Sample
from tests.system.soak.verdict import MOST, findings, slope

HOURS = 2


def _rows(what: str, value: Callable[[float], float], restarts: int = 0) -> Iterator[dict[str, str]]:
    choice = random.Random(1)
    zero = dict.fromkeys(Sample.__dataclass_fields__, "0")
    for number in range(0, HOURS * 3600, 15):
        process, age = divmod(number, HOURS * 3600 // (restarts + 1))
        noise = choice.choice((0, 0, 0, 500, 3000)) if MOST[what] else 0
        yield zero | {"time": str(number), "role": "IOC", "pid": str(process), what: str(round(value(age) + noise))}


def _grown(what: str, value: Callable[[float], float], restarts: int = 0) -> list[str]:
    return [each.what for each in findings(_rows(what, value, restarts)) if each.grows]


@pytest.mark.parametrize("restarts", [0, 2])
def test_a_leak_is_found_also_in_processes_that_are_replaced(restarts: int) -> None:
    assert _grown("anonymous", lambda age: 50_000 + age * 2048 / 3600, restarts) == ["anonymous"]
    assert _grown("open", lambda age: 20 + age // 900, restarts) == ["open"]


def test_noise_and_what_fills_up_once_are_no_leak() -> None:
    assert _grown("anonymous", lambda age: 50_000) == []
    assert _grown("anonymous", lambda age: 50_000 + min(20_000, 20 * age)) == []
    assert _grown("anonymous", lambda age: 50_000 + 20 * age, restarts=20) == []  # none of them becomes warm
    assert _grown("open", lambda age: 20 + (age % 600 < 60)) == []


def test_what_is_not_known_is_not_told() -> None:
    assert slope([[(0.0, 1.0), (900.0, 2.0)]]) is None
