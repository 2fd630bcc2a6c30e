"""Files that nobody writes any more."""

from __future__ import annotations

import errno
import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pixieioc.pipeline import Error
from pixieioc.tasks.names import shown

#: Where a file system has no locks, a file that was written to in the last seconds may still be written.
QUIET = 10.0


@contextmanager
def unwritten(path: Path) -> Iterator[BinaryIO]:
    """The file, which nobody else writes or recovers as long as it is open here; Error if somebody does."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise Error(f"cannot read {shown(path)}: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                raise Error(f"{shown(path)} is still being written: its run has not ended") from None
            age = time.time() - path.stat().st_mtime
            if age < QUIET:  # no locks here: what is quiet has ended
                raise Error(
                    f"{shown(path)} was written to {max(0.0, age):.0f} s ago: recover it when it has not been for "
                    f"{QUIET:.0f} s"
                ) from None
        yield file
