"""LoadFiles: raw list-mode files as the source of a run."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.events import Memory
from pixieioc.pipeline import Error, Parameter, Report, Task
from pixieioc.tasks.items import WordBlock


class LoadFiles(Task):
    """Reads the files of one or several modules, block by block, and ends the run after the last.

    The files of a module are one stream: a word or a record may begin in one file and end in the next.
    """

    files = Parameter(
        ["*.bin"],
        path=True,
        doc="Raw files, or patterns with * and ?, in the order of this list; what a pattern matches in that of names.",
    )
    module_pattern = Parameter(
        r"mod(\d+)",
        doc="Regular expression that finds the module number in a file's name; files without are of module 0.",
    )
    # A block costs each task 0.3 ms, however small it is; but its events must fit three times into the memory that two
    # tasks share: one block is read, one waits and one is written.
    block_size = Parameter(
        6 * 1024**2, unit="B", low=1, high=256 * 1024**2, doc="Bytes read at a time, from all modules together."
    )
    bytes_read = Report(0, unit="B", doc="Bytes read in this run.")
    progress = Report(0.0, unit="%", precision=1, doc="Part of all files that has been read.")
    current_file = Report("", doc="The file that is being read.")
    bytes_left_over = Report(
        0,
        unit="B",
        alarm_hihi=1,
        doc="Bytes at the end of a module's files that are not a whole word.",
        guidance="A file has been cut short: its last record is incomplete.",
    )

    def do_configure(self, config: dict[str, Any]) -> None:
        try:
            pattern = re.compile(self.module_pattern)
        except re.error as error:
            raise Error(f"module_pattern {self.module_pattern!r}: {error}") from None
        if self.module_pattern and pattern.groups != 1:
            raise Error(f"module_pattern {self.module_pattern!r}: must have exactly one group, the module number")

    def do_start(self) -> None:
        self._streams = self._open_streams()
        self._total = sum(stream.size for stream in self._streams.values())
        self._blocks = 0
        self.bytes_read, self.progress, self.bytes_left_over, self.current_file = 0, 0.0, 0, ""

    def do_work(self, datum: Any) -> None:
        self._blocks += 1
        # The same fraction of each module's data, so that modules that ran together stay together.
        fraction = min(1.0, self._blocks * self.block_size / self._total) if self._total else 1.0
        block: WordBlock = {}
        for module, stream in self._streams.items():
            block[module] = stream.read_to(round(fraction * stream.size), self.allocate)
        self.bytes_read = sum(stream.position for stream in self._streams.values())
        self.progress = 100.0 * self.bytes_read / self._total if self._total else 100.0
        self.current_file = next((str(s.path) for s in self._streams.values() if s.path), "")
        if any(len(words) for words in block.values()):
            self.send(block)
        if fraction == 1.0:
            self.bytes_left_over = sum(len(stream.rest) for stream in self._streams.values())
            self.finish()

    def do_stop(self) -> None:
        for stream in self._streams.values():
            stream.close()
        self._streams = {}

    def _open_streams(self) -> dict[int, _Stream]:
        by_module: dict[int, list[Path]] = {}
        for name in self.files:
            for path in _matching(name):
                found = re.search(self.module_pattern, path.name) if self.module_pattern else None
                by_module.setdefault(int(found.group(1)) if found else 0, []).append(path)
        if not by_module:
            raise Error("no files: the parameter files is an empty list")
        if too_high := [module for module in by_module if module > 255]:
            raise Error(f"module number {too_high[0]} in the name of {by_module[too_high[0]][0]}: must be 0 to 255")
        return {module: _Stream(paths) for module, paths in sorted(by_module.items())}


@dataclass
class _Stream:
    """The files of one module, one behind the other."""

    paths: list[Path]
    position: int = 0
    rest: bytes = b""  #: the part of a word that has been read
    path: Path | None = None
    _file: BinaryIO | None = None
    _ends: list[int] = field(default_factory=list[int])

    def __post_init__(self) -> None:
        sizes = [path.stat().st_size for path in self.paths]
        self._ends = np.cumsum(sizes).tolist()
        self._next = 0

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return self._ends[-1]

    def read_to(self, position: int, memory: Memory) -> NDArray[np.uint32]:
        """The whole words up to `position` that have not been read yet, in `memory`."""
        wanted = position - self.position
        buffer = memory(len(self.rest) + max(0, wanted))
        view = buffer.data
        view[: len(self.rest)] = self.rest
        filled = len(self.rest)
        while filled < len(buffer):
            if self._file is None:
                self.path = self.paths[self._next]
                self._file = self.path.open("rb", buffering=0)
                self._next += 1
            count = self._file.readinto(view[filled:])  # pyright: ignore[reportAttributeAccessIssue]  # it is a FileIO
            if not count:
                self.close()
                if self._next == len(self.paths):
                    raise Error(f"{self.path} has become shorter while it was read")
            filled += count
            self.position += count
        whole = filled - filled % 4
        self.rest = bytes(view[whole:])
        return buffer[:whole].view("<u4")

    def close(self) -> None:
        """Closes the file that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _matching(name: str) -> list[Path]:
    path = Path(name)
    if path.is_file():
        return [path]
    # glob, not Path.glob: the pattern may be absolute.
    found = sorted(Path(p) for p in glob.glob(name, recursive=True) if Path(p).is_file())  # noqa: PTH207
    if not found:
        raise Error(f"no file {name}" if not glob.has_magic(name) else f"no file matches {name}")
    return found
