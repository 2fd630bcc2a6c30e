"""Stories of a simulated IOC: `python -m tests.simulation --steps 20000 --seed 7`; a seed always tells the same."""

from __future__ import annotations

import argparse
import random
import time

from tests.simulation.world import run


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--steps", type=int, default=20_000)
    given = parser.parse_args()
    began, steps, seed = time.monotonic(), 0, given.seed
    while steps < given.steps:
        steps += run(seed)
        seed += 1
    print(f"seeds {given.seed} to {seed - 1}: {steps} steps in {time.monotonic() - began:.1f} s, nothing violated")


if __name__ == "__main__":
    main()
