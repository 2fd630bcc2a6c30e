"""What a name means: a record, one of its fields, a long string, and what filters leave of one of them."""

from __future__ import annotations

import re

from pixieioc.ioc.ca import filter_syntax
from pixieioc.ioc.ca.fields import find_field, has_field
from pixieioc.ioc.ca.filter_syntax import NoFilter, Wanted
from pixieioc.ioc.ca.filtered import FilteredView
from pixieioc.ioc.ca.filters import States, make
from pixieioc.ioc.ca.view import View, Views
from pixieioc.ioc.records import Record
from pixieioc.pvinfo.model import PvInfo

#: What filters begin with.
_FILTERS = re.compile(r"[\[{]")


def find(views: Views, name: str) -> View | None:
    """What a client means by `name`; with filters a view for this channel alone. None: there is none."""
    if views.record(name) is not None:
        return views[name]
    try:
        base, wanted = _split(name)
        if views.record(base) is None:
            return None
        whole = views[base]
        view = whole if _is_value(whole.record.info, wanted.field) else find_field(whole, wanted.field)
        if view is None or not wanted.filters:
            return view
        return FilteredView(view, wanted.filters, _states(views, whole.record))
    except NoFilter:
        return None


def knows(views: Views, name: str) -> bool:
    """Whether there is something of this name."""
    if views.record(name) is not None:
        return True
    try:
        base, wanted = _split(name)
        record = views.record(base)
        if record is None or not (_is_value(record.info, wanted.field) or has_field(record.info, wanted.field)):
            return False
        for written in wanted.filters:
            make(written, _states(views, record))
    except NoFilter:
        return False
    return True


def _states(views: Views, record: Record) -> States:
    """Finds the states that filters of a channel to `record` may name, with the prefix or without it."""
    prefix = record.name.removesuffix(record.info.name)
    return lambda name: views.record(name) or views.record(prefix + name)


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


def _is_value(info: PvInfo, field: str) -> bool:
    """Whether a field is the record's value as it is."""
    return field in ("", "VAL") or (field == "VAL$" and info.is_text)
