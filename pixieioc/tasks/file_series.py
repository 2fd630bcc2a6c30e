"""Files one after the other, of which each is complete once the next has begun; what is done when one cannot be."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from pixieioc.pipeline import Error
from pixieioc.tasks.complete_files import CompleteFile, CompleteFiles

#: What can be done when files cannot be written: the run ends, or it waits until they can, as by back pressure.
STOP, WAIT = "Stop", "Wait"
_MEGABYTE = 10**6

Data = TypeVar("Data")


@dataclass(frozen=True)
class Rules:
    """How the files of a run are to be written; what is 0 or empty does not hold."""

    size_limit: float = 0.0  #: MB, from which on the next file begins
    time_limit: float = 0.0  #: s, likewise
    depth: int = 0  #: CreateDirectory
    on_error: str = STOP
    second_folder: str = ""  #: where the run goes on when files cannot be written

    @property
    def bytes_limit(self) -> int:
        """Bytes of a file, whole words; 0: there is no limit."""
        return max(4, int(_MEGABYTE * self.size_limit) // 4 * 4) if self.size_limit else 0


class DataFile(Protocol[Data]):
    """A file that data are written to, complete with what tells of it once it is finished."""

    @property
    def size(self) -> int:
        """Bytes that are in the file."""
        ...

    @property
    def given(self) -> int:
        """Bytes in the file, and the most that what was written may add to them; 0 as long as it has no data."""
        ...

    @property
    def complete(self) -> list[CompleteFile]:
        """The file, or those that belong together, once they are complete and on disk; none before."""
        ...

    def write(self, data: Data, /) -> None:
        """Takes `data`, also if it raises Error: then `rescue` returns what is not in the file."""
        ...

    def check(self) -> None:
        """Error if the disk has not taken what was written, as far as that is known."""
        ...

    def check_in_place(self) -> None:
        """Error unless the file can still be found where it is being written."""
        ...

    def flush(self) -> None:
        """Returns when the file has all that was written; Error as with `check`."""
        ...

    def finish(self, about: dict[str, Any]) -> None:
        """Makes the file safe on disk, with `about`, and gives it its name."""
        ...

    def rescue(self, about: Callable[[], dict[str, Any]]) -> list[Data]:
        """After an error: completes the file with what it has, or removes it without any; returns what it has not.

        `size` is 0 if it was removed; if it cannot be completed it stays `*.part`. `about` is asked for at the end.
        """
        ...


def name_of_part(first: Path, part: int) -> Path:
    """The name of a part of the data whose first file is `first`: the others have their number behind its stem."""
    return first if part == 1 else first.with_name(f"{first.stem}_{part:03d}{first.suffix}")


@dataclass
class Destination:
    """What is common to the files of a run: how they are written, and whether they are in the second folder.

    While nothing can be written `waiting` is called with the reason, again and again: it says whether to try once more.
    """

    rules: Callable[[], Rules]
    waiting: Callable[[Error], bool]
    diverted: str = ""  #: why files are in the second folder; empty: they are not
    first: Path | None = None
    latest: Path | None = None  #: the file that was begun last
    complete: CompleteFiles = field(default_factory=CompleteFiles)

    def name(self, path: Path, part: int) -> Path:
        """The name of a part: the first one's is `path`, the others have their number behind its stem."""
        if self.diverted:
            path = Path(self.rules().second_folder) / path.name
        return name_of_part(path, part)


class Series(ABC, Generic[Data]):
    """The files of one stream of data. A subclass says how they are named, made and described."""

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self.file: DataFile[Data] | None = None  #: the one that grows, if there is one
        self.number = 0  #: of files so far
        self._since = 0.0
        self._closed = 0

    # -- what a subclass says ------------------------------------------------------------------------------------------

    @abstractmethod
    def path(self) -> Path:
        """The name of the first file."""

    @abstractmethod
    def new(self, path: Path, part: int) -> DataFile[Data]:
        """A new file."""

    @abstractmethod
    def describe(self, part: int, reason: str) -> dict[str, Any]:
        """What is told of the file that grows when it ends, for this reason."""

    @abstractmethod
    def cut(self, data: Data, room: int) -> tuple[Data, Data | None]:
        """The first part of `data`, with at most `room` bytes if that is possible, and the rest, if there is one."""

    def for_file(self, data: Data) -> Data:
        """`data` as the file that grows has them."""
        return data

    def takes(self, data: Data) -> bool:
        """Whether the file that grows can take them; otherwise the next one begins."""
        return True

    def closed(self) -> None:
        """The file that grew was completed or removed, or is left as it is."""

    # -- what is done --------------------------------------------------------------------------------------------------

    @property
    def bytes(self) -> int:
        """Bytes in all files."""
        return self._closed + (self.file.size if self.file is not None else 0)

    def begin(self) -> None:
        """Begins the next file; Error if that is impossible."""
        path = self.destination.name(self.path(), self.number + 1)
        self.file = self.new(path, self.number + 1)
        self.number, self._since = self.number + 1, time.monotonic()
        self.destination.latest = path
        self.destination.first = self.destination.first or path

    def write(self, data: Data) -> None:
        """Appends to the file, and to the next one from the limit on; Error if that is impossible."""
        left = [data]
        try:
            self._append(left)
        except Error as error:
            self._go_on(left, error)

    def check(self) -> None:
        """Looks whether what was written has been taken by the disk."""
        self._try(lambda file: file.check())

    def check_in_place(self) -> None:
        """Looks whether the file can be found where it is being written."""
        self._try(lambda file: file.check_in_place())

    def finish(self, reason: str) -> None:
        """Completes the file."""
        self._try(lambda file: file.flush())
        self._finish(reason)

    def rescue(self, error: BaseException) -> list[Data]:
        """Completes a file that cannot be written any more, as far as that is possible; returns what is not in it."""
        file = self.file
        if file is None:
            return []
        rest = file.rescue(lambda: self.describe(self.number, str(error)))
        self._close(file)
        self.number -= not file.size
        return rest

    def _try(self, action: Callable[[DataFile[Data]], None]) -> None:
        if self.file is not None:
            try:
                action(self.file)
            except Error as error:
                self._go_on([], error)

    def _is_over(self, file: DataFile[Data]) -> bool:
        rules = self.destination.rules()
        if not file.given:
            return False
        return 0 < rules.bytes_limit <= file.given or 0 < rules.time_limit <= time.monotonic() - self._since

    def _append(self, left: list[Data]) -> None:
        """Writes all that is left."""
        while left:
            if self.file is not None and self._is_over(self.file):
                self._finish("file limit")
            if self.file is None:
                self.begin()
            assert self.file is not None
            limit, rest = self.destination.rules().bytes_limit, None
            piece = self.for_file(left[0])
            if not self.takes(piece):
                self._finish("more columns")
                continue
            if limit:
                piece, rest = self.cut(piece, limit - self.file.given)
            left[:1] = [] if rest is None else [rest]
            self.file.write(piece)

    def _finish(self, reason: str) -> None:
        if (file := self.file) is not None:
            file.flush()
            file.finish(self.describe(self.number, reason))
            self._close(file)

    def _close(self, file: DataFile[Data]) -> None:
        self.file = None
        self._closed += file.size
        for complete in file.complete:
            self.destination.complete.add(complete)
        self.closed()

    def _go_on(self, unwritten: list[Data], error: Error) -> None:
        """Writes what could not be written to the next file: in the second folder, or once the disk takes it again.

        Error, the first, if neither is wanted, or nobody waits any more.
        """
        left, destination = [*self.rescue(error), *unwritten], self.destination
        diverts = destination.rules().second_folder and not destination.diverted
        if diverts:
            destination.diverted = str(error)
        elif destination.rules().on_error != WAIT:
            raise error
        while diverts or destination.waiting(error):
            diverts = False
            try:
                self._append(left)
                if self.file is not None:
                    self.file.flush()
            except Error as again:
                left[:0] = self.rescue(again)
                if destination.rules().on_error != WAIT:
                    raise again from error
            else:
                return
        raise error
