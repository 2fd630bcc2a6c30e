"""What must survive a restart of the IOC: the number of the last run, and how often the IOC was started."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

log = logging.getLogger(__name__)

#: What flock(2) says where there are no locks, as on some network file systems.
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class _State(msgspec.Struct):
    run_id: int = 0
    starts: int = 0
    running: bool = False


class BadState(OSError):
    """A state folder that cannot be used: going on without it could repeat a run number."""


class State:
    """Kept in a small JSON file; each change replaces the file in one step. A context manager that locks its folder.

    Whatever writes or checks may take as long as the file system does.
    """

    _unsaved = False

    def __init__(self, folder: Path) -> None:
        """Reads what there is; BadState if it cannot be read or written, or if another IOC uses it."""
        self.path = folder / "state.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / "state.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise BadState(
                f"the state folder {folder} cannot be used: {error.strerror}; mend it, or set state_dir in [ioc]"
            ) from error
        try:
            self._take_lock(folder)
            self._state = self._read()
            #: True if the IOC ended in the middle of a run last time.
            self.interrupted = self._state.running
            self._state.starts += 1
            self._state.running = False
            self._first_write(folder)
        except BaseException:  # whatever it is, also ^C: the folder is another IOC's to use
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets another IOC use the folder."""
        os.close(self._lock)

    @property
    def run_id(self) -> int:
        """The number of the last run that was started."""
        return self._state.run_id

    @property
    def starts(self) -> int:
        """How often the IOC was started."""
        return self._state.starts

    def begin_run(self, run_id: int) -> None:
        """Makes the number of a run that begins safe on disk, so that no other run will have it."""
        self._state.run_id, self._state.running = max(run_id, self._state.run_id), True
        self._write()
        self._sync()

    def end_run(self) -> None:
        """Notes that no run is going on."""
        self._state.running = False
        self._write()

    def check(self) -> str:
        """Why nothing can be noted in the folder now, or an empty text; what could not be noted before is noted now."""
        folder = self.path.parent
        try:
            if self._unsaved:
                self._write()
            stat = os.statvfs(folder)
        except OSError as error:
            return self._problem(error.strerror or str(error))
        if stat.f_flag & os.ST_RDONLY:
            return self._problem(os.strerror(errno.EROFS))
        if not stat.f_bavail:
            return self._problem(os.strerror(errno.ENOSPC))
        return "" if os.access(folder, os.W_OK | os.X_OK) else self._problem("it is not there, or is not writable")

    def _problem(self, why: str) -> str:
        return f"the state folder {self.path.parent} cannot be written: {why}"

    def _sync(self) -> None:
        for path, flags in ((self.path, os.O_RDONLY), (self.path.parent, os.O_RDONLY | os.O_DIRECTORY)):
            descriptor = os.open(path, flags)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _read(self) -> _State:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_State)
        except FileNotFoundError:
            return _State()
        except (msgspec.DecodeError, OSError) as error:
            raise BadState(f"{self.path}: {error}; mend or remove it (run numbers then begin at 1 again)") from error

    def _first_write(self, folder: Path) -> None:
        try:
            self._write()
            self._sync()
        except OSError as error:
            raise BadState(
                f"the state folder {folder} is not writable: {error.strerror}; mend it, or set state_dir in [ioc]"
            ) from error

    def _write(self) -> None:
        self._unsaved = True
        part = self.path.with_name("state.json.part")
        part.write_bytes(msgspec.json.encode(self._state))
        part.rename(self.path)
        self._unsaved = False

    def _take_lock(self, folder: Path) -> None:
        """The lock ends with this process, however that ends; the file tells who has it."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._lock, 200, 0).decode(errors="replace").strip() or "of which nothing is known"
            raise BadState(
                f"another IOC ({owner}) uses the state folder {folder}: stop it, or give this one another prefix "
                "or state_dir in [ioc]"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            log.warning(
                "%s: this file system has no locks (%s); make sure that no other IOC uses it", folder, error.strerror
            )
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
