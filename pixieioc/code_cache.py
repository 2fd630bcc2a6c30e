"""Where compiled code is kept from one start to the next.

What lies there is loaded and executed, so it must be a folder that nobody but this account (and root) can have put
anything into. Candidates, in this order: NUMBA_CACHE_DIR; `__pycache__` in the package, if this account owns the
installation; the account's cache folder (CACHE_DIRECTORY, as systemd sets it, XDG_CACHE_HOME, or ~/.cache); its
XDG_RUNTIME_DIR, which lasts until the computer is restarted.
"""

from __future__ import annotations

import functools
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_NAME = "pixieioc"


@functools.cache
def folder() -> Path | None:
    """A folder for compiled code that is there, writable, and safe; None if there is none."""
    return next((path for path in _candidates() if not _problem(path, make=True)), None)


def complaint() -> str:
    """One line that says why compiled code cannot be kept, and what to do; empty if it is kept."""
    if folder() is not None:
        return ""
    reasons = [problem for path in _candidates() if (problem := _problem(path, make=False))]
    return (
        "compiled code cannot be kept, so that every start compiles for some seconds: "
        f"{'; '.join(reasons) or 'this account has no home'} "
        "(set NUMBA_CACHE_DIR to a folder that belongs to this account)"
    )


def _candidates() -> Iterator[Path]:
    told = os.environ.get("NUMBA_CACHE_DIR")
    if told:
        yield Path(told)
    if not (sys.dont_write_bytecode or sys.pycache_prefix):
        yield _PACKAGE / "__pycache__"
    # systemd gives several folders with colons between them
    if given := os.environ.get("CACHE_DIRECTORY"):
        yield Path(given.split(":")[0]) / _NAME
    elif given := os.environ.get("XDG_CACHE_HOME"):
        yield Path(given) / _NAME
    else:
        home = Path("~").expanduser()  # stays as it is for an account that nobody knows
        if home.is_absolute():
            yield home / ".cache" / _NAME
    if given := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(given) / _NAME


def _problem(path: Path, *, make: bool) -> str:
    """Why compiled code cannot be kept in a folder, which is made if it can be; empty if it can."""
    try:
        if not path.is_absolute():
            return f"{path} is not an absolute path"
        if make and not path.is_dir():
            path.mkdir(mode=0o700, parents=True)
        path = path.resolve(strict=True)
        for above in path.parents:
            if not _safe(above.stat(), above=True):
                return f"others can write to {above}"
        found = path.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        return f"{path}: {error.strerror if isinstance(error, OSError) else error}"
    if found.st_uid != os.geteuid():
        return f"{path} belongs to another account"
    if not _safe(found, above=False):
        return f"others can write to {path}"
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return f"{path} is not writable"
    return ""


def _safe(found: os.stat_result, *, above: bool) -> bool:
    """True if no other account (but root) can put something into a folder, or replace what it holds."""
    if found.st_uid not in (0, os.geteuid()):
        return False
    if above and found.st_mode & stat.S_ISVTX:  # as /tmp: there, nobody can replace what belongs to others
        return True
    if found.st_mode & stat.S_IWOTH:
        return False
    # Many systems give each account a group of its own, and let that write.
    return not found.st_mode & stat.S_IWGRP or found.st_gid in (0, os.getegid())
