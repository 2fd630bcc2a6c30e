"""The messages that readers of ESS' streams know: pl72, ev44 and 6s4t for a run, f144 for counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import CHUNK_COLUMN, PERIOD_COLUMN, Events
from pixieioc.pipeline import Error
from pixieioc.tasks.names import to_json
from pixieioc.tasks.stream_messages import Position, StreamRun

#: A time of flight has 32 bits, in ns: so far apart are reference times at most.
_REFERENCE_SPACING = 10**9
_SERVICE = "pixieioc"


def import_types() -> Any:
    """The package that knows ESS' schemas; Error that says how to get it."""
    try:
        import streaming_data_types
    except ImportError as error:
        raise Error(
            "ev44 and f144 need the package ess-streaming-data-types: pip install 'pixieioc[kafka]', or take the "
            f"format arrow ({error})"
        ) from error
    return streaming_data_types


class EssMessages:
    """An event is a pixel and a time in whole ns: there is no place for its energy.

    The pixel is `first_pixel` + `channels` * module + channel.
    """

    def __init__(self, run: StreamRun, first_pixel: int, channels: int) -> None:
        self._types = import_types()
        self._run, self._first_pixel, self._channels = run, first_pixel, channels
        self._job = f"{run.source}-{run.run_id}"
        self._zeros: dict[int, int] = {}  #: by period: the Unix time at which `time` is 0, ns

    def begin(self, position: Position, settings: Mapping[str, Any]) -> bytes:
        """A pl72."""
        return self._types.serialise_pl72(
            job_id=self._job,
            filename="",
            start_time=int(self._run.started * 1e3),
            run_name=str(self._run.run_id),
            service_id=_SERVICE,
            instrument_name=self._run.source,
            metadata=to_json({"configuration": settings}),
        )

    def events(self, position: Position, events: Events) -> bytes:
        """An ev44, whose `message_id` is the number of messages before it; Error without the columns of SortEvents."""
        times = self._unix_times(events)
        seconds = times // _REFERENCE_SPACING
        begins = np.flatnonzero(np.diff(seconds, prepend=seconds[0] - 1))
        references = seconds[begins] * _REFERENCE_SPACING
        offsets = times - np.repeat(references, np.diff(begins, append=len(times)))
        pixels = self._first_pixel + self._channels * events["module"].astype(np.int64) + events["channel"]
        name = self._run.source
        return self._types.serialise_ev44(name, position.sequence, references, begins, offsets, pixels)

    def end(self, position: Position, end_time: float, reason: str, discarded: int) -> bytes:
        """A 6s4t."""
        return self._types.serialise_6s4t(
            job_id=self._job, run_name=str(self._run.run_id), service_id=_SERVICE, stop_time=int(end_time * 1e3)
        )

    def _unix_times(self, events: Events) -> NDArray[np.int64]:
        """The Unix time of each event, ns; within a period, differences are exact but for the fraction of the CFD."""
        if CHUNK_COLUMN.name not in events:
            raise Error("ev44 needs Unix times: put SortEvents before PublishEvents, or take the format arrow")
        periods, first = np.unique(events[PERIOD_COLUMN.name], return_index=True)
        for period, row in zip(periods.tolist(), first.tolist(), strict=True):
            seconds = float(events[CHUNK_COLUMN.name][row])
            self._zeros.setdefault(period, round(seconds * 1e9) - int(events["time"][row]))
        zeros = np.array([self._zeros[period] for period in periods.tolist()], np.int64)
        return (
            zeros[np.searchsorted(periods, events[PERIOD_COLUMN.name])]
            + events["time"]
            + np.rint(events["cfd"]).astype(np.int64)
        )


class ChannelCounts:
    """How many events each channel has had in a run: all modules one after the other, `channels` of each."""

    def __init__(self, source: str, modules: int, channels: int) -> None:
        self._types, self._source = import_types(), source
        self._shape = modules, channels
        self._counts = np.zeros(modules * channels, np.int64)

    def add(self, events: Events) -> None:
        """Counts events; those of modules and channels that there are not are left out."""
        modules, channels = self._shape
        module, channel = events["module"].astype(np.intp), events["channel"].astype(np.intp)
        known = (module < modules) & (channel < channels)
        if ev.size(events):
            self._counts += np.bincount((module * channels + channel)[known], minlength=len(self._counts))

    def message(self, now: float) -> bytes:
        """The counts as f144."""
        return self._types.serialise_f144(f"{self._source}:counts", self._counts, int(now * 1e9))
