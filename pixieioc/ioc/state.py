"""What must survive a restart of the IOC: the number of the last run, and how often the IOC was started."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class _State(msgspec.Struct):
    run_id: int = 0
    starts: int = 0
    running: bool = False


class BadState(OSError):
    """A state file that cannot be read: going on without it could repeat a run number."""


class State:
    """Kept in a small JSON file; each change replaces the file in one step."""

    def __init__(self, folder: Path) -> None:
        """Reads what there is; BadState if it cannot be read, OSError if the folder cannot be made."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "state.json"
        try:
            self._state = msgspec.json.decode(self.path.read_bytes(), type=_State)
        except FileNotFoundError:
            self._state = _State()
        except (msgspec.DecodeError, OSError) as error:
            raise BadState(f"{self.path}: {error}; mend or remove it (run numbers then begin at 1 again)") from error
        #: True if the IOC ended in the middle of a run last time.
        self.interrupted = self._state.running
        self._state.starts += 1
        self._state.running = False
        self._write()
        self.sync()

    @property
    def run_id(self) -> int:
        """The number of the last run that was started."""
        return self._state.run_id

    @property
    def starts(self) -> int:
        """How often the IOC was started."""
        return self._state.starts

    def next_run(self) -> int:
        """A number that no run has had."""
        self._state.run_id += 1
        self._state.running = True
        self._write()
        return self._state.run_id

    def run_ended(self) -> None:
        """Notes that no run is on."""
        self._state.running = False
        self._write()

    def sync(self) -> None:
        """Makes the last change safe on disk; may take a while."""
        for path, flags in ((self.path, os.O_RDONLY), (self.path.parent, os.O_RDONLY | os.O_DIRECTORY)):
            descriptor = os.open(path, flags)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _write(self) -> None:
        part = self.path.with_name("state.json.part")
        part.write_bytes(msgspec.json.encode(self._state))
        part.rename(self.path)
