"""A raw file on its way to disk: `*.part` while it grows, its name and a JSON sidecar once it is complete and safe."""

from __future__ import annotations

import hashlib
import json
import os
import re
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pixieioc.pipeline import Error
from pixieioc.tasks.disk import sync

_CONVERSION = re.compile(r"%(?:%|[-+ 0#]*\d*(?:\.\d+)?([sd]))")
#: After so many bytes that are not on the disk yet, they are brought there.
_SYNC_BYTES = 32 * 1024**2
#: What a template's conversions stand for, in this order.
FIELDS = ("FilePath", "FileName", "FileNumber", "run id", "module")
_KINDS = ("s", "s", "d", "d", "d")


def check_template(template: str) -> int:
    """The number of fields that a file template uses; Error that says what is wrong with it."""
    rest = _CONVERSION.sub("", template)
    if "%" in rest:
        raise Error(f"file template {template!r}: only %s and %d with flags, width and precision, and %% are allowed")
    kinds = tuple(kind for kind in _CONVERSION.findall(template) if kind)
    if not 2 <= len(kinds) <= len(FIELDS) or kinds != _KINDS[: len(kinds)]:
        given = " ".join(f"%{kind}" for kind in kinds) or "nothing"
        raise Error(
            f"file template {template!r}: must have %s %s and up to three %d, for {', '.join(FIELDS)}, not {given}"
        )
    return len(kinds)


def file_name(template: str, path: str, name: str, number: int, run_id: int, module: int) -> Path:
    """The full name that a template gives, in the manner of areaDetector: the path is ended with a slash."""
    count = check_template(template)
    folder = path if path.endswith("/") else path + "/"
    return Path(template % (folder, name, number, run_id, module)[:count])


class RawFile:
    """One module's raw data of one run.

    Everything that was written is in the file at once (nothing is buffered here), and on the disk after `finish`. It is
    brought to the disk all along, in a thread of its own: the end of a run need not wait for all of it, and a power cut
    costs little. The checksum, which takes longer than the writing, has a thread too, and may be one write behind.
    """

    def __init__(self, path: Path, *, create_folder: bool) -> None:
        """Opens `<path>.part`; Error if the file is there already, or cannot be made."""
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self.bytes = 0
        self._hash = hashlib.sha256()
        self._hasher, self._syncer = ThreadPoolExecutor(1, "hash"), ThreadPoolExecutor(1, "sync")
        self._hashing: Future[None] | None = None
        self._sync: Future[None] | None = None
        self._safe = 0  # bytes that are on the disk when _sync is done
        try:
            if create_folder:
                path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                raise Error(f"{path} exists already; nothing is overwritten")
            self._descriptor = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Error(f"cannot make {self.part}: {error.strerror}") from error

    def write(self, data: bytes | memoryview) -> None:
        """Appends all of `data`, which must not change afterwards; Error if the disk does not take it."""
        view = memoryview(data).cast("B")
        self._await_hash()
        self._hashing = self._hasher.submit(self._hash.update, view)
        while view:
            try:
                written = os.write(self._descriptor, view)
            except OSError as error:
                raise Error(f"cannot write {self.part} after {self.bytes} bytes: {error.strerror}") from error
            self.bytes += written
            view = view[written:]
        if self.bytes - self._safe >= _SYNC_BYTES and (self._sync is None or self._sync.done()):
            self._look_at_sync()
            self._safe = self.bytes
            self._sync = self._syncer.submit(os.fdatasync, self._descriptor)

    def _await_hash(self) -> None:
        if self._hashing is not None:
            self._hashing.result()
            self._hashing = None

    def _look_at_sync(self) -> None:
        """Waits for what is on its way to the disk; Error if the disk did not take it."""
        if self._sync is not None:
            try:
                self._sync.result()
            except OSError as error:
                raise Error(f"cannot write {self.part}, {self.bytes} bytes so far: {error.strerror}") from error

    def finish(self, about: dict[str, Any]) -> None:
        """Makes the file safe on disk, gives it its name, and writes `<path>.json` with `about`, size and checksum."""
        self._await_hash()
        self._look_at_sync()
        self._end_threads()
        try:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            sidecar = self.path.with_name(self.path.name + ".json")
            content = {"file": self.path.name, **about, "bytes": self.bytes, "sha256": self._hash.hexdigest()}
            _write_safely(sidecar, json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")
            self.part.rename(self.path)
            sync(self.path.parent)
        except OSError as error:
            raise Error(f"cannot finish {self.part}: {error.strerror}") from error

    def leave(self) -> None:
        """Closes the file as it is, still called `*.part`."""
        self._end_threads()
        os.close(self._descriptor)

    def _end_threads(self) -> None:
        self._hasher.shutdown()
        self._syncer.shutdown()


def _write_safely(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
