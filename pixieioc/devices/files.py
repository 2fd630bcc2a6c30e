"""Reads the files of a run that StreamResource documents name, by their mimetype; they are looked for where they were.

A program on another computer says by `roots` where the folders of the IOC's are there: {"/data": "/net/daq/data"}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from pixieioc.checksums import HEADER_LAST, SHA256, checksum_of
from pixieioc.devices.documents import NPY, PARQUET, RAW

#: No folders are elsewhere.
HERE: Mapping[str, str] = MappingProxyType({})
#: By which keys a file may have its checksum.
_CHECKSUMS = {SHA256, HEADER_LAST}


class FilesChanged(RuntimeError):
    """A file is not the one that the run has written."""


def read(resource: Mapping[str, Any], roots: Mapping[str, str] = HERE) -> Any:
    """The content of the files of a StreamResource.

    Raw files are list-mode words (uint32) by module, Parquet a pyarrow.Table, npy a list of numpy arrays: events, and
    what comes with them. KeyError for another mimetype.
    """
    return READERS[resource["mimetype"]](resource["parameters"]["files"], roots)


def check(resource: Mapping[str, Any], roots: Mapping[str, str] = HERE) -> None:
    """FilesChanged, with the name, if a file of a StreamResource has another size or checksum than it had."""
    for entry in resource["parameters"]["files"]:
        path = place_of(entry["file"], roots)
        if path.stat().st_size != entry["bytes"]:
            raise FilesChanged(f"{path}: {path.stat().st_size} bytes, not {entry['bytes']}")
        for kind in _CHECKSUMS & entry.keys():
            if (found := checksum_of(path, header_last=kind == HEADER_LAST)) != entry[kind]:
                raise FilesChanged(f"{path}: its SHA-256 is {found}, not {entry[kind]}")


def place_of(file: str, roots: Mapping[str, str]) -> Path:
    """Where a file of the IOC's computer is here."""
    path = Path(file)
    for there, here in roots.items():
        if path.is_relative_to(there):
            return Path(here) / path.relative_to(there)
    return path


def _raw(files: list[dict[str, Any]], roots: Mapping[str, str]) -> dict[int, np.ndarray[Any, np.dtype[np.uint32]]]:
    modules: dict[int, list[Any]] = {}
    for entry in files:
        modules.setdefault(entry.get("module", 0), []).append(np.fromfile(place_of(entry["file"], roots), "<u4"))
    return {module: np.concatenate(words) for module, words in sorted(modules.items())}


def _parquet(files: list[dict[str, Any]], roots: Mapping[str, str]) -> Any:
    import pyarrow
    import pyarrow.parquet

    tables = [pyarrow.parquet.read_table(place_of(entry["file"], roots)) for entry in files]
    return pyarrow.concat_tables(tables, promote_options="default") if tables else pyarrow.table({})


def _npy(files: list[dict[str, Any]], roots: Mapping[str, str]) -> list[Any]:
    return [np.load(place_of(entry["file"], roots), mmap_mode="r") for entry in files]


#: What reads files, by mimetype.
READERS: dict[str, Callable[[list[dict[str, Any]], Mapping[str, str]], Any]] = {
    RAW: _raw,
    PARQUET: _parquet,
    NPY: _npy,
}
