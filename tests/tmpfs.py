"""Small file systems for tests, which can be filled and unmounted."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def tmpfs(folder: Path, size: str = "8m") -> Iterator[Path]:
    """Mounts a file system of that size at a new folder; skips the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts file systems")
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        while folder.is_mount():  # also what was mounted over it
            unmount(folder)


def unmount(folder: Path) -> None:
    """Takes a file system away although files on it are open; one that is away already stays so."""
    subprocess.run(["umount", "-l", folder], capture_output=True, check=False)
