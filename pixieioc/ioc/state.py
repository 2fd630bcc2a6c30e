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

from pixieioc.tasks.disk import replace_file, sync

log = logging.getLogger(__name__)

#: What flock(2) says where there are no locks, as on some network file systems.
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}

#: Blocks that must be free in the state folder: for the next state, and for the note that a run is going on.
_LEAST_BLOCKS = 2


class _State(msgspec.Struct):
    run_id: int = 0  #: of the last run that has begun
    #: The highest number that a run may have been given. The number of the next run is shown as soon as that is
    #: accepted, before anything can be written; so it is kept here beforehand, and is taken for used after a SIGKILL.
    reserved: int = 0
    starts: int = 0


class BadState(OSError):
    """A state folder that cannot be used: going on without it could repeat a run number."""


class StateInUse(BadState):
    """A state folder that another IOC uses, which may end."""


class State:
    """Kept in a small JSON file; each change replaces the file in one step. A context manager that locks its folder.

    That a run is going on is kept as a file beside it, which takes no time: a start does not wait for the disk, as its
    number has been there since the run before. Only behind a run that was stopped before it began the number may still
    be on its way, and is there before the tasks start. Whatever writes or checks may take as long as the file system
    does. Who ends in order calls `release` at last.
    """

    _unsaved = False  # something could not be written
    unreserved = ""  #: why the number of the next run could not be made safe; empty: it is, or is being made so
    _noted = _ended = False  # that a run is going on; that it has ended, which a power failure might undo

    def __init__(self, folder: Path) -> None:
        """Reads what there is; BadState if it cannot be read or written, or if another IOC uses it."""
        self.path = folder / "state.json"
        self._running = folder / "state.running"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / "state.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise BadState(
                f"the state folder {folder} cannot be used: {_why(error)}; mend it, or set state_dir in [ioc]"
            ) from error
        try:
            self._take_lock(folder)
            self._state = self._read()
            #: The number of the run in whose middle the IOC ended last time; 0: in none.
            self.interrupted = self._cut_off()
            self._state.run_id = max(self._state.run_id, self._state.reserved)
            self._state.reserved = self._state.run_id + 1
            self._state.starts += 1
            self._reserved = 0
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
        """The highest number that a run may have had so far."""
        return self._state.run_id

    @property
    def starts(self) -> int:
        """How often the IOC was started."""
        return self._state.starts

    @property
    def reserved(self) -> int:
        """The highest number that is safe on disk: no other run will have one up to this, whatever happens."""
        return self._reserved

    def begin_run(self, run_id: int) -> None:
        """Notes that a run has begun, at once if its number is safe on disk already."""
        self._state.run_id = max(run_id, self._state.run_id)
        if self._reserved < run_id:
            self._note(run_id)
        self._running.write_text(str(run_id), encoding="utf-8")
        self._noted = True

    def reserve(self) -> None:
        """Makes the number of the next run safe on disk, so that it can begin at once; `unreserved` says why not."""
        try:
            self._note(self._state.run_id)
        except OSError as error:
            self.unreserved = self._problem(error.strerror or str(error))

    def end_run(self, run_id: int) -> None:
        """Notes that this run, the last one, is not going on any more."""
        self._state.run_id = max(run_id, self._state.run_id)
        if self._noted:
            self._running.unlink()
            self._noted, self._ended = False, True

    def release(self, run_id: int) -> None:
        """Gives back the number behind this one, the last run's: none will be started any more."""
        self._state.run_id = self._state.reserved = max(run_id, self._state.run_id)
        self._write()

    def check(self, next_run: int) -> str:
        """Why nothing can be noted in the folder now, or an empty text.

        What could not be noted before, and that the next run has this number, is noted now.
        """
        folder = self.path.parent
        try:
            if self._unsaved or self.unreserved or self._reserved < next_run:
                self._note(next_run - 1)
            if self._ended:
                sync(folder)
                self._ended = False
            stat = os.statvfs(folder)
        except OSError as error:
            return self._problem(error.strerror or str(error))
        if stat.f_flag & os.ST_RDONLY:
            return self._problem(os.strerror(errno.EROFS))
        if stat.f_bavail < _LEAST_BLOCKS:
            return self._problem(os.strerror(errno.ENOSPC))
        return "" if os.access(folder, os.W_OK | os.X_OK) else self._problem("it is not there, or is not writable")

    def _note(self, run_id: int) -> None:
        """Writes down the number of the last run, and that of the next one."""
        self._state.run_id = max(run_id, self._state.run_id)
        self._state.reserved = self._state.run_id + 1
        self._write()

    def _problem(self, why: str) -> str:
        return f"the state folder {self.path.parent} cannot be written: {why}"

    def _read(self) -> _State:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_State)
        except FileNotFoundError:
            return _State()
        except OSError as error:
            raise BadState(f"{self.path}: {error.strerror or error}; it must be a file that can be read") from error
        except msgspec.DecodeError as error:
            raise BadState(
                f'{self.path}: {error}; write {{"run_id": N}} into it, with the number of the last run for N, which '
                "the files of that run have; without this file numbers begin at 1 again"
            ) from error

    def _cut_off(self) -> int:
        try:
            number = self._running.read_text(encoding="utf-8")
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            raise BadState(f"{self._running}: {getattr(error, 'strerror', None) or error}; remove it") from error
        return int(number) if number.isdecimal() else self._state.run_id + 1

    def _first_write(self, folder: Path) -> None:
        try:
            self._write()
            self._running.unlink(missing_ok=True)
        except OSError as error:
            raise BadState(
                f"the state folder {folder} is not writable: {_why(error)}; mend it, or set state_dir in [ioc]"
            ) from error

    def _write(self) -> None:
        reserved, self._unsaved = self._state.reserved, True
        replace_file(self.path, msgspec.json.encode(self._state))
        sync(self.path.parent)
        self._reserved, self._unsaved, self.unreserved = reserved, False, ""

    def _take_lock(self, folder: Path) -> None:
        """The lock ends with this process, however that ends; the file tells who has it."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._lock, 200, 0).decode(errors="replace").strip() or "of which nothing is known"
            raise StateInUse(
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


def _why(error: OSError) -> str:
    """What the system says, and of which file, which may be somebody else's."""
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
