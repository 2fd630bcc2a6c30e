"""What is served besides the records: made of them, as `pvinfo.structures` says, when the first client comes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pixieioc.ioc.pva.group import GroupSource
from pixieioc.ioc.pva.image import ImageSource
from pixieioc.ioc.pva.source import Source
from pixieioc.ioc.pva.table import ChannelTable, LineTable
from pixieioc.ioc.records import Pvs, Record
from pixieioc.ioc.records.security import Security
from pixieioc.pvinfo.structures import groups, images, tables

#: The Unix time and the text of each line, the newest first.
Lines = Callable[[], Sequence[tuple[float, str]]]


@dataclass(frozen=True)
class Offer:
    """What can be made for a client who may read all that it is made of."""

    records: frozenset[Record]
    make: Callable[[], Source]

    @property
    def securities(self) -> Iterable[Security]:
        """What the rights to it follow from."""
        return {record.security for record in self.records}


def offers(pvs: Pvs, run_log: Lines) -> dict[str, Offer]:
    """All of them by their names, with the prefix. `run_log` gives the lines of RunLog_RBV."""
    infos = {name: record.info for name, record in pvs.items()}
    made: dict[str, tuple[Iterable[Record], Callable[[], Source]]] = {}
    for group in groups(infos):
        fields = {field: pvs[name] for field, name in group.fields.items()}
        made[group.name] = fields.values(), functools.partial(GroupSource, fields, group.doc)
    for table in tables(infos):
        columns = {label: _records(pvs, by_module) for label, by_module in table.columns.items()}
        records = [record for column in columns.values() for record in column.values()]
        made[table.name] = records, functools.partial(ChannelTable, columns, table.doc)
    for image in images(infos):
        rows = [pvs[name] for name in image.rows]
        made[image.name] = rows, functools.partial(ImageSource, rows, image.doc)
    if (record := pvs.get("RunLog_RBV")) is not None:
        made["RunLogTable"] = [record], functools.partial(LineTable, record, run_log, record.info.doc)
    return {pvs.prefix + name: Offer(frozenset(records), make) for name, (records, make) in made.items()}


def _records(pvs: Pvs, names: Mapping[int, str]) -> dict[int, Record]:
    return {module: pvs[name] for module, name in names.items()}
