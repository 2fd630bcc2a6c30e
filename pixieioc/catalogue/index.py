"""The index of a folder: an SQLite file in the cache of this account, so that the data themselves may be read-only.

It can be thrown away at any time. Several processes may use it at once: each folder is looked at in a transaction.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pixieioc.account import cache_home
from pixieioc.catalogue.scan import Changes, refresh
from pixieioc.catalogue.tables import PROGRAM, SCHEMA, TOUCHED, VERSION
from pixieioc.pipeline import Error

#: How long another process that indexes is waited for, in seconds.
_PATIENCE = 300.0
#: How a file of SQLite begins.
_MAGIC = b"SQLite format 3\0"


@dataclass
class Catalogue:
    """An index that is up to date as of when it was opened."""

    root: Path
    db: sqlite3.Connection
    #: Where the index is; None: in memory, `why` says why.
    path: Path | None
    why: str
    changes: Changes


@contextlib.contextmanager
def open_catalogue(
    root: Path,
    told: Callable[[int], None] = lambda _: None,
    *,
    rebuild: bool = False,
    thorough: bool = False,
    index: Path | None = None,
) -> Iterator[Catalogue]:
    """The catalogue of a folder, with its index brought up to date; Error if there is no such folder.

    `rebuild` throws the index away first; `thorough` looks at each file, also in folders where nothing is new.
    """
    if not root.is_dir():
        raise Error(f"{root}: there is no such folder")
    root = root.resolve()
    if index is not None:
        _refuse_other(index)
    path, why = (index, "") if index is not None else _place(root)
    db, why = _opened(path, why, rebuild=rebuild)
    try:
        changes = refresh(db, root, told, thorough=thorough)
        yield Catalogue(root, db, path if not why else None, why, changes)
    except sqlite3.OperationalError as error:
        raise Error(f"the index {path}: {error} (--rebuild makes it again)") from error
    finally:
        db.close()


def _place(root: Path) -> tuple[Path | None, str]:
    name = hashlib.sha256(str(root).encode(errors="surrogateescape")).hexdigest()[:20]
    folder = cache_home() / "runs"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return None, f"{folder}: {error.strerror}"
    return folder / f"{name}.sqlite", ""


def _refuse_other(path: Path) -> None:
    """Error if a file that is there is no index: it would be overwritten."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except FileNotFoundError:
        return
    except OSError as error:
        raise Error(f"the index {path}: {error.strerror}") from error
    if head and not (head.startswith(_MAGIC) and int.from_bytes(head[68:72], "big") == PROGRAM):
        raise Error(f"the index {path}: the file that is there is none; nothing is overwritten")


def _opened(path: Path | None, why: str, *, rebuild: bool) -> tuple[sqlite3.Connection, str]:
    """A connection to a sound index of this version: a new one if there is none; in memory if it cannot be kept."""
    if path is None:
        return _made(":memory:"), why
    try:
        if rebuild:
            _throw_away(path)
    except OSError as error:
        return _made(":memory:"), f"{path}: {error.strerror}"
    for attempt in (1, 2):
        try:
            return _made(str(path)), ""
        except sqlite3.OperationalError as error:  # its folder cannot be written, or its disk is full
            return _made(":memory:"), f"{path}: {error}"
        except sqlite3.DatabaseError:  # it is damaged, or none at all
            if attempt == 2:
                raise
            _throw_away(path)
    raise AssertionError("the second attempt returns or raises")


def _made(where: str) -> sqlite3.Connection:
    db = sqlite3.connect(where, timeout=_PATIENCE, isolation_level=None)
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            with db:
                db.execute("BEGIN EXCLUSIVE")
                if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                    _make_tables(db)
        db.execute(TOUCHED)
        db.execute("PRAGMA synchronous = OFF")  # it can be made again
        db.execute("BEGIN IMMEDIATE")  # whether it can be written is known now
        db.execute("ROLLBACK")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _make_tables(db: sqlite3.Connection) -> None:
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        db.execute(f'DROP TABLE "{table}"')
    for statement in SCHEMA.split(";"):
        if statement.strip():
            db.execute(statement)


def _throw_away(path: Path) -> None:
    for each in (path, path.with_name(path.name + "-journal")):
        each.unlink(missing_ok=True)
