"""Tables: of arrays that have a value for each channel, and of lines."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from p4p import Value  # pyright: ignore[reportMissingTypeStubs]
from p4p.nt import NTTable  # pyright: ignore[reportMissingTypeStubs]

from pixieioc.ioc.pva.combined import Combined
from pixieioc.ioc.records import Record


class _Table(Combined):
    """Columns of these codes, which are made again at each change."""

    def __init__(self, records: Iterable[Record], columns: Mapping[str, str], doc: str) -> None:
        super().__init__(records)
        self._labels = list(columns)
        self._doc = doc
        self._type = NTTable.buildType([(name, f"a{code}") for name, code in columns.items()])

    @abstractmethod
    def columns(self) -> Mapping[str, Any]:
        """The columns as they are now."""

    def structure(self, changed: Iterable[Record], *, whole: bool) -> Any:
        """All columns: they are of one length."""
        into = Value(self._type, {"value": self.columns()})
        if whole:
            into["labels"] = self._labels
            into["descriptor"] = self._doc
        self.put_alarm_and_time(into, changed)
        return into


class ChannelTable(_Table):
    """A row for each channel: by column and module, a record with an array."""

    def __init__(self, columns: Mapping[str, Mapping[int, Record]], doc: str) -> None:
        self._records = columns
        records = [record for of_column in columns.values() for record in of_column.values()]
        super().__init__(records, {"module": "i", "channel": "i"} | dict.fromkeys(columns, "d"), doc)

    def columns(self) -> Mapping[str, Any]:
        """What is not known is NaN."""
        modules = sorted({module for of_column in self._records.values() for module in of_column})
        rows = {
            module: max(of_column[module].info.length for of_column in self._records.values() if module in of_column)
            for module in modules
        }
        table: dict[str, Any] = {
            "module": np.repeat(np.array(modules, np.int32), list(rows.values())),
            "channel": np.concatenate([np.arange(count, dtype=np.int32) for count in rows.values()]),
        }
        for name, of_column in self._records.items():
            table[name] = np.concatenate([_padded(of_column.get(module), count) for module, count in rows.items()])
        return table


class LineTable(_Table):
    """Lines with their Unix times, the newest first; `record` is posted when there is a new one."""

    def __init__(self, record: Record, lines: Callable[[], Sequence[tuple[float, str]]], doc: str) -> None:
        super().__init__([record], {"time": "d", "text": "s"}, doc)
        self._lines = lines

    def columns(self) -> Mapping[str, Any]:
        """Time and text."""
        lines = self._lines()
        return {"time": np.array([time for time, _ in lines], float), "text": [text for _, text in lines]}


def _padded(record: Record | None, count: int) -> Any:
    values = np.full(count, np.nan)
    if record is not None:
        values[: len(record.value)] = record.value
    return values
