"""Whether data files on disk are what their sidecars say."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pixieioc.checksums import HEADER_LAST, SHA256, checksum_of

#: Data files that are complete, by the ends of their names.
_COMPLETE = ("*.bin", "*.npy", "*.parquet")
#: How long the record of a run may take on a busy computer, in seconds.
_RECORDED = 3.0


class Files:
    """The data files of a folder; each is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._checked = {*self._data(), *self._sidecars()}  # what was there before is not of this drill
        self.sidecars: dict[Path, dict[str, Any]] = {}  #: what those say that were checked last

    def wrong(self) -> Iterator[str]:
        """What is wrong with the files that have come since the last time, a sentence for each."""
        sidecars, data = self._sidecars() - self._checked, self._data() - self._checked
        self._checked |= sidecars | data
        self.sidecars.clear()
        named: set[Path] = set()
        for sidecar in sorted(sidecars):
            try:
                about = json.loads(sidecar.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                yield f"{sidecar} cannot be read: {error}"
                continue
            self.sidecars[sidecar] = about
            described = {sidecar.name.removesuffix(".json"): about, **(about.get("files") or {})}
            for name, each in described.items():
                named.add(self._folder / name)
                yield from _wrong(self._folder / name, each)
        yield from (f"{file} has no sidecar" for file in sorted(data - named))

    def unfinished(self) -> int:
        """The number of raw files that were cut off."""
        return len(list(self._folder.glob("*.bin.part")))

    def _data(self) -> set[Path]:
        return {file for pattern in _COMPLETE for file in self._folder.glob(pattern)}

    def _sidecars(self) -> set[Path]:
        return set(self._folder.glob("*.json"))


def how_it_ended(sidecar: Path, expected: tuple[str, bool], seconds: float = _RECORDED) -> tuple[Any, Any]:
    """What a sidecar says of the end of its run and whether that was good, once that is what is expected, or late.

    The record is written when the run has ended; a slow disk does not hold up the answers of the run's commands.
    """
    end = time.monotonic() + seconds
    while True:
        record = json.loads(sidecar.read_text(encoding="utf-8")).get("record") or {}
        found = record.get("end_reason"), record.get("good")
        if found == expected or time.monotonic() > end:
            return found
        time.sleep(0.1)


def _wrong(file: Path, about: dict[str, Any]) -> Iterator[str]:
    kind = HEADER_LAST if about.get(HEADER_LAST) else SHA256
    try:
        found = file.stat().st_size, checksum_of(file, header_last=kind == HEADER_LAST)
    except OSError as error:
        yield f"{file} has a sidecar, and cannot be read: {error.strerror}"
        return
    if (about.get("bytes", found[0]), about.get(kind)) != found:
        yield f"{file} has {found[0]} bytes that are not those of its sidecar"
