"""A raw file on its way to disk: `*.part` while it grows, its name and a JSON sidecar once it is complete and safe."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixieioc.checksums import SHA256
from pixieioc.pipeline import Error
from pixieioc.tasks.complete_files import CompleteFile
from pixieioc.tasks.disk import FULL, make_folder, replace_file, sync
from pixieioc.tasks.growing_file import GrowingFile
from pixieioc.tasks.names import to_json
from pixieioc.tasks.raw_names import begun, part_of

#: After this many bytes that are not on the disk yet, they are brought there.
_SYNC_BYTES = 32 * 1024**2
#: This many writes may be on their way to the disk.
_BEHIND = 2
#: Bytes that are written at a time, and how long a disk may take for them, in seconds; how often it is looked at then.
_SMALLEST, _LARGEST, _MOMENT, _LOOK = 64 * 1024, 4 * 1024**2, 0.1, 0.1
#: How long a file that is given up waits for a write that is on its way, in seconds.
_PATIENCE = 1.0
#: Bytes by which a sidecar may be longer than what is known at the beginning.
_ROOM = 2000


@dataclass(frozen=True)
class _Write:
    """A write on its way: its data, the checksum of all before them, and whether they are in the file."""

    data: memoryview
    before: Future[Any]
    done: Future[None]


class RawFile:
    """One module's raw data of one run, or a part of them.

    Checksum and writing have a thread each, and may be some writes behind: who writes waits only if they are further
    behind. What was written is then in the file, and is brought to the disk all along: the end of a run need not wait
    for all of it, and a power cut costs little.
    """

    def __init__(
        self, path: Path, *, depth: int = 0, about: dict[str, Any] | None = None,
        too_slow: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """Opens `<path>.part`; Error if the file is there already, or cannot be made.

        `depth` says which folders are made for it, see `why_not_made`. `about` is written to `<path>.json.part`, for
        the case that the run is cut off: it is what can be known of it then. `too_slow` is asked while the disk is
        waited for and takes something: whether there is no more time for the rest.
        """
        self._too_slow, self._given_up = too_slow, False
        self.path = path
        self.part = part_of(path)
        self._hash = hashlib.new(SHA256)
        self._hasher, self._writer = ThreadPoolExecutor(1, "hash"), ThreadPoolExecutor(1, "write")
        self._pending: deque[_Write] = deque()
        self._given = 0
        self._safe = 0  # bytes that are on the disk for sure
        self.complete: list[CompleteFile] = []  #: this one, once it is
        self._failed: OSError | None = None
        self._failed_at = 0  # bytes that were in the file before the write that failed
        self._piece = _LARGEST
        try:
            make_folder(path.parent, depth)
            if path.exists():
                raise Error(f"{path} exists already; nothing is overwritten")
            self._file = GrowingFile(self.part)
        except OSError as error:
            raise Error(f"cannot make {self.part}: {error.strerror}") from error
        if about is not None:
            begun = self._writer.submit(self._begin, about)
            self._pending.append(_Write(memoryview(b""), self._hasher.submit(self._hash.copy), begun))

    @property
    def size(self) -> int:
        """Bytes that are in the file."""
        return self._file.size

    @property
    def given(self) -> int:
        """Bytes that were written, those that are still on their way too."""
        return self._given

    def write(self, data: bytes | memoryview) -> None:
        """Appends all of `data`, which must not change afterwards; Error as with `check`, `rescue` then returns it."""
        try:
            self.check()
        finally:
            view = memoryview(data).cast("B")
            write = _Write(view, self._hasher.submit(self._add, view), self._writer.submit(self._append, view))
            self._pending.append(write)
            self._given += len(view)

    def check(self) -> None:
        """Error if the disk has not taken what was written, as far as that is known."""
        self._settle(_BEHIND)

    def check_in_place(self) -> None:
        """Error unless the file can still be found where it is being written."""
        if not self._file.is_in_place():
            raise Error(
                f"{self.part} is no longer there: it or its folder was removed, moved or unmounted in the run "
                f"(after {self.size} bytes)"
            )

    def _settle(self, behind: int) -> None:
        """Waits until at most `behind` writes are on their way; Error if the disk has not taken one of the others."""
        while self._pending and (len(self._pending) > behind or self._pending[0].done.done()):
            try:
                self._await(self._pending[0].done)
            except OSError as error:
                raise Error(f"cannot write {self.part} after {self.size} bytes: {error.strerror}") from error
            self._pending.popleft()

    def _await(self, done: Future[None]) -> None:
        """Waits for a write; what has failed is raised. Of a disk that takes nothing it is not asked how slow it is."""
        seen = self.size
        while wait([done], _LOOK).not_done:
            if self.size > seen:
                seen = self.size
                if self._too_slow():
                    self._given_up = True
                    lost = self._given - self.size
                    raise Error(
                        f"the disk is too slow: {self.path} had {self.size} bytes when the run had to end, up to "
                        f"{lost} bytes of the run are not in it"
                    )
        done.result()

    def _add(self, view: memoryview) -> Any:
        """In the hasher's thread: returns the checksum of all before `view`."""
        before = self._hash.copy()
        self._hash.update(view)
        return before

    def _begin(self, about: dict[str, Any]) -> None:
        """In the writer's thread, before anything else is written."""
        try:
            # With room for what the sidecar has beyond it: on a full disk it becomes that.
            replace_file(begun(self.path), as_json({"file": self.path.name, **about}) + b" " * _ROOM)
        except OSError as error:
            self._failed = error
            raise

    def _append(self, data: memoryview) -> None:
        """In the writer's thread. After a write that failed there is none: nothing may be missing within the file."""
        if self._failed is not None:
            raise self._failed
        self._failed_at = self.size
        try:
            self._append_pieces(data)
            if self.size - self._safe >= _SYNC_BYTES:
                self._file.sync()
                self._safe = self.size
        except OSError as error:
            self._failed = error
            raise

    def _append_pieces(self, data: memoryview) -> None:
        """In pieces that end with a page: as large as a disk takes in a moment, so that a slow one can be given up."""
        while data:
            if self._given_up:
                raise OSError(errno.ETIMEDOUT, "the disk is too slow")
            end, began = (self.size + self._piece) // _SMALLEST * _SMALLEST, time.monotonic()
            piece = data[: max(end - self.size, _SMALLEST)]
            self._file.append(piece)
            data = data[len(piece) :]
            larger = time.monotonic() - began < _MOMENT
            self._piece = min(_LARGEST, 2 * self._piece) if larger else max(_SMALLEST, self._piece // 2)

    def finish(self, about: dict[str, Any]) -> None:
        """Makes the file safe on disk, gives it its name, and writes `<path>.json` with `about`, size and checksum."""
        self._settle(0)
        self.check_in_place()
        self._hasher.shutdown()
        self._writer.shutdown()
        self._publish(about, self._hash)
        self._file.close()

    def flush(self) -> None:
        """Waits until the file has all that was written; Error as with `check`."""
        self._settle(0)

    def rescue(self, about: Callable[[], dict[str, Any]]) -> list[memoryview]:
        """After an error: completes the file with the whole words that the disk has taken; returns what it has not.

        Without any it is removed. If it cannot be completed it stays `*.part`, as after `leave`.
        """
        wait([write.done for write in self._pending], _PATIENCE)
        while self._pending and self._pending[0].done.done() and self._pending[0].done.exception() is None:
            self._pending.popleft()
        if any(not write.done.done() for write in self._pending):  # a disk that does not answer
            self.leave()
            return []
        rest = [write.data for write in self._pending]
        digest = self._pending[0].before.result() if rest else None
        self._hasher.shutdown()
        digest = digest or self._hash
        written = (self.size - self._failed_at) // 4 * 4 if rest and rest[0] else 0
        whole = self._failed_at + written if rest else self.size
        if rest:
            digest.update(rest[0][:written])
            rest[0] = rest[0][written:]
        self._writer.shutdown()
        with contextlib.suppress(Error, OSError):  # it is `*.part`, which others tell of
            self._complete(whole, about(), digest)
        return [data for data in rest if data]

    def _complete(self, whole: int, about: dict[str, Any], digest: Any) -> None:
        try:
            self.check_in_place()
            self._file.truncate(whole)
            if whole:
                self._publish(about, digest)
            else:
                self.part.unlink()
                begun(self.path).unlink(missing_ok=True)
        finally:
            self._file.close()

    def _publish(self, about: dict[str, Any], digest: Any) -> None:
        try:
            self._file.sync()
            content = {"file": self.path.name, **about, "bytes": self.size, SHA256: digest.hexdigest()}
            self._describe(as_json(content))
            self.part.rename(self.path)
            sync(self.path.parent)
            self.complete = [CompleteFile(self.path, self.size, digest.hexdigest(), about.get("module"))]
        except OSError as error:
            raise Error(f"cannot finish {self.part}: {error.strerror}") from error

    def _describe(self, content: bytes) -> None:
        """Writes the sidecar; on a disk that is full, in the place of the file that was written at the beginning."""
        sidecar, first = self.path.with_name(self.path.name + ".json"), begun(self.path)
        try:
            replace_file(sidecar, content)
        except OSError as error:
            if error.errno not in FULL or not first.exists():
                raise
            with first.open("r+b") as file:
                file.write(content)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            first.rename(sidecar)
        first.unlink(missing_ok=True)

    def leave(self) -> None:
        """Closes the file as it is, still called `*.part`, as soon as a write that is on its way has ended.

        What has not been written is given up. When the file is deleted afterwards, its space on the disk is free.
        """
        for write in self._pending:
            write.before.cancel()
            write.done.cancel()
        self._hasher.shutdown(wait=False)
        closing = self._writer.submit(self._file.close)
        self._writer.shutdown(wait=False)
        with contextlib.suppress(TimeoutError):  # a disk that does not answer
            closing.result(_PATIENCE)


def as_json(about: dict[str, Any]) -> bytes:
    """The content of a JSON file beside a raw file."""
    return to_json(about, indent=2).encode() + b"\n"
