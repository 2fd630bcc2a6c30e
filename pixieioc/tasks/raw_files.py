"""The raw files of a run: one per module, or several behind each other, and what is done when one cannot be written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixieioc.pipeline import Error
from pixieioc.tasks.raw_file import RawFile

#: What can be done when files cannot be written: the run ends, or it waits until they can, as by back pressure.
STOP, WAIT = "Stop", "Wait"
#: How often a disk that could not be written to is tried again, in seconds.
RETRY = 0.5
_MEGABYTE = 10**6


@dataclass(frozen=True)
class Rules:
    """How the files of a run are to be written; what is 0 or empty does not hold."""

    size_limit: float = 0.0  #: MB, from which on the next file begins
    time_limit: float = 0.0  #: s, likewise
    depth: int = 0  #: CreateDirectory
    on_error: str = STOP
    second_folder: str = ""  #: where the run goes on when files cannot be written


@dataclass
class _Module:
    """The files of one module: the one that grows, if there is one, and how many there have been."""

    file: RawFile | None = None
    number: int = 0
    given: int = 0  #: bytes that the file was given
    since: float = 0.0


class RawFiles:
    """Writes the words of modules to files, of which each is complete and has its sidecar once the next has begun.

    `path` gives the name of a module's file, `about` what its sidecar says, and `at_end` what else at the end. While
    nothing can be written `waiting` is called with the reason, again and again: it says whether to try once more.
    """

    def __init__(
        self,
        path: Callable[[int], Path],
        about: Callable[[int], dict[str, Any]],
        at_end: Callable[[], dict[str, Any]],
        rules: Callable[[], Rules],
        waiting: Callable[[Error], bool],
    ) -> None:
        self._path, self._about, self._at_end = path, about, at_end
        self._rules, self._waiting = rules, waiting
        self._modules: dict[int, _Module] = {}
        self._finished = 0
        self.first: Path | None = None
        self.latest: Path | None = None  #: the file that was begun last
        self.diverted = ""  #: why files are in the second folder; empty: they are not

    @property
    def bytes(self) -> int:
        """Bytes in all files of the run."""
        return self._finished + sum(file.size for file in self.open)

    @property
    def open(self) -> list[RawFile]:
        """The files that grow."""
        return [module.file for module in self._modules.values() if module.file is not None]

    def write(self, number: int, data: memoryview) -> None:
        """Appends to the file of a module, and to the next one from the limit on; Error if that is impossible."""
        module = self._modules.setdefault(number, _Module())
        while len(data):
            room = self._room(module) or len(data)
            piece, data = data[:room], data[room:]
            try:
                self._append(number, module, piece)
            except Error as error:
                self._go_on(number, module, [piece], error)

    def check(self) -> None:
        """Looks whether what was written has been taken by the disk, and is where it should be."""
        for number, module in self._modules.items():
            if module.file is not None:
                try:
                    module.file.check()
                except Error as error:
                    self._go_on(number, module, [], error)

    def check_in_place(self) -> None:
        """Looks whether all files can be found where they are being written."""
        for number, module in self._modules.items():
            if module.file is not None:
                try:
                    module.file.check_in_place()
                except Error as error:
                    self._go_on(number, module, [], error)

    def finish(self, reason: str) -> None:
        """Completes all files."""
        for number, module in self._modules.items():
            if module.file is not None:
                try:
                    module.file.flush()
                except Error as error:
                    self._go_on(number, module, [], error)
            if module.file is not None:
                self._finish(number, module, reason)

    def rescue(self, error: BaseException) -> None:
        """The run has failed: completes the files with what was written so far, as far as that is possible."""
        for number, module in self._modules.items():
            self._rescue(number, module, error)

    @property
    def _limit(self) -> int:
        """Bytes of a file, whole words; 0: there is no limit."""
        return max(4, int(_MEGABYTE * size) // 4 * 4) if (size := self._rules().size_limit) else 0

    def _room(self, module: _Module) -> int:
        """Bytes that go to the file of a module, or to its next one if it is full; 0: there is no limit."""
        limit = self._limit
        return limit - module.given if module.file is not None and module.given < limit else limit

    def _is_over(self, module: _Module, more: int) -> bool:
        limit, longest = self._limit, self._rules().time_limit
        return 0 < limit < module.given + more or 0 < longest <= time.monotonic() - module.since

    def _append(self, number: int, module: _Module, piece: memoryview) -> None:
        if module.file is not None and self._is_over(module, len(piece)):
            self._finish(number, module, "file limit")
        if module.file is None:
            self._begin(number, module)
        assert module.file is not None
        module.file.write(piece)
        module.given += len(piece)

    def _begin(self, number: int, module: _Module) -> None:
        path = self._name(number, module.number + 1)
        if any(file.path == path for file in self.open):
            raise Error(f"file_template gives the files of several modules one name: {path}")
        module.file = RawFile(path, depth=self._rules().depth, about=self._about(number) | {"part": module.number + 1})
        module.number, module.given, module.since = module.number + 1, 0, time.monotonic()
        self.latest = path
        self.first = self.first or path

    def _name(self, number: int, part: int) -> Path:
        path = self._path(number)
        if self.diverted:
            path = Path(self._rules().second_folder) / path.name
        return path if part == 1 else path.with_name(f"{path.stem}_{part:03d}{path.suffix}")

    def _finish(self, number: int, module: _Module, reason: str) -> None:
        assert module.file is not None
        module.file.finish(self._described(number, module, reason))
        self._finished += module.file.size
        module.file = None

    def _described(self, number: int, module: _Module, reason: str) -> dict[str, Any]:
        ended = {"part": module.number, "end_time": time.time(), "end_reason": reason}
        return self._about(number) | ended | self._at_end()

    def _rescue(self, number: int, module: _Module, error: BaseException) -> list[memoryview]:
        """Completes a file that cannot be written any more; returns what is not in it."""
        file, module.file = module.file, None
        if file is None:
            return []
        rest = file.rescue(self._described(number, module, str(error)))
        self._finished += file.size
        module.number -= not file.size
        return rest

    def _go_on(self, number: int, module: _Module, unwritten: list[memoryview], error: Error) -> None:
        """Writes what could not be written to the next file: in the second folder, or once the disk takes it again.

        Error, the first, if neither is wanted, or nobody waits any more.
        """
        left = [*self._rescue(number, module, error), *unwritten]
        diverts = self._rules().second_folder and not self.diverted
        if diverts:
            self.diverted = str(error)
        elif self._rules().on_error != WAIT:
            raise error
        while diverts or self._waiting(error):
            diverts = False
            try:
                self._write_all(number, module, left)
            except Error as again:
                left[:0] = self._rescue(number, module, again)
                if self._rules().on_error != WAIT:
                    raise again from error
            else:
                return
        raise error

    def _write_all(self, number: int, module: _Module, left: list[memoryview]) -> None:
        """Writes all that is left, and waits until the file has it."""
        while left:
            self._append(number, module, left[0])
            left.pop(0)
        if module.file is not None:
            module.file.flush()
