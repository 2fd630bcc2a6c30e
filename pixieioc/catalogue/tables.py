"""The tables of the index, and how the runs follow from the sidecars."""

from __future__ import annotations

import os
import sqlite3

import msgspec

from pixieioc.catalogue.entry import Entry

#: An index of another version is made anew.
VERSION = 1
COLUMNS = tuple(field.name for field in msgspec.structs.fields(Entry))
_TYPES = {"start": "REAL", "end": "REAL", "elapsed": "REAL", "events": "REAL", "good": "INTEGER", "run_id": "INTEGER"}
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)

SCHEMA = f"""
CREATE TABLE folders (
    id INTEGER PRIMARY KEY, path TEXT UNIQUE NOT NULL, parent INTEGER, mtime INTEGER NOT NULL, settled INTEGER NOT NULL
);
CREATE TABLE sidecars (
    id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, name TEXT NOT NULL, mtime INTEGER NOT NULL, size INTEGER NOT NULL,
    inode INTEGER NOT NULL, {", ".join(f'"{name}" {_TYPES.get(name, "")}' for name in COLUMNS)},
    UNIQUE (folder, name)
);
CREATE INDEX sidecars_run ON sidecars (run);
CREATE TABLE runs (
    run TEXT PRIMARY KEY, run_id INTEGER, start REAL, end REAL, ioc TEXT, title TEXT, experiment TEXT, operator TEXT,
    comment TEXT, reason TEXT, good INTEGER, failure TEXT, elapsed REAL, events REAL, lossy INTEGER, recorded INTEGER,
    files INTEGER, bytes INTEGER, problems INTEGER, folder INTEGER
);
CREATE INDEX runs_start ON runs (start);
CREATE INDEX runs_run_id ON runs (run_id);
CREATE TEMP TABLE IF NOT EXISTS touched (run TEXT PRIMARY KEY);
PRAGMA user_version = {VERSION};
"""
TOUCHED = "CREATE TEMP TABLE IF NOT EXISTS touched (run TEXT PRIMARY KEY)"

INSERT = (
    f"INSERT OR REPLACE INTO sidecars (folder, name, mtime, size, inode, {_NAMES}) "
    f"VALUES (?, ?, ?, ?, ?{', ?' * len(COLUMNS)})"
)

#: Of what sidecars of a run say differently, that counts which knows the end of the run; its texts are the same in all.
#: A column without an aggregate comes from the row with the greatest `recorded`, as SQLite has it.
_RUNS = """
INSERT INTO runs
SELECT run, run_id, min(start), max(end), ioc, title, experiment, operator, comment, reason, min(good), failure,
    max(elapsed), max(events), max(lossy), max(recorded), count(*), sum(bytes), sum(problem != ''), min(folder)
FROM (SELECT * FROM sidecars WHERE run IN (SELECT run FROM touched) ORDER BY run, recorded DESC)
GROUP BY run
"""


def key_of(path: str) -> str:
    """A path as text that SQLite can hold, also one that is not UTF-8."""
    return os.fsencode(path).decode("latin-1")


def path_of(key: str) -> str:
    """The path of such a key."""
    return os.fsdecode(key.encode("latin-1"))


def follow(db: sqlite3.Connection) -> None:
    """Brings the runs up to date whose sidecars have been touched."""
    db.execute("DELETE FROM runs WHERE run IN (SELECT run FROM touched)")
    db.execute(_RUNS)
    db.execute("DELETE FROM touched")
