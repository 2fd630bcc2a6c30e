"""Whether raw files on disk are what their sidecars say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path


class Files:
    """The raw files of a folder; each is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._checked = set(folder.glob("*.bin"))  # what was there before is not of this drill

    def wrong(self) -> Iterator[str]:
        """What is wrong with the files that have come since the last time, a sentence for each."""
        for raw in sorted(set(self._folder.glob("*.bin")) - self._checked):
            self._checked.add(raw)
            yield from _wrong(raw)

    def unfinished(self) -> int:
        """The number of raw files that were cut off."""
        return len(list(self._folder.glob("*.bin.part")))


def _wrong(raw: Path) -> Iterator[str]:
    try:
        about = json.loads(raw.with_name(raw.name + ".json").read_text())
    except (OSError, ValueError) as error:
        yield f"{raw} has no sidecar that can be read: {error}"
        return
    content = raw.read_bytes()
    if (about["bytes"], about["sha256"]) != (len(content), hashlib.sha256(content).hexdigest()):
        yield f"{raw} has {len(content)} bytes that are not those of its sidecar"
