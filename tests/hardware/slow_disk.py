"""A task for tests: GatherData whose disk becomes slow, and quick again, when it is told."""

from __future__ import annotations

import time
from pathlib import Path

from pixieioc.tasks import raw_file
from pixieioc.tasks.gather_data import GatherData
from pixieioc.tasks.growing_file import GrowingFile

#: While the folder of the raw files has a file of this name, its disk takes so many bytes per second.
SLOW, RATE = "slow", 0.3e6


class SlowDisk(GatherData):
    """Writes real files in GatherData's way; only the disk takes its time."""

    def do_init(self) -> None:
        raw_file.GrowingFile = _SlowFile  # pyright: ignore[reportPrivateImportUsage]  # in this process
        super().do_init()


class _SlowFile(GrowingFile):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._slow = path.with_name(SLOW)

    def append(self, data: memoryview) -> None:
        if self._slow.exists():
            time.sleep(len(data) / RATE)
        super().append(data)
