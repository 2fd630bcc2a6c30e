"""What the conditions of a run were while it went on, as lines of JSON: a file that never grows beyond its limit.

The first line says what it is. Then each line is a value `{"t": time, "i": index, "v": value, "s": severity}`, or
`{"t": time, "i": index, "state": "not connected"}`. When the file is full, every other value of each condition is left
out, and from then on the period is twice as long: so it covers the whole run, however long that is.

Nothing here waits for a disk but `write`, which is called in a thread.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from pixieioc.counted import counted
from pixieioc.site_pvs import OK, Reading
from pixieioc.tasks.disk import replace_file

FORMAT, VERSION = "pixieioc conditions", 1
#: The settings, by task, that name the files of a run.
NamedBy = Mapping[str, Mapping[str, Any]]
#: The name of the file while the run goes on, and from its end on; both have the number of the run.
_RUNNING, _ENDED = "conditions-{:06d}.jsonl", "conditions-{:06d}-ended.jsonl"
_LEFT = re.compile(r"conditions-(?P<run>\d+)(?P<ended>-ended)?\.jsonl")
#: How a run ends whose IOC does not live to end it, as its sidecars say.
LOST = "IOC lost"
#: After it was thinned the file has this share of its limit at most.
_ROOM = 0.7


class ConditionArchive:
    """The file of one run, `limit` is in bytes."""

    def __init__(
        self, folder: Path, run_id: int, names: Sequence[str], period: float, limit: int, start: float,
        named_by: NamedBy = MappingProxyType({}),
    ) -> None:  # fmt: skip
        """`named_by` are the settings, by task, that name the files of the run: for who finds it without its IOC."""
        self.path = folder / _RUNNING.format(run_id)
        self._run_id = run_id
        self._limit, self._period, self._every = limit, period, 1
        self._size = 0
        self._last: dict[int, float] = {}
        self._about: dict[str, Any] = {"run_id": run_id, "start_time": start, "period": period, "pvs": list(names)}
        self._about |= {"named_by": named_by} if named_by else {}
        #: What was lost, and the system's code, if it is the system that said so.
        self.problem, self.errno = "", 0
        self._left_out = 0

    def line_of(self, index: int, reading: Reading, now: float, *, always: bool = False) -> bytes | None:
        """The line for a reading, or None if one of its condition has been kept just now."""
        if reading.state != OK:
            self._last.pop(index, None)
            return _line({"t": now, "i": index, "state": reading.state})
        if not always and now - self._last.get(index, 0.0) < self._period * self._every * 0.9:
            return None
        self._last[index] = now
        about = {"s": reading.severity} if reading.severity != "NO_ALARM" else {}
        return _line({"t": now if reading.time is None else reading.time, "i": index, "v": reading.value, **about})

    def write(self, lines: Sequence[bytes]) -> None:
        """Appends lines, in a thread; an OSError is noted as `problem`, and the lines are gone."""
        try:
            if not self._size:
                self._replace([])
            self._append(b"".join(lines))
            if self._size > self._limit:
                self._thin()
        except OSError as error:
            self.problem, self.errno = f"values of conditions are missing: {error.strerror}", error.errno or 0
            if not self.path.exists():
                self._size = 0  # the next lines begin it again

    def leave_out(self, count: int) -> None:
        """This many lines are not written, since the disk is too slow."""
        self._left_out += count
        if count:
            missing = counted(self._left_out, "value of a condition is", "values of conditions are")
            self.problem = f"{missing} missing: the disk was too slow"

    def end(self) -> None:
        """The run has ended, and all is written: from now on the name says so, to an IOC that finds the file."""
        ended = self.path.with_name(_ENDED.format(self._run_id))
        try:
            self.path = self.path.rename(ended)
        except FileNotFoundError:  # nothing could be written, or the file has been brought to the data already
            self.path = ended

    def _append(self, content: bytes) -> None:
        """Whole lines only: what a full disk has taken of others is taken away, or written over later."""
        with self.path.open("r+b", buffering=0) as file:
            try:
                file.seek(self._size)
                if file.write(content) < len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                file.truncate(self._size)
                raise
        self._size += len(content)

    def _thin(self) -> None:
        """Leaves out every other line of each condition, until there is room."""
        lines = self.path.read_bytes().splitlines(keepends=True)[1:]
        while sum(map(len, lines)) > _ROOM * self._limit and len(lines) > 2 * len(self._about["pvs"]):
            lines, self._every = _every_other(lines), 2 * self._every
        self._replace(lines)

    def _replace(self, lines: list[bytes]) -> None:
        about = {"format": FORMAT, "version": VERSION, **self._about, "every": self._every}
        content = _line(about) + b"".join(lines)
        replace_file(self.path, content)
        self._size = len(content)


class Left(NamedTuple):
    """The file of an earlier run that has stayed where it was written."""

    path: Path
    run_id: int
    ended: bool  #: otherwise the IOC did not live to end the run

    def about(self) -> dict[str, Any]:
        """Its first line; ValueError for another file, OSError."""
        with self.path.open("rb") as file:
            about = msgspec.json.decode(file.readline())
        if not isinstance(about, dict) or about.get("format") != FORMAT:
            raise ValueError(f"{self.path} has no conditions of a run")
        return about


def left_in(folder: Path) -> Iterator[Left]:
    """Those in a folder, in the order of their runs."""
    for path in sorted(folder.glob("conditions-*.jsonl")):
        if match := _LEFT.fullmatch(path.name):
            yield Left(path, int(match["run"]), match["ended"] is not None)


def end_lost(path: Path) -> None:
    """Completes the file of a run whose IOC was lost, which its first line then says.

    A line that was not written to its end is left out. OSError.
    """
    head, *lines = path.read_bytes().splitlines(keepends=True)
    about = msgspec.json.decode(head)
    whole = [line for line in lines if line.endswith(b"\n")]
    replace_file(path, _line({**about, "end_reason": LOST}) + b"".join(whole))


def _every_other(lines: list[bytes]) -> list[bytes]:
    seen: dict[int, int] = {}
    kept: list[bytes] = []
    for line in lines:
        index = msgspec.json.decode(line, type=_Index).i
        seen[index] = seen.get(index, -1) + 1
        if seen[index] % 2 == 0:
            kept.append(line)
    return kept


class _Index(msgspec.Struct):
    i: int


def _line(content: dict[str, Any]) -> bytes:
    return msgspec.json.encode(content) + b"\n"
