"""The raw files of a run: one per module, or several, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pixieioc.pipeline import Error
from pixieioc.tasks.file_series import Destination, Rules, Series
from pixieioc.tasks.raw_file import RawFile


class RawFiles:
    """Writes the words of modules to files, of which each is complete and has its sidecar once the next has begun.

    `path` gives the name of a module's file, `about` what its sidecar says, and `at_end` what else at the end; `rules`
    and `waiting` are those of `Destination`, `too_slow` is that of `RawFile`.
    """

    def __init__(
        self,
        path: Callable[[int], Path],
        about: Callable[[int], dict[str, Any]],
        at_end: Callable[[], dict[str, Any]],
        rules: Callable[[], Rules],
        waiting: Callable[[Error], bool],
        too_slow: Callable[[], bool] = lambda: False,
    ) -> None:
        self.path, self.about, self.at_end, self.too_slow = path, about, at_end, too_slow
        self.destination = Destination(rules, waiting)
        self._modules: dict[int, _Module] = {}

    @property
    def bytes(self) -> int:
        """Bytes in all files of the run."""
        return sum(module.bytes for module in self._modules.values())

    @property
    def open(self) -> list[RawFile]:
        """The files that grow."""
        return [module.file for module in self._modules.values() if isinstance(module.file, RawFile)]

    def write(self, number: int, data: memoryview) -> None:
        """Appends to the file of a module, and to the next one from the limit on; Error if that is impossible."""
        self._modules.setdefault(number, _Module(self, number)).write(data)

    def check(self) -> None:
        """Looks whether what was written has been taken by the disk, and is where it should be."""
        for module in self._modules.values():
            module.check()

    def check_in_place(self) -> None:
        """Looks whether all files can be found where they are being written."""
        for module in self._modules.values():
            module.check_in_place()

    def finish(self, reason: str) -> None:
        """Completes all files."""
        for module in self._modules.values():
            module.finish(reason)

    def rescue(self, error: BaseException) -> None:
        """The run has failed: completes the files with what was written so far, as far as that is possible."""
        for module in self._modules.values():
            module.rescue(error)


class _Module(Series[memoryview]):
    """The files of one module."""

    def __init__(self, files: RawFiles, module: int) -> None:
        super().__init__(files.destination)
        self._files, self._module = files, module

    def path(self) -> Path:
        """As the template says."""
        return self._files.path(self._module)

    def new(self, path: Path, part: int) -> RawFile:
        """Error too if another module has a file of this name."""
        if any(file.path == path for file in self._files.open):
            raise Error(f"file_template gives the files of several modules one name: {path}")
        about = self._files.about(self._module) | {"part": part}
        return RawFile(path, depth=self.destination.rules().depth, about=about, too_slow=self._files.too_slow)

    def describe(self, part: int, reason: str) -> dict[str, Any]:
        """The content of the sidecar."""
        ended = {"part": part, "end_time": time.time(), "end_reason": reason}
        return self._files.about(self._module) | ended | self._files.at_end()

    def cut(self, data: memoryview, room: int) -> tuple[memoryview, memoryview | None]:
        """To the byte: the limit is one of whole words."""
        return (data[:room], data[room:]) if len(data) > room else (data, None)
