"""Compiled loops: kept from one process to the next, by all that they are made of, and never at any risk."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixieioc import account
from pixieioc.listmode import jit

#: A module with a loop that calls another one.
MODULE = """
from pixieioc.listmode import jit
FACTOR = {factor}

@jit.compiled
def outer(x):
    return inner(x) + {offset}

@jit.compiled
def inner(x):
    return FACTOR * x
"""
#: Prints the result, and which loops were compiled.
PROGRAM = "import loops; made = []; loops.jit.listener = made.append; print(loops.outer(2), *made)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with one for compiled code, `cache`, in it, which is the only one that there is."""
    (tmp_path / "cache").mkdir(mode=0o700)
    for name in ("CACHE_DIRECTORY", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/proc/none")
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "bytecode"))  # so that nothing is kept in the package
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    _keep_in(tmp_path / "cache", monkeypatch)
    yield tmp_path
    account.code_folder.cache_clear()


def _keep_in(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(cache))
    account.code_folder.cache_clear()


def _write(folder: Path, factor: int = 3, offset: int = 1) -> Path:
    (folder / "loops.py").write_text(MODULE.format(factor=factor, offset=offset))
    return folder / "loops.py"


def _call(folder: Path, factor: int = 3, offset: int = 1) -> tuple[int, list[str]]:
    """The result, and which loops were compiled, where nobody has called one before."""
    spec = importlib.util.spec_from_file_location("loops", _write(folder, factor, offset))
    assert spec is not None
    assert spec.loader is not None
    loops, made = importlib.util.module_from_spec(spec), list[str]()
    spec.loader.exec_module(loops)
    before, jit.listener = jit.listener, made.append
    try:
        return loops.outer(2), made
    finally:
        jit.listener = before


def test_what_was_compiled_is_kept(folder: Path) -> None:
    _write(folder)
    for printed in ("7 outer", "7"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=folder,
            env={
                "NUMBA_CACHE_DIR": str(folder / "cache"),
                "HOME": "/proc/none",
                "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == printed


def test_what_differs_is_compiled_anew(folder: Path) -> None:
    assert _call(folder) == (7, ["outer"])
    assert _call(folder) == (7, [])
    assert _call(folder, factor=4) == (9, ["outer"])
    assert _call(folder, offset=2) == (8, ["outer"])


def test_a_damaged_file_costs_time_only(folder: Path) -> None:
    _call(folder)
    for suffix in (".nbc", ".nbi"):
        files = [path for path in (folder / "cache").rglob("*") if path.suffix == suffix]
        assert files
        for path in files:
            path.write_bytes(path.read_bytes()[:20])
        assert _call(folder) == (7, ["outer"])
        assert _call(folder) == (7, [])


def test_a_folder_that_others_can_write_to_is_not_used(folder: Path) -> None:
    cache = folder / "cache"
    cache.chmod(0o777)
    account.code_folder.cache_clear()
    for _ in range(2):
        assert _call(folder) == (7, ["outer"])
    assert not list(cache.iterdir())


def test_a_folder_that_cannot_be_made_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _keep_in(Path("/proc/none"), monkeypatch)
    assert _call(folder) == (7, ["outer"])
