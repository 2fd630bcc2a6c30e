"""The tables of the index, and how the runs follow from the sidecars."""

from __future__ import annotations

import os
import sqlite3

import msgspec

from pixieioc.catalogue.entry import Entry

#: An index of another version is made again; by the number of its program it is known to be one.
VERSION, PROGRAM = 2, 0x50783136
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
PRAGMA application_id = {PROGRAM};
PRAGMA user_version = {VERSION};
"""
TOUCHED = "CREATE TEMP TABLE IF NOT EXISTS touched (run TEXT PRIMARY KEY)"

INSERT = (
    f"INSERT OR REPLACE INTO sidecars (folder, name, mtime, size, inode, {_NAMES}) "
    f"VALUES (?, ?, ?, ?, ?{', ?' * len(COLUMNS)})"
)

#: Texts are those of a sidecar that has the record of the run, if there is one; numbers are of all together, each file
#: once: there may be copies in other folders.
_RUNS = """
INSERT INTO runs
SELECT best.run, best.run_id, every.start, every.end, best.ioc, best.title, best.experiment, best.operator,
    best.comment, best.reason, every.good, best.failure, every.elapsed, every.events, every.lossy, best.recorded,
    every.files, every.bytes, every.problems, every.folder
FROM (
    SELECT run, min(start) AS start, max(end) AS end, min(good) AS good, max(elapsed) AS elapsed,
        max(events) AS events, max(lossy) AS lossy, count(nullif(file, '')) AS files, sum(bytes) AS bytes,
        sum(problem) AS problems, min(folder) AS folder
    FROM (
        SELECT run, file, min(start) AS start, max(end) AS end, min(good) AS good, max(elapsed) AS elapsed,
            max(events) AS events, max(lossy) AS lossy, bytes, max(problem != '') AS problem, min(folder) AS folder
        FROM sidecars WHERE run IN (SELECT run FROM touched) GROUP BY run, file, module, part, bytes, sha256
    ) GROUP BY run
) AS every JOIN sidecars AS best ON best.id = (
    SELECT id FROM sidecars WHERE run = every.run ORDER BY recorded DESC, reason = '', id LIMIT 1
)
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
