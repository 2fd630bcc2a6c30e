"""Events as columns of Arrow: the same in a Parquet file and in a message of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Array, Column, Events
from pixieioc.tasks.event_files import ALWAYS, KEV, OPTIONAL, PART_OF, TRACE, import_pyarrow


class ArrowColumns:
    """Makes tables of columns; what an event does not have is null in them. Error without the package pyarrow."""

    def __init__(self) -> None:
        self._pa = import_pyarrow()

    def schema(self, columns: Iterable[Column], metadata: Mapping[str, str] | None = None) -> Any:
        """The schema of these columns; each has its `unit` and its `meaning`."""
        fields = []
        for column in columns:
            about = {"unit": column.unit, "meaning": column.doc}
            fields.append(self._pa.field(column.name, self._type(column), column not in ALWAYS, about))
        return self._pa.schema(fields, metadata)

    def arrays(self, columns: Sequence[Column], events: Events) -> list[Any]:
        """The values of these columns; traces of `events` hold no samples but their own."""
        return [self._traces(events) if column is TRACE else self._array(column, events) for column in columns]

    def _type(self, column: Column) -> Any:
        item = self._pa.from_numpy_dtype(np.dtype(column.dtype))
        if column is TRACE:
            return self._pa.list_(item)
        return self._pa.list_(item, column.width) if column.width else item

    def _array(self, column: Column, events: Events) -> Any:
        pa, values = self._pa, events.get(column.name)
        if values is None:
            zeros = column in OPTIONAL and column.name not in PART_OF  # no blocks, no samples: that is known
            return pa.array(np.zeros(ev.size(events), column.dtype)) if zeros else self._nulls(column, events)
        mask: Array | None = None
        if column.name in PART_OF:
            mask = events["parts"] & PART_OF[column.name] == 0
        elif column is KEV and (none := np.isnan(values)).any():
            mask = none
        if column.width:
            return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), column.width, mask=pa.array(mask))
        return pa.array(values, mask=mask)

    def _nulls(self, column: Column, events: Events) -> Any:
        return self._pa.nulls(ev.size(events), self._type(column))

    def _traces(self, events: Events) -> Any:
        """The samples as they lie in memory, and where each trace ends."""
        if ev.TRACES not in events:
            return self._nulls(TRACE, events)
        lengths = events["trace_length"].astype(np.int32)
        ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int32)])
        mask = self._pa.array(lengths == 0)
        return self._pa.ListArray.from_arrays(self._pa.array(ends), self._pa.array(events[ev.TRACES]), mask=mask)
