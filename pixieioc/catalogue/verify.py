"""Whether data files are there, as long as they should be, and what they were when they were written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixieioc.catalogue.entry import entry_of
from pixieioc.catalogue.index import Catalogue
from pixieioc.catalogue.query import RunRow
from pixieioc.catalogue.scan import paths
from pixieioc.checksums import HEADER_LAST, SHA256, checksum_of


@dataclass(frozen=True)
class Finding:
    """What was found of a file: `problem` is empty if nothing is wrong; `checked` says what it was compared by."""

    path: Path
    problem: str = ""
    checked: str = ""


def verify(catalogue: Catalogue, runs: list[RunRow], *, checksums: bool = True) -> Iterator[Finding]:
    """Each file of some runs; files that were cut off, in the folders of these runs, too."""
    folders: set[Path] = set()
    for run in runs:
        parts: dict[tuple[Path, object, str], set[int]] = {}
        for sidecar in paths(catalogue.db, run.key):
            folders.add(sidecar.parent)
            yield from _of_sidecar(sidecar, parts, checksums=checksums)
        yield from _missing_parts(parts)
    for folder in sorted(folders):
        for part in sorted(folder.glob("*.part")):
            yield Finding(part, "it was cut off: pixieioc recover finishes raw files and events in npy")


def _of_sidecar(
    sidecar: Path, parts: dict[tuple[Path, object, str], set[int]], *, checksums: bool
) -> Iterator[Finding]:
    try:
        content = sidecar.read_bytes()
        entry = entry_of(sidecar.name, content)
        if entry is not None and entry.problem:
            yield Finding(sidecar, entry.problem)
            return
        if entry is not None and not entry.file:
            return  # the run has written none
        about = json.loads(content)
        data = sidecar.with_name(about.get("file") or sidecar.name.removesuffix(".json"))
        part = int(about.get("part") or 1)
        each_file = {data.name: about, **(about.get("files") or {})}
        told = {data.with_name(name): (each.get("bytes"), _checksum_in(each)) for name, each in each_file.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        yield Finding(sidecar, f"damaged: {error}")
        return
    parts.setdefault((sidecar.parent, about.get("module"), data.suffix), set()).add(part)
    for file, (size, checksum) in told.items():
        yield Finding(file, *_compared(file, size, checksum if checksums else None))
    conditions = (about.get("record") or {}).get("conditions_file")
    if conditions and not sidecar.with_name(conditions).is_file() and not _elsewhere(sidecar, conditions):
        yield Finding(sidecar.with_name(conditions), "missing: the conditions of the run")


def _elsewhere(sidecar: Path, name: str) -> bool:
    """The file of conditions is beside the first sidecar of the run: others may be in another folder."""
    return not any(sidecar.parent.glob(f"{Path(name).name.split('.')[0]}.*"))


def _checksum_in(about: dict[str, Any]) -> tuple[str, str] | None:
    """The kind of checksum that a file has, and the checksum."""
    return next(((kind, about[kind]) for kind in (SHA256, HEADER_LAST) if about.get(kind)), None)


def _compared(data: Path, size: int | None, checksum: tuple[str, str] | None) -> tuple[str, str]:
    """What is wrong with a file, and by what it was compared."""
    try:
        found = data.stat().st_size
        if size is not None and found != size:
            return f"it has {found} bytes, the sidecar says {size}", "size"
        if checksum is None:
            return "", "size" if size is not None else "presence"
        kind, expected = checksum
        if checksum_of(data, header_last=kind == HEADER_LAST) != expected:
            return "its checksum is not that of the sidecar: its content has changed", SHA256
    except FileNotFoundError:
        return "missing", "presence"
    except OSError as error:
        return f"cannot be read: {error.strerror}", "presence"
    return "", SHA256


def _missing_parts(parts: dict[tuple[Path, object, str], set[int]]) -> Iterator[Finding]:
    """Files of one module, behind each other, are numbered without gaps, whatever folders they are in."""
    together: dict[tuple[object, str], set[int]] = {}
    places: dict[tuple[object, str], Path] = {}
    for (folder, module, suffix), numbers in parts.items():
        together.setdefault((module, suffix), set()).update(numbers)
        places[module, suffix] = folder
    for (module, suffix), numbers in together.items():
        if gap := sorted(set(range(1, max(numbers))) - numbers):
            of = f"module {module}, " if module is not None else ""
            yield Finding(places[module, suffix], f"missing: {of}part {', '.join(map(str, gap))} of the {suffix} files")
