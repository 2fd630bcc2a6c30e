"""Loads `pixieioc.substitutions` and `pixieioc.acf` of a folder into a real EPICS IOC; tells what EPICS made of them.

A program of its own, since EPICS' libraries live as long as their process: `load_database.py FOLDER`, with names of
fields on stdin, prints one JSON object behind a line of its own.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

from epicscorelibs import ioc

MARK = "---- what EPICS made of it"


def main(folder: str) -> None:
    """All of it."""
    os.chdir(folder)
    ioc.iocshRegisterCommon()
    assert ioc.dbLoadDatabase(b"base.dbd", ioc.DEFAULT_DBD_PATH.encode(), None) == 0
    assert ioc.registerRecordDeviceDriver(ioc.pdbbase) == 0
    loaded = ioc.ioc("dbLoadTemplate pixieioc.substitutions")
    assert ioc.dbCore.asSetFilename(b"pixieioc.acf") == 0
    started = ioc.iocInit()
    fields = {name: _field(name) for name in sys.stdin.read().split()}
    active = ctypes.c_int.in_dll(ioc.dbCore, "asActive").value
    print(MARK, json.dumps({"loaded": loaded, "started": started, "access": active, "fields": fields}), sep="\n")


def _field(name: str) -> str | None:
    """The text of `RECORD.FIELD`; None if there is none."""
    core = ioc.dbCore
    core.dbAllocEntry.restype = ctypes.c_void_p
    core.dbGetString.restype = ctypes.c_char_p
    core.dbFindRecord.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    core.dbAllocEntry.argtypes = core.dbGetString.argtypes = core.dbFreeEntry.argtypes = [ctypes.c_void_p]
    entry = core.dbAllocEntry(ioc.pdbbase)
    try:
        text = None if core.dbFindRecord(entry, name.encode()) else core.dbGetString(entry)
        return None if text is None else text.decode()
    finally:
        core.dbFreeEntry(entry)


if __name__ == "__main__":
    main(*sys.argv[1:])
