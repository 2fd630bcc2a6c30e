"""A record of every type that can be declared, all of them writable: as records of ours, or as a database for Base.

python put_records.py PREFIX serves ours.
"""

from __future__ import annotations

import asyncio
import sys

from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.loop import run
from pixieioc.ioc.records import Client, Record
from pixieioc.pvinfo.model import PvInfo, text_pv

_STATES = ("Idle", "2", "Half way")
#: One of each, under the name of its type; `text`, `longs` and `doubles` are waveforms.
RECORDS = [
    PvInfo("ai", "ai", "", 0.0, precision=3),
    PvInfo("ao", "ao", "", 0.0, precision=3),
    PvInfo("driven", "ao", "", 0.0, precision=3, drive=(-10.0, 10.0)),
    PvInfo("bi", "bi", "", labels=("Off", "On")),
    PvInfo("bo", "bo", "", labels=("Off", "On")),
    PvInfo("mbbi", "mbbi", "", labels=_STATES),
    PvInfo("mbbo", "mbbo", "", labels=_STATES),
    PvInfo("longin", "longin", ""),
    PvInfo("longout", "longout", ""),
    PvInfo("steps", "longout", "", drive=(-10, 10)),
    PvInfo("int64in", "int64in", ""),
    PvInfo("int64out", "int64out", ""),
    text_pv("text", "", 8),
    PvInfo("longs", "waveform", "", [0], element="LONG", length=4),
    PvInfo("doubles", "waveform", "", [0.0], length=4),
    PvInfo("stringin", "stringin", "", ""),
    PvInfo("stringout", "stringout", "", ""),
]
_LABELS = {"bi": ("ZNAM", "ONAM"), "mbbi": ("ZRST", "ONST", "TWST")}


def _fields(info: PvInfo) -> dict[str, object]:
    if info.record == "waveform":
        return {"FTVL": info.element, "NELM": info.length}
    names = _LABELS.get(info.record.replace("bo", "bi"), ())
    fields: dict[str, object] = dict(zip(names, info.labels, strict=True))
    if info.record in ("ai", "ao"):
        fields["PREC"] = info.precision
    if info.clips and info.drive[0] > float("-inf"):
        fields |= {"DRVL": info.drive[0], "DRVH": info.drive[1]}
    return fields


def database(prefix: str) -> str:
    """The same records for a soft IOC of EPICS Base."""
    lines: list[str] = []
    for info in RECORDS:
        fields = " ".join(f'field({name}, "{value}")' for name, value in _fields(info).items())
        lines.append(f'record({info.record}, "{prefix}{info.name}") {{ {fields} }}\n')
    return "".join(lines)


async def serve(prefix: str) -> None:
    """Serves records of ours; what is put is posted."""
    records = [Record(info, prefix + info.name) for info in RECORDS]
    for record in records:

        def put(value: object, client: Client, record: Record = record) -> None:
            record.post(value)

        record.put = put
    async with Server(records):
        await asyncio.Event().wait()


if __name__ == "__main__":
    run(serve(sys.argv[1]))
