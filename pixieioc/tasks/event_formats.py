"""The formats of event files: which there are, and what makes a file of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pixieioc.listmode.events import Column
from pixieioc.pipeline import Error
from pixieioc.tasks.event_files import EventFile
from pixieioc.tasks.event_sidecar import sidecar_of
from pixieioc.tasks.names import shown
from pixieioc.tasks.npy_files import NpyFiles, files_of

#: The formats, with the endings of file names that they may have; the first one is theirs.
FORMATS = {"parquet": (".parquet", ".pq"), "npy": (".npy",)}


def new_file(
    path: Path, form: str, about: Mapping[str, Any] = MappingProxyType({}),
    too_slow: Callable[[], bool] = lambda: False, columns: Sequence[Column] = (),
) -> EventFile:  # fmt: skip
    """A new file in the format `form` ("parquet" or "npy"); Error if there is one already, or it cannot be made.

    `about` is what is known of its metadata already: on a disk that is full later there is room for them. `too_slow` is
    asked while the disk is waited for and takes something: whether there is no more time for the rest. `columns` it has
    in any case.
    """
    match form:
        case "parquet":
            from pixieioc.tasks.parquet_file import ParquetFile

            return ParquetFile(path, dict(about), too_slow, columns)
        case "npy":
            return NpyFiles(path, dict(about), too_slow, columns)
        case _:
            raise ValueError(f"no format {form!r} of event files")


def names_of(path: Path, form: str) -> list[Path]:
    """All files that `new_file` may make, the one of this name first."""
    return files_of(path) if form == "npy" else [path, sidecar_of(path)]


def format_of(path: Path, form: str | None = None) -> str:
    """The format of a file of events: that of its name, or `form` for a name without an ending.

    Error with what is allowed if the name has another ending than the format's.
    """
    named = next((name for name, endings in FORMATS.items() if path.suffix.lower() in endings), None)
    endings = " or ".join(ending for name in (FORMATS if form is None else (form,)) for ending in FORMATS[name])
    if (named is None and (path.suffix or form is None)) or (named is not None and form not in (None, named)):
        what = f"of the format {form} " * (form is not None)
        raise Error(f"{shown(path)}: the name of a file of events {what}must end with {endings}")
    found = named or form
    assert found is not None
    return found
