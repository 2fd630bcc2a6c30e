"""Numbers as people say them."""

from __future__ import annotations

import math

import pytest

from pixieioc.ioc.text import duration, round_above, size


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0 s"), (12.34, "12.3 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"), (7500, "2 h 05 min"), (172_799, "47 h 59 min"), (172_800, "2 d 0 h"),
        (100_000, "27 h 46 min"),
        (400_000, "4 d 15 h"), (math.nan, "-"), (math.inf, "-"),
    ],
)  # fmt: skip
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "0 s"), (1.9, "2 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (7500, "2 h 05 min")]
)
def test_durations_in_whole_seconds(seconds: float, said: str) -> None:
    assert duration(seconds, 0) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"), (812, "812 B"), (999.6, "1.00 kB"), (5_870_000, "5.87 MB"), (58_700_000, "58.7 MB"),
        (587_000_000, "587 MB"), (999_999_999, "1.00 GB"), (1.2e12, "1.20 TB"), (77.2e9, "77.2 GB"),
    ],
)  # fmt: skip
def test_sizes(count: float, said: str) -> None:
    assert size(count) == said


@pytest.mark.parametrize(
    ("number", "above"), [(0, 1), (1, 2), (3296, 5000), (5000, 10000), (9999, 10000), (10000, 20000)]
)
def test_the_end_of_an_axis(number: float, above: float) -> None:
    assert round_above(number) == above
