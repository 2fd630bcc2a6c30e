"""What a name means: a record, one of its fields, a long string, and what filters leave of one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pixieioc.ioc.ca import filter_syntax
from pixieioc.ioc.ca.fields import find_field, has_field
from pixieioc.ioc.ca.filter_syntax import NoFilter, Wanted
from pixieioc.ioc.ca.filtered import FilteredRecord
from pixieioc.ioc.ca.filters import make
from pixieioc.ioc.ca.record import Record

#: What filters begin with.
_FILTERS = re.compile(r"[\[{]")


def find(records: Mapping[str, Record], name: str) -> Record | None:
    """The record that a client means by `name`; with filters one for this channel alone. None: there is none."""
    record = records.get(name)
    if record is not None:
        return record
    try:
        base, wanted = _split(name)
        record = records.get(base)
        if record is not None and not _is_value(record, wanted.field):
            record = find_field(record, wanted.field)
        return FilteredRecord(record, wanted.filters) if record is not None and wanted.filters else record
    except NoFilter:
        return None


def knows(records: Mapping[str, Record], name: str) -> bool:
    """Whether there is something of this name."""
    if name in records:
        return True
    try:
        base, wanted = _split(name)
        record = records.get(base)
        if record is None or not (_is_value(record, wanted.field) or has_field(record, wanted.field)):
            return False
        for written in wanted.filters:
            make(written)
    except NoFilter:
        return False
    return True


def _split(name: str) -> tuple[str, Wanted]:
    """A record's name and what is wanted of it; `NAME$` and `NAME.$` are `NAME.VAL$`. Raises NoFilter."""
    found = _FILTERS.search(name)
    end = found.start() if found else len(name)
    base, dot, field = name[:end].rpartition(".")
    if not dot:
        if found:
            raise NoFilter(f"{name!r} has no dot before its filters")
        return (name[:-1], Wanted("VAL$", ())) if name.endswith("$") else (name, Wanted("", ()))
    wanted = filter_syntax.read(field + name[end:]) if found else Wanted(field, ())
    if not wanted.field and not found:
        raise NoFilter(f"{name!r} has nothing behind its dot")
    return base, Wanted("VAL$", wanted.filters) if wanted.field == "$" else wanted


def _is_value(record: Record, field: str) -> bool:
    """Whether a field is the record's value as it is."""
    return field in ("", "VAL") or (field == "VAL$" and record.info.is_text)
