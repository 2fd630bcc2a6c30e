"""A stock EPICS IOC (that of epicscorelibs) with a database, to compare ours with.

A program of its own, since EPICS' libraries live as long as their process: `stock_ioc.py FILE.db` prints one line of
JSON once it serves Channel Access, sets states as lines `NAME 0` say, and ends with its standard input. The line of
JSON has, by record type of the database and by field, the type that the definition of the record type gives it (as in
DBF_MENU), and the choices of its menu.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The types of fields, in the order of their numbers.
DBF = [
    "STRING", "CHAR", "UCHAR", "SHORT", "USHORT", "LONG", "ULONG", "INT64", "UINT64", "FLOAT", "DOUBLE", "ENUM", "MENU",
    "DEVICE", "INLINK", "OUTLINK", "FWDLINK", "NOACCESS",
]  # fmt: skip
MARK = "---- serving"


@dataclass(frozen=True)
class Definition:
    """What the definition of a record type says of one field."""

    type: str
    choices: tuple[str, ...]


class Definitions(dict[str, dict[str, Definition]]):
    """Those of record types, by type and field; and the way to set states of the IOC, which `sync` filters know."""

    def __init__(self, found: dict[str, dict[str, Definition]], process: subprocess.Popen[str]) -> None:
        super().__init__(found)
        self._process = process

    def set_state(self, name: str, value: bool) -> None:
        """Gives a state a value; it is made if there is none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{name} {int(value)}\n")
        self._process.stdin.flush()
        # It says there, too, which filters it cannot read.
        assert f"{name} is {int(value)}\n" in iter(self._process.stdout.readline, "")


@contextmanager
def stock_ioc(database: str, folder: Path, port: int) -> Iterator[Definitions]:
    """The IOC serves this database on a port; gives the definitions of the record types in it."""
    file = folder / "stock.db"
    file.write_text(database)
    process = subprocess.Popen(
        [sys.executable, Path(__file__), file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "EPICS_CAS_SERVER_PORT": str(port)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        lines = list(iter(process.stdout.readline, f"{MARK}\n"))
        found = {
            record: {name: Definition(kind, tuple(choices)) for name, (kind, choices) in fields.items()}
            for record, fields in json.loads(lines[-1]).items()
        }
        yield Definitions(found, process)
    finally:
        process.stdin.close()
        assert process.wait(60) == 0
        process.stdout.close()


def main(file: str) -> None:
    """All of it."""
    from epicscorelibs import ioc

    ioc.iocshRegisterCommon()
    assert ioc.dbLoadDatabase(b"base.dbd", ioc.DEFAULT_DBD_PATH.encode(), None) == 0
    assert ioc.registerRecordDeviceDriver(ioc.pdbbase) == 0
    records = sorted(set(re.findall(r"^record\((\w+),", Path(file).read_text(), re.MULTILINE)))
    assert ioc.dbLoadRecords(file.encode(), None) == 0
    assert ioc.iocInit() == 0
    print(json.dumps({record: dict(_fields(ioc, record)) for record in records}), MARK, sep="\n", flush=True)
    _follow_states(ioc.dbCore)


def _follow_states(core: Any) -> None:
    """Sets states as lines of the standard input say, until that ends."""
    core.dbStateCreate.restype = ctypes.c_void_p
    core.dbStateCreate.argtypes = [ctypes.c_char_p]
    core.dbStateSet.argtypes = core.dbStateClear.argtypes = [ctypes.c_void_p]
    for line in sys.stdin:
        name, value = line.split()
        state = core.dbStateCreate(name.encode())  # or finds it
        (core.dbStateSet if int(value) else core.dbStateClear)(state)
        print(f"{name} is {int(value)}", flush=True)


def _fields(ioc: Any, record: str) -> Iterator[tuple[str, tuple[str, list[str]]]]:
    core = ioc.dbCore
    core.dbAllocEntry.restype = ctypes.c_void_p
    core.dbGetFieldName.restype = ctypes.c_char_p
    core.dbGetMenuChoices.restype = ctypes.POINTER(ctypes.c_char_p)
    core.dbFindRecordType.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    core.dbFirstField.argtypes = [ctypes.c_void_p, ctypes.c_int]
    for name in ("dbNextField", "dbGetFieldDbfType", "dbGetNMenuChoices", "dbGetMenuChoices", "dbGetFieldName"):
        getattr(core, name).argtypes = [ctypes.c_void_p] + ([ctypes.c_int] if name == "dbNextField" else [])
    core.dbFreeEntry.argtypes = [ctypes.c_void_p]
    entry = core.dbAllocEntry(ioc.pdbbase)
    assert core.dbFindRecordType(entry, record.encode()) == 0
    found = core.dbFirstField(entry, 0)
    while found == 0:
        kind = DBF[core.dbGetFieldDbfType(entry)]
        count = core.dbGetNMenuChoices(entry) if kind in ("MENU", "DEVICE") else 0
        choices = core.dbGetMenuChoices(entry)
        yield core.dbGetFieldName(entry).decode(), (kind, [choices[i].decode() for i in range(count)])
        found = core.dbNextField(entry, 0)
    core.dbFreeEntry(entry)


if __name__ == "__main__":
    main(*sys.argv[1:])
