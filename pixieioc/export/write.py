"""Generated files on disk: the only place of this room that touches one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Writes those files that are not there with this text; returns their paths, relative to `folder`."""
    changed = stale(folder, files)
    for path in changed:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(files[path].encode())
    return changed


def stale(folder: Path, files: Mapping[str, str]) -> list[str]:
    """The paths of files that are missing or have another text."""
    return [path for path, text in files.items() if _text(folder / path) != text.encode()]


def _text(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
