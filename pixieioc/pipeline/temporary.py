"""Folders for sockets: with paths that are short enough, and kept from programs that tidy up temporary folders."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import forkserver
from multiprocessing.util import Finalize, get_temp_dir
from pathlib import Path

from pixieioc.pipeline.error import Error

#: Bytes of a socket's path, and those that are needed below the temporary folder: /pymp-xxxxxxxx/listener-xxxxxxxx.
_LONGEST_PATH, _NEEDED = 107, 32
#: Files are touched this often, in seconds: who tidies up by age takes what is days old.
TOUCH_INTERVAL = 600.0


def temporary_folder() -> str:
    """The folder for temporary files ($TMPDIR), or another one if sockets in it would have too long a path.

    Raises Error that says what to set.
    """
    wanted = tempfile.gettempdir()
    for folder in (wanted, os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp", "/var/tmp"):
        short = 0 < len(os.fsencode(folder)) <= _LONGEST_PATH - _NEEDED
        if short and Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise Error(
        f"no temporary folder for sockets: the path of {wanted} has {len(os.fsencode(wanted))} bytes, at most "
        f"{_LONGEST_PATH - _NEEDED} are possible, and neither $XDG_RUNTIME_DIR nor /tmp can be used; set TMPDIR to a "
        "folder with a shorter path"
    )


def new_folder() -> Path:
    """A private folder for sockets, which whoever made it has to remove."""
    return Path(tempfile.mkdtemp(prefix="pixieioc-", dir=temporary_folder()))


def folder_of_multiprocessing() -> Path:
    """The folder in which multiprocessing has its sockets; it removes it at the end of the program."""
    before, tempfile.tempdir = tempfile.tempdir, temporary_folder()
    try:
        folder = Path(get_temp_dir())
    finally:
        tempfile.tempdir = before
    if folder not in _MADE_AGAIN:
        _MADE_AGAIN.add(folder)
        # Just before it is removed: that it is gone already would be an error.
        Finalize(None, make_again, (folder,), exitpriority=-99)
    return folder


_MADE_AGAIN: set[Path] = set()


def make_again(folder: Path) -> None:
    """Makes a private folder again if it was removed; Error if something else is in its place."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(0o700)
    there = folder.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.geteuid() or stat.S_IMODE(there.st_mode) & 0o077:
        raise Error(f"{folder} was removed, and what is there now is not a private folder of this user: remove it")


class KeptFolders:
    """Folders that stay as long as they are in use.

    They are locked, which systemd-tmpfiles respects, and touched now and then, because others go by age.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._touched = time.monotonic()
        self._locks: list[int] = []
        self.lock()

    def lock(self) -> None:
        """Locks the folders, also those that were made again."""
        self.close()
        for folder in self._folders:
            with contextlib.suppress(OSError):  # it is gone, or the file system has no locks
                self._locks.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
                fcntl.flock(self._locks[-1], fcntl.LOCK_SH | fcntl.LOCK_NB)

    def touch_if_due(self) -> None:
        """Makes the folders and all that is in them new, every now and then."""
        if time.monotonic() - self._touched >= TOUCH_INTERVAL:
            self._touched = time.monotonic()
            for path in self._all():
                with contextlib.suppress(OSError):  # it is gone
                    os.utime(path)

    def _all(self) -> Iterator[Path]:
        for folder in self._folders:
            yield folder
            with contextlib.suppress(OSError):
                yield from list(folder.iterdir())

    def close(self) -> None:
        """Unlocks the folders."""
        while self._locks:
            os.close(self._locks.pop())


def hold_listener() -> None:
    """Has the server of new processes found although the name of its socket is removed: by what is opened here.

    That of one before it, which was killed, is nobody's.
    """
    server = forkserver._forkserver  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    address: object = getattr(server, "_forkserver_address", None)
    if isinstance(address, str) and not address.startswith("/proc/") and hasattr(os, "O_PATH"):
        for old in _LISTENERS:
            os.close(old)
        for old in _NAMES:
            Path(old).unlink(missing_ok=True)
        _LISTENERS[:], _NAMES[:] = [os.open(address, os.O_PATH | os.O_CLOEXEC)], [address]
        server._forkserver_address = f"/proc/self/fd/{_LISTENERS[0]}"  # pyright: ignore[reportAttributeAccessIssue]


_LISTENERS: list[int] = []
_NAMES: list[str] = []
