"""The file of the modules' settings beside the raw files of a run, which LoadSettings takes."""

from __future__ import annotations

from pathlib import Path

from pixieioc.pipeline import Error
from pixieioc.tasks.disk import replace_file

_ENDING = ".settings.json"


def settings_file(raw_file: Path) -> Path:
    """The file that belongs to the raw files of a run, of which `raw_file` is that of module 0."""
    return raw_file.with_name(raw_file.stem + _ENDING)


def write_settings(raw_file: Path, text: str) -> None:
    """Writes it; Error if that is impossible."""
    path = settings_file(raw_file)
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise Error(f"cannot write {path}: {error.strerror}") from error
