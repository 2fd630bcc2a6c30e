"""Loads a database and an access security file into a real EPICS IOC, and prints what EPICS has made of them.

Run as a program of its own, since EPICS' libraries live as long as their process:
`load_database.py FILE.db MACROS FILE.acf`, with names of fields on stdin, prints one JSON object.
"""

from __future__ import annotations

import ctypes
import json
import sys

from epicscorelibs import ioc


def main(database: str, macros: str, access: str) -> None:
    """All of it."""
    ioc.iocshRegisterCommon()
    assert ioc.dbLoadDatabase(b"base.dbd", ioc.DEFAULT_DBD_PATH.encode(), None) == 0
    assert ioc.registerRecordDeviceDriver(ioc.pdbbase) == 0
    loaded = ioc.dbLoadRecords(database.encode(), macros.encode())
    assert ioc.dbCore.asSetFilename(access.encode()) == 0
    started = ioc.iocInit()
    fields = {name: _field(name) for name in sys.stdin.read().split()}
    active = ctypes.c_int.in_dll(ioc.dbCore, "asActive").value
    # Everything else that is printed here comes from EPICS.
    print("\n" + json.dumps({"loaded": loaded, "started": started, "access": active, "fields": fields}))


def _field(name: str) -> str | None:
    core = ioc.dbCore
    core.dbAllocEntry.restype = core.dbGetString.restype = ctypes.c_char_p
    core.dbAllocEntry.restype = ctypes.c_void_p
    for function in (core.dbFindRecord, core.dbGetString, core.dbFreeEntry):
        function.argtypes = [ctypes.c_void_p] + [ctypes.c_char_p] * (function is core.dbFindRecord)
    entry = core.dbAllocEntry(ioc.pdbbase)
    try:
        if core.dbFindRecord(entry, name.encode()):
            return None
        text = core.dbGetString(entry)
        return None if text is None else text.decode()
    finally:
        core.dbFreeEntry(entry)


if __name__ == "__main__":
    main(*sys.argv[1:])
