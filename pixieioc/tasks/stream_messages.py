"""The messages of a stream of events, in Arrow's format for streams; docs/reference/kafka.md describes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pixieioc
from pixieioc.listmode.events import Column, Events
from pixieioc.tasks.arrow_columns import ArrowColumns
from pixieioc.tasks.event_files import ALWAYS, OPTIONAL, SORTED, TRACE, import_pyarrow
from pixieioc.tasks.names import to_json

#: The version of what is described there: another number means that a reader may have to be changed.
SCHEMA = "pixieioc-events/1"
#: The key of the metadata that tell of a message.
ABOUT = "pixieioc"
#: The columns that a message can have, in their order.
COLUMNS: Mapping[str, Column] = {c.name: c for c in (*ALWAYS, *SORTED, *OPTIONAL, TRACE) if c.name != "trace_start"}
#: What an event is without further wishes.
USUAL = ["time", "cfd", "energy", "channel", "module", "flags", "period"]


@dataclass(frozen=True)
class StreamRun:
    """The run that a stream is of: `source` and these numbers are those of no other."""

    source: str
    run_id: int
    started: float  #: Unix time, s


@dataclass(frozen=True)
class Position:
    """Where a message is in the stream of its run."""

    sequence: int  #: messages before it
    first_event: int  #: events in the messages before it
    recorded_run_id: int | None = None  #: of recorded data: the run that they were taken in


class Messages(Protocol):
    """Makes the messages of one run."""

    def begin(self, position: Position, settings: Mapping[str, Any]) -> bytes:
        """That the run begins, with the settings of all tasks."""
        ...

    def events(self, position: Position, events: Events) -> bytes:
        """Events of the run."""
        ...

    def end(self, position: Position, end_time: float, reason: str, discarded: int) -> bytes:
        """That there are no more; `position` counts all messages and events, `discarded` items were left out."""
        ...


class ArrowMessages:
    """Each message is a whole stream of Arrow with the same columns; its metadata tell what it is."""

    def __init__(self, run: StreamRun, columns: Sequence[Column]) -> None:
        self._run = run
        self._pa, self._arrow, self._columns = import_pyarrow(), ArrowColumns(), columns
        self._schema = self._arrow.schema(columns)

    def begin(self, position: Position, settings: Mapping[str, Any]) -> bytes:
        """No events."""
        about = {"software": f"pixieioc {pixieioc.__version__}", "configuration": settings}
        return self._message("begin", position, about)

    def events(self, position: Position, events: Events) -> bytes:
        """The events, with null for what they do not have."""
        return self._message("events", position, {}, self._arrow.arrays(self._columns, events))

    def end(self, position: Position, end_time: float, reason: str, discarded: int) -> bytes:
        """No events."""
        about = {"end_time": end_time, "end_reason": reason, "items_discarded": discarded}
        return self._message("end", position, about)

    def _message(self, kind: str, position: Position, more: Mapping[str, Any], arrays: Sequence[Any] = ()) -> bytes:
        about = {
            "schema": SCHEMA,
            "message": kind,
            "source": self._run.source,
            "run_id": self._run.run_id,
            "run_started": self._run.started,
            "sequence": position.sequence,
            "first_event": position.first_event,
            "recorded_run_id": position.recorded_run_id,
            **more,
        }
        schema, sink = self._schema.with_metadata({ABOUT: to_json(about)}), self._pa.BufferOutputStream()
        with self._pa.ipc.new_stream(sink, schema) as stream:
            if arrays:
                stream.write_batch(self._pa.RecordBatch.from_arrays(arrays, schema=schema))
        return sink.getvalue().to_pybytes()
