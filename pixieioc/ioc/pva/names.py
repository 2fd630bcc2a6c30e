"""What a name means: a record, one of its fields, or what is offered beside the records."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pixieioc.ioc.pva.source import FieldSource
from pixieioc.ioc.pva.structures import Offer
from pixieioc.ioc.records import Record
from pixieioc.ioc.records.field_table import Field
from pixieioc.ioc.records.fields import FieldRecord, as_text, field_of, security_of_field
from pixieioc.ioc.records.security import Security


class Names:
    """A field is made for its first client, as everything is: there are a hundred times as many as records."""

    def __init__(self, records: Iterable[Record], more: Mapping[str, Offer]) -> None:
        self._names: dict[str, Record | Offer] = {record.name: record for record in records} | dict(more)

    def find(self, name: str) -> Record | Offer | None:
        """What there is of this name; None: nothing. `NAME.VAL`, and `NAME$` of a text, are the record itself."""
        found = self._names.get(name)
        if found is not None:
            return found
        base, dot, field = name.rpartition(".")
        if not dot and name.endswith("$"):
            base, field = name[:-1], "$"
        record = self._names.get(base)
        if not isinstance(record, Record):
            return None
        return record if _is_value(record, field) else _offer(record, field)


def _is_value(record: Record, field: str) -> bool:
    is_text = record.info.is_text or record.info.record in ("stringin", "stringout")
    return field == "VAL" or (is_text and field in ("$", "VAL$"))


@dataclass(frozen=True)
class _FieldOffer(Offer):
    """A field, to which there are rights of its own."""

    security: Security

    @property
    def securities(self) -> Iterable[Security]:
        """What the rights to it follow from."""
        return (self.security,)


def _offer(record: Record, name: str) -> Offer | None:
    field = field_of(record.info, name)
    if field is None:
        return None
    make = functools.partial(_source, record, as_text(name, field), field)
    return _FieldOffer(frozenset([record]), make, security_of_field(record, name, field))


def _source(record: Record, name: str, field: Field) -> FieldSource:
    return FieldSource(FieldRecord(record, name, field))
