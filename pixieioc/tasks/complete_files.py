"""The files of a run that are complete and on disk: a list that a client reads, with what is told of each."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixieioc.checksums import HEADER_LAST, SHA256
from pixieioc.pipeline import Report
from pixieioc.tasks.names import to_json

#: Bytes of the list: room for more than a hundred files, of which Channel Access takes no notice yet.
LONGEST_LIST = 32768
NONE = "[]"


@dataclass(frozen=True)
class CompleteFile:
    """A file that is complete; `module` is None if it is of all modules.

    `sha256` is that of what comes behind the header, then of the header, with `header_last`.
    """

    path: Path
    bytes: int
    sha256: str = ""
    module: int | None = None
    header_last: bool = False

    @property
    def entry(self) -> str:
        """What the list says of it: JSON."""
        module = {"module": self.module} if self.module is not None else {}
        checksum = {HEADER_LAST if self.header_last else SHA256: self.sha256} if self.sha256 else {}
        return to_json({"file": str(self.path.absolute()), **module, "bytes": self.bytes, **checksum})


class CompleteFiles:
    """Those of a run. The list has the latest ones, as many as there is room for; `count` is that of all."""

    def __init__(self) -> None:
        self.count = 0
        self._entries: deque[str] = deque()
        self._bytes = len(NONE)

    def add(self, file: CompleteFile) -> None:
        """One more is complete."""
        self.count += 1
        self._entries.append(file.entry)
        self._bytes += _size(file.entry)
        while self._bytes > LONGEST_LIST:
            self._bytes -= _size(self._entries.popleft())

    @property
    def text(self) -> str:
        """The list: a JSON array, the latest file last."""
        return f"[{', '.join(self._entries)}]"


def _size(entry: str) -> int:
    return len(entry.encode()) + len(", ")


def run_files(**where: Any) -> Report[str]:
    """RunFiles_RBV."""
    doc = (
        "The files of the run that are complete, the latest ones if they are very many: a JSON array of file, "
        "module (of raw files), bytes and sha256; of npy files sha256_header_last, see events.md."
    )
    return Report(NONE, longest=LONGEST_LIST, doc=doc, **where)


def files_complete(**where: Any) -> Report[int]:
    """FilesComplete_RBV."""
    return Report(0, small=True, doc="Files of the run that are complete and on disk.", **where)
