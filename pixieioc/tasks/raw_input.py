"""What raw data are read from: files, compressed ones, and pipes. Each is opened once and read from its beginning."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import select
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from pixieioc.pipeline import Error
from pixieioc.tasks.names import shown

#: What files of other kinds begin with; none of these is the beginning of a record.
_FOREIGN = {
    b"\x1f\x8b\x08": "gzip-compressed: only a file whose name ends with .gz is decompressed",
    b"BZh": "bzip2-compressed: only a file whose name ends with .bz2 is decompressed",
    b"\xfd7zXZ\0": "xz-compressed: only a file whose name ends with .xz is decompressed",
    b"\x28\xb5\x2f\xfd": "zstd-compressed: only a file whose name ends with .zst is decompressed",
    b"PK\x03\x04": "a zip archive, no raw data",
    b"PAR1\x15": "a Parquet file, no raw data",
    b"root\0": "a ROOT file, no raw data",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, no raw data",
    b"\x93NUMPY": "a file of numpy, no raw data",
    b"\x89PNG\r\n": "a picture, no raw data",
    b"\x7fELF": "a program, no raw data",
    b"%PDF-": "a PDF document, no raw data",
    b"SQLite format 3": "a database, no raw data",
}
LONGEST_MAGIC = max(map(len, _FOREIGN))
_KINDS: dict[Callable[[int], bool], str] = {
    stat.S_ISDIR: "a folder: give the files in it, as in '{}/*.bin'",
    stat.S_ISCHR: "a character device, no raw data",
    stat.S_ISBLK: "a block device, no raw data",
    stat.S_ISSOCK: "a socket, no raw data",
}


class Damaged(Exception):
    """Compressed data that cannot be read to their end: what came before is right. Its text says which, and where."""


class Input(Protocol):
    """Where raw data come from."""

    path: Path

    @property
    def size(self) -> int | None:
        """Bytes that it has on the disk, None for a pipe."""
        ...

    @property
    def position(self) -> int:
        """Those of them that have been read."""
        ...

    def readinto(self, view: memoryview) -> int | None:
        """Puts bytes into `view` and returns how many; 0 at the end, None if there are none yet. Error, Damaged."""
        ...

    def close(self) -> None:
        """Closes it."""
        ...


def size_of(path: Path) -> int | None:
    """Bytes on the disk, None for a pipe; Error that says what it is if it is no raw data."""
    name = shown(path)
    try:
        found = path.stat()
        if stat.S_ISFIFO(found.st_mode):
            return None
        for is_kind, what in _KINDS.items():
            if is_kind(found.st_mode):
                raise Error(f"{name} is {what.format(name.rstrip('/'))}")
        with path.open("rb") as file:
            head = file.read(LONGEST_MAGIC)
    except FileNotFoundError:
        raise Error(f"no file {name}") from None
    except OSError as error:
        raise Error(f"cannot read {name}: {error.strerror}") from None
    if path.suffix == ".json":
        raise Error(f"{name} is a JSON file, no raw data")
    if path.suffix in _COMPRESSED:
        magic, kind, _ = _COMPRESSED[path.suffix]
        if head and not head.startswith(magic):
            raise Error(f"{name} is not {kind}-compressed, as its name says")
    else:
        _refuse_foreign(name, head)
    return found.st_size


def is_plain(path: Path) -> bool:
    """True for what `size_of` has accepted if its bytes on the disk are those of the raw data."""
    return path.suffix not in _COMPRESSED and not path.is_fifo()


def open_input(path: Path, size: int | None) -> Input:
    """Opens what `size_of` has accepted; of a file that has grown since then, only what it had is read."""
    try:
        if stat.S_ISFIFO(path.stat().st_mode):
            return _Pipe(path)
        return _Compressed(path) if path.suffix in _COMPRESSED else _Plain(path, size or 0)
    except OSError as error:
        raise Error(f"cannot read {shown(path)}: {error.strerror}") from None


def without_compression(name: str) -> str:
    """A file's name without the ending of its compression."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot + ending in _COMPRESSED else name


def _refuse_foreign(name: str, head: bytes) -> None:
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise Error(f"{name} is {what}")


class _Plain:
    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size, self.position = path, size, 0
        self._file = path.open("rb", buffering=0)

    def readinto(self, view: memoryview) -> int | None:
        left = self.size - self.position
        if not left:
            return 0
        try:
            count = self._file.readinto(view[:left])
        except OSError as error:
            raise _unreadable(self, error) from None
        if not count:
            raise Error(f"{shown(self.path)} has become shorter while it was read")
        self.position += count
        return count

    def close(self) -> None:
        self._file.close()


class _Compressed:
    """Decompressed a piece at a time, so that what is right before a damage is not lost with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._raw = path.open("rb")
        self.size = os.fstat(self._raw.fileno()).st_size
        self._kind, opening = _COMPRESSED[path.suffix][1:]
        try:
            self._file = opening(self._raw)
        except Error:
            self._raw.close()
            raise
        self._taken = 0

    @property
    def position(self) -> int:
        return self._raw.tell()

    def readinto(self, view: memoryview) -> int | None:
        if not self.size:
            raise Damaged(f"{shown(self.path)} is empty: even no data, {self._kind}-compressed, are some bytes")
        try:
            piece: bytes = self._file.read1(len(view))
        except OSError as error:
            if error.errno is not None:
                raise _unreadable(self, error) from None
            raise self._damaged(error) from None
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            raise self._damaged(error) from None
        except Exception as error:
            if type(error).__name__ != "ZstdError":  # whose library need not be there
                raise
            raise self._damaged(error) from None
        if not self._taken:
            _refuse_foreign(shown(self.path), piece[:LONGEST_MAGIC])
        view[: len(piece)] = piece
        self._taken += len(piece)
        return len(piece)

    def close(self) -> None:
        self._file.close()
        self._raw.close()

    def _damaged(self, error: Exception) -> Damaged:
        why = "ends in the middle of" if isinstance(error, EOFError) else "is damaged in"
        return Damaged(
            f"{shown(self.path)} {why} its {self._kind}-compressed data, at byte {self.position} of {self.size}: "
            f"{self._taken} bytes of raw data before that were read ({error})"
        )


class _Pipe:
    """A FIFO, or a pipe that another process holds; never waited for, so that a run can be stopped."""

    def __init__(self, path: Path) -> None:
        self.path, self.size, self.position = path, None, 0
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)
        # A pipe without a name has had its writers; a FIFO may still wait for the first.
        self._written_to = path.resolve().name.startswith("pipe:")
        self._head = bytearray()

    def readinto(self, view: memoryview) -> int | None:
        if not self._poll.poll(0) and not self._written_to:
            return None
        try:
            count = os.readv(self._descriptor, [view])
        except BlockingIOError:
            return None
        except OSError as error:
            raise _unreadable(self, error) from None
        if len(self._head) < LONGEST_MAGIC:
            self._head += view[: min(count, LONGEST_MAGIC)]
            _refuse_foreign(shown(self.path), bytes(self._head))
        self._written_to = True
        self.position += count
        return count

    def close(self) -> None:
        os.close(self._descriptor)


def _unreadable(source: Input, error: OSError) -> Error:
    return Error(f"cannot read {shown(source.path)} after {source.position} bytes: {error.strerror}")


def _open_zstd(file: BinaryIO) -> Any:
    try:
        from compression import zstd  # pyright: ignore[reportMissingImports]  # from Python 3.14 on
    except ImportError:
        try:
            from backports import zstd
        except ImportError as error:
            raise Error(
                f"{shown(file.name)}: files that end with .zst need the package backports.zstd: "
                f"pip install 'pixieioc[analysis]' ({error})"
            ) from None
    return zstd.ZstdFile(file)


#: What compressed files end with: what they begin with, the name of the compression, and how they are opened.
_COMPRESSED: dict[str, tuple[bytes | tuple[bytes, ...], str, Callable[[BinaryIO], Any]]] = {
    ".gz": (b"\x1f\x8b", "gzip", lambda file: gzip.GzipFile(fileobj=file)),
    ".bz2": (b"BZh", "bzip2", bz2.BZ2File),
    ".xz": (b"\xfd7zXZ\0", "xz", lzma.LZMAFile),
    ".zst": ((b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"), "zstd", _open_zstd),  # data, or a frame to be skipped
}
