"""Compiled loops: kept from one process to the next, by all that they are made of, and never at any risk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: A module with a loop that calls another one, and what it prints: which loops were compiled, and the result.
MODULE = """
from pixieioc.listmode import jit
FACTOR = {factor}

@jit.compiled
def outer(x):
    return inner(x) + {offset}

@jit.compiled
def inner(x):
    return FACTOR * x

made = []
jit.listener = made.append
print(outer(2), *made)
"""


def _call(folder: Path, factor: int = 3, offset: int = 1, *, cache: Path | None = None) -> str:
    (folder / "loops.py").write_text(MODULE.format(factor=factor, offset=offset))
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path.insert(0, '.'); import loops"],
        cwd=folder,
        env={
            "NUMBA_CACHE_DIR": str(cache or folder / "cache"),
            "HOME": "/proc/none",
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),  # so that nothing is kept in the package
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir(mode=0o700)
    return tmp_path


def test_what_was_compiled_is_kept(folder: Path) -> None:
    assert _call(folder) == "7 outer"
    assert _call(folder) == "7"


def test_what_differs_is_compiled_anew(folder: Path) -> None:
    assert _call(folder) == "7 outer"
    assert _call(folder, factor=4) == "9 outer"
    assert _call(folder, offset=2) == "8 outer"


def test_a_damaged_file_costs_time_only(folder: Path) -> None:
    _call(folder)
    for suffix in (".nbc", ".nbi"):
        files = [path for path in (folder / "cache").rglob("*") if path.suffix == suffix]
        assert files
        for path in files:
            path.write_bytes(path.read_bytes()[:20])
        assert _call(folder) == "7 outer"
        assert _call(folder) == "7"


def test_a_folder_that_others_can_write_to_is_not_used(folder: Path) -> None:
    cache = folder / "cache"
    cache.chmod(0o777)
    for _ in range(2):
        assert _call(folder) == "7 outer"
    assert not list(cache.iterdir())


def test_a_folder_that_cannot_be_made_is_no_error(folder: Path) -> None:
    assert _call(folder, cache=Path("/proc/none")) == "7 outer"
