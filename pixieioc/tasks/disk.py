"""What makes files safe on disk, and which folders are made for them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pixieioc.counted import counted
from pixieioc.pipeline import Error
from pixieioc.pipeline.declaration import shorten

#: What the system says of a disk that is full, or of a full quota.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
#: Bytes of a name with all its folders, and the zero behind it (Linux).
_PATH_MAX = 4096
#: Bytes of what is read as a whole: settings of all channels of a full crate are a hundredth of that.
_SMALL = 64 << 20


def sync(path: Path) -> None:
    """Has the disk take what was written to a file; of a folder, the names of its files: a rename is safe only then."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_file(path: Path, largest: int = _SMALL) -> bytes:
    """The content of a small file; OSError if it is no ordinary file, which may never end, or larger in bytes."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "it is no ordinary file", str(path))
        if about.st_size > largest:
            raise OSError(errno.EFBIG, f"it is larger than {largest >> 20} MB", str(path))
        return file.read()


def sync_all(paths: Sequence[Path]) -> None:
    """The same of several side by side, which takes hardly longer than one; OSError of the first that has failed."""
    with ThreadPoolExecutor(max(1, len(paths)), "sync") as threads:
        list(threads.map(sync, paths))


def replace_file(path: Path, content: bytes) -> None:
    """Puts `content` onto the disk, in the place of what a file of this name had; it has it whole or not at all.

    OSError if it does not; then nothing is left beside it.
    """
    new = path.with_name(path.name + ".new")
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    except OSError:
        with contextlib.suppress(OSError):  # the disk is gone, or has become read-only
            new.unlink(missing_ok=True)
        raise


def is_in_place(path: Path, own: os.stat_result, size: int) -> bool:
    """Whether a file of at least `size` bytes is still to be found by its name: it, or a folder, may have been removed.

    Not every file system keeps the number of a file, so that another one is taken for it if it is as large.
    """
    try:
        there = path.stat()
    except OSError:
        return False
    return os.path.samestat(there, own) or (there.st_dev == own.st_dev and there.st_size >= size)


def rename_new(old: Path, new: Path) -> None:
    """Gives a file a new name; FileExistsError if there is one of that name."""
    try:
        new.hardlink_to(old)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if new.exists():
            raise FileExistsError(new) from None
        old.rename(new)
    else:
        old.unlink()


def why_not_new(path: Path, longest_ending: str = "") -> str:
    """Why there cannot be a new file of this name, with up to such an ending; empty if there can.

    It is there already, or its name is longer than the file system takes. Whether its folder is there, or can be made,
    is another question; OSError if that cannot be looked into.
    """
    folder = path.parent
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    longest = os.pathconf(folder, "PC_NAME_MAX")
    for part in (*path.parts[len(folder.parts) : -1], path.name + longest_ending):
        if 0 < longest < (length := len(os.fsencode(part))):
            return f"the name {shorten(part)} has {length} bytes, at most {longest} are possible in {folder}"
    if len(os.fsencode(path)) + len(longest_ending) >= _PATH_MAX:
        return f"the name {shorten(str(path))} has more than {_PATH_MAX - 1} bytes with its folder"
    return f"{path} exists already; nothing is overwritten" if os.path.lexists(path) else ""


def why_not_written(folder: Path) -> str:
    """Why no file can be made in a folder, as far as that can be seen without making one; empty if one can."""
    if not folder.is_dir():
        return f"there is no folder {folder}"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"the folder {folder} cannot be written"


def existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists; OSError if one may not be looked into."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def levels(folder: Path) -> int:
    """The number of folders on the way from the root to this one."""
    return len(folder.absolute().parts) - 1


def why_not_made(folder: str | Path, all_levels: int, existing_levels: int, depth: int) -> str:
    """Why CreateDirectory = `depth` does not have a folder made; empty if it does, or if nothing is missing.

    As areaDetector's: 0 makes nothing, 1 whatever is missing, n whatever is missing below the first n - 1 levels, and
    -n at most n levels.
    """
    missing = all_levels - existing_levels
    if not missing or 0 < depth <= existing_levels + 1 or missing <= -depth:
        return ""
    if not depth:
        return f"there is no folder {folder} (CreateDirectory makes it)"
    if depth < 0:
        there = counted(missing, "level is", "levels are")
        return f"there is no folder {folder}: {there} missing, CreateDirectory = {depth} makes {-depth}"
    return (
        f"there is no folder {folder}: CreateDirectory = {depth} needs {counted(depth - 1, 'level')} "
        f"of it, {counted(existing_levels, 'is', 'are')} there"
    )


def make_folder(folder: Path, depth: int) -> None:
    """Makes a folder as far as CreateDirectory = `depth` allows; Error if it does not, or if that is impossible."""
    try:
        why_not = why_not_made(folder, levels(folder), levels(existing(folder)), depth)
        if why_not:
            raise Error(why_not)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Error(f"cannot make the folder {folder}: {error.strerror}") from error
