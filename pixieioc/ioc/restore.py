"""Values from texts, written to settings and fields as by the puts of a client: converted, checked, or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca.fields import find_field
from pixieioc.ioc.ca.view import View, Views
from pixieioc.ioc.records import Client, PutRefused, Record, faults
from pixieioc.ioc.records.field_table import FIELDS
from pixieioc.ioc.sav import text_of
from pixieioc.ioc.worker import waited_for_no_longer

#: Fields that can be written and are no settings: they do something, or are about the moment. A file that could give a
#: record another access group could lock it for good.
_OF_THE_MOMENT = {"ACKS", "ACKT", "ASG", "DISP", "PROC"}
#: How long the values that are restored may take to be used, in seconds.
_PATIENCE = 20.0


def kept_fields(record: Record) -> Iterator[tuple[str, str]]:
    """The fields of a record that a client can set, alarm limits for example, and their values as texts."""
    for name, field in FIELDS[record.info.record].items():
        if field.write is not None and name not in _OF_THE_MOMENT:
            yield name, text_of(field.value(record))


def value_text(record: Record) -> str:
    """The value of a setting as a text."""
    whole = record.info.record.startswith("int64")
    return str(int(record.value)) if whole else text_of(record.value)


class Restorer:
    """Writes to records by their names with prefix, or to their fields."""

    def __init__(self, views: Views) -> None:
        self._views = views

    async def write(
        self, texts: Mapping[str, str], client: Client, allowed: Callable[[View], bool] = lambda _: True
    ) -> dict[str, str]:
        """Writes all of them at once, so that what fits only together is used together; returns why some were not."""
        refused: dict[str, str] = {}
        going_on: dict[str, asyncio.Future[None]] = {}
        for name, text in texts.items():
            try:
                answer = self._put(name, text, client, allowed)
            except Exception as error:
                refused[name] = _reason(name, error)
            else:
                if answer is not None:
                    going_on[name] = asyncio.ensure_future(answer)
        if going_on:
            await asyncio.wait(going_on.values(), timeout=_PATIENCE)
        return refused | self._failed(going_on)

    def _put(self, name: str, text: str, client: Client, allowed: Callable[[View], bool]) -> Awaitable[None] | None:
        record, _, field = name.rpartition(".") if "." in name else (name, "", "")
        view = self._views[record]
        if field:
            # As a long string, if it is a text: DESC has 40 bytes, a string of Channel Access 39.
            found = find_field(view, f"{field}$") or find_field(view, field)
            if found is None:
                raise PutRefused("there is no such field")
            view = found
        if not allowed(view):
            raise PutRefused(f"{client} may not write it")
        if view.record.info.is_text:
            data = text.encode()
            value = view.accept(dbr.CHAR, len(data) + 1, data + b"\0")
        else:
            value = view.accept(dbr.STRING, 1, text.encode() + b"\0")
        return view.write(value, client)

    @staticmethod
    def _failed(going_on: Mapping[str, asyncio.Future[None]]) -> dict[str, str]:
        failed: dict[str, str] = {}
        for name, answer in going_on.items():
            if not answer.done():
                waited_for_no_longer(answer, name)
                failed[name] = f"it is not used yet after {_PATIENCE:.0f} s"
            elif not answer.cancelled() and (error := answer.exception()) is not None:
                failed[name] = _reason(name, error)
        return failed


def _reason(name: str, error: BaseException) -> str:
    """What a refusal says; what is none is a fault of ours, and costs that one value."""
    if not isinstance(error, PutRefused | dbr.Unconvertible):
        faults.report(f"{name} could not be restored", error)
        return f"{type(error).__name__}: {error}"
    return str(error)
