"""Random commands to a real IOC, a short story of them."""

from __future__ import annotations

from tests.system.random_commands import run


def test_random_commands_violate_nothing() -> None:
    run(seed=1, steps=150)
