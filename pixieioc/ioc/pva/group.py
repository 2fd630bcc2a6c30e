"""A structure whose fields are records, as a group of QSRV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from p4p import Type, Value  # pyright: ignore[reportMissingTypeStubs]
from p4p.nt.common import alarm, timeStamp  # pyright: ignore[reportMissingTypeStubs]

from pixieioc.ioc.pva.combined import Combined
from pixieioc.ioc.pva.types import code_of
from pixieioc.ioc.records import Record

_ENUM = ("S", "enum_t", [("index", "i"), ("choices", "as")])


class GroupSource(Combined):
    """Records by the names of their fields."""

    def __init__(self, fields: Mapping[str, Record], doc: str) -> None:
        super().__init__(fields.values())
        self._doc = doc
        self._names = {record: name for name, record in fields.items()}
        spec: list[Any] = [(name, _ENUM if each.labels else code_of(each.info)) for name, each in fields.items()]
        more = [("alarm", alarm), ("timeStamp", timeStamp), ("display", ("S", None, [("description", "s")]))]
        self._type = Type([*spec, *more], id="epics:p2p/Group:1.0")

    def structure(self, changed: Iterable[Record], *, whole: bool) -> Any:
        """The fields of the records that have changed."""
        into = Value(self._type)
        changed = tuple(changed)
        for record in changed:
            name = self._names[record]
            if whole and record.labels:
                into[f"{name}.choices"] = list(record.labels)
            into[f"{name}.index" if record.labels else name] = record.value
        if whole:
            into["display.description"] = self._doc
        self.put_alarm_and_time(into, changed)
        return into
