from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.variant import variant
from tests.tasks import collector

__all__ = ["collector"]  # importing it defines the tasks


def module_words(module: int, seconds: float, rate: float, *, seed: int = 1, start: float = 0.0) -> np.ndarray:
    """Header-only words of one 500 MHz module, in time order but for a few microseconds."""
    random = np.random.default_rng(seed + module)
    count = int(seconds * rate)
    events = ev.allocate(ev.BASE_COLUMNS, count, zero=True)
    times = np.sort(random.uniform(start, start + seconds, count)) + random.uniform(0, 3e-6, count)
    events["time"][:] = (times * 1e8).astype(np.int64) * 10
    events["cfd"][:] = random.integers(0, 5 * 8192, count) / 4096 - 2
    events["energy"][:] = random.integers(0, 65536, count)
    events["channel"][:] = random.integers(0, 16, count)
    events["slot"][:] = 2 + module
    return encode(events, variant(500, 34688))


@pytest.fixture
def two_modules(tmp_path: Path) -> dict[int, Path]:
    """Files of two modules that ran together."""
    files = {0: tmp_path / "run_mod00.bin", 1: tmp_path / "run_mod01.bin"}
    module_words(0, 2.0, 20_000).tofile(files[0])
    module_words(1, 2.0, 5_000).tofile(files[1])
    return files
