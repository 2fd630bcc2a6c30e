"""What this account may keep on this computer, and where: compiled code, and what survives a restart.

What lies in the folder for compiled code is loaded and executed, so it must be a folder into which nobody but this
account (and root) can have put anything. Candidates, in this order: NUMBA_CACHE_DIR; `__pycache__` in the package, if
this account owns the installation; CACHE_DIRECTORY, as systemd sets it; XDG_CACHE_HOME, or ~/.cache; XDG_RUNTIME_DIR,
which lasts until the computer is restarted.
"""

from __future__ import annotations

import functools
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_NAME = "pixieioc"
#: What can name a folder for what survives a restart; the second is systemd's.
_STATE = ("XDG_STATE_HOME", "STATE_DIRECTORY")


@functools.cache
def code_folder() -> Path | None:
    """A folder for compiled code that is there, writable, and safe; None if there is none."""
    return next((path for path in _for_code() if not _problem(path)), None)


def code_complaint() -> str:
    """One line that says why compiled code cannot be kept, and what to do; empty if it is kept."""
    if code_folder() is not None:
        return ""
    reasons = "; ".join(map(_problem, _for_code())) or "this account has no home"
    return (
        f"compiled code cannot be kept, so that each start compiles for some seconds: {reasons} "
        "(set NUMBA_CACHE_DIR to a folder of this account)"
    )


def state_home() -> Path:
    """A folder for what survives a restart: XDG_STATE_HOME, STATE_DIRECTORY (systemd's), or ~/.local/state.

    If that cannot be written to, one among the temporary folders, for this account alone.
    """
    if given := next(filter(None, map(_given, _STATE)), None):
        return given
    usual = _home() / ".local" / "state"
    return (
        usual
        if _home().is_dir() and _writable(usual)
        else Path(tempfile.gettempdir()) / f"{_NAME}-state-{os.geteuid()}"
    )


def cache_home() -> Path:
    """A folder for what can be made again at any time: CACHE_DIRECTORY, XDG_CACHE_HOME, or ~/.cache; it need not be."""
    return (_given("CACHE_DIRECTORY") or _given("XDG_CACHE_HOME") or _home() / ".cache") / _NAME


def state_complaint(folder: Path) -> str:
    """One line that says that `folder` will not last; empty if it will. OSError if others can write to it."""
    home = state_home()
    if home.parent != Path(tempfile.gettempdir()) or home not in folder.parents:
        return ""
    if problem := _problem(home):
        raise PermissionError(f"the number of the last run cannot be kept: {problem} (set XDG_STATE_HOME)")
    given = next((name for name in _STATE if _given(name)), "")
    why = f"{given} is in the folder for temporary files" if given else f"{_home()} is not writable"
    return (
        f"{why}: the number of the last run is kept in {folder}, which does not last "
        "(set XDG_STATE_HOME, or state_dir in the configuration)"
    )


def _home() -> Path:
    home = Path("~").expanduser()  # stays as it is for an account that nobody knows
    return home if home.is_absolute() else Path("/nonexistent")


def _given(name: str) -> Path | None:
    """A folder of the environment; systemd puts colons between several."""
    text = os.environ.get(name, "").split(":")[0]
    return Path(text) if text else None


def _writable(path: Path) -> bool:
    """True if a folder is writable, or could be made."""
    there = next(p for p in (path, *path.parents) if p.exists())
    return os.access(there, os.W_OK | os.X_OK)


def _for_code() -> Iterator[Path]:
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(given)
    if not sys.pycache_prefix:
        yield _PACKAGE / "__pycache__"
    yield cache_home()
    if given := _given("XDG_RUNTIME_DIR"):
        yield given / _NAME


def _problem(path: Path) -> str:
    """Why a folder cannot be used by this account alone; empty if it can. It is made if it can be."""
    try:
        if not path.is_absolute():
            return f"{path} is not an absolute path"
        if _home() in path.parents:
            _home().stat()  # who has no home does not get one
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
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
