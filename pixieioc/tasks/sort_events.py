"""SortEvents: one stream in time order from all modules, with the Unix time of each event."""

from __future__ import annotations

import time
from typing import Any, cast, get_args

from pixieioc.listmode import order, unixtime
from pixieioc.listmode.events import CHUNK_COLUMN
from pixieioc.listmode.order import Stretch, TimeOrder
from pixieioc.listmode.unixtime import Mode, UnixClock
from pixieioc.pipeline import Error, Parameter, Report, Task
from pixieioc.tasks.items import EventBlock, events_of, joined


class SortEvents(Task):
    """Holds events back as long as an earlier one may still come, and lets them out in time order.

    Adds the column `chunk_timestamp`, the Unix time. A module whose counter began anew (its time went backward by more
    than `reset_time`) starts a new period, which comes after the old one.
    """

    events_known = True

    window = Parameter(100.0, unit="us", low=0, high=1e9, doc="How far one module's events may be out of order.")
    max_events = Parameter(2_000_000, low=1000, high=100_000_000, doc="So many events are held back at most.")
    reset_time = Parameter(
        20.0, unit="s", low=1e-3, high=1e6, doc="Time that goes backward by more is a restarted counter."
    )
    time_mode = Parameter(
        "now",
        choices=get_args(Mode),
        doc="Unix time of a counter period's start: when it is seen, from start_times, or gap after the one before.",
    )
    start_times = Parameter([], items=float, low=0, unit="s", doc="Unix times of the starts, for replayed data.")
    gap = Parameter(
        35.0, unit="s", low=0, high=1e7, doc="Time from the end of a counter period to the start of the next."
    )

    late_events = Report(
        0,
        alarm_hihi=1,
        doc="Events of this run that came too late for their place; they carry the flag 8 and are out of order.",
        guidance="Increase SortEvents:Window or MaxEvents; check that all modules are read equally often.",
    )
    resets = Report(0, doc="How often the counters began anew in this run.")
    events_held = Report(0, doc="Events that are held back.")
    starts_estimated = Report(
        0,
        alarm_high=1,
        doc="Counter periods whose start is not in start_times and was estimated.",
        guidance="Give start_times a time for each start of the counters, if the times between them matter.",
    )

    def do_init(self) -> None:
        order.warm_up()
        unixtime.warm_up()

    def do_start(self) -> None:
        if self.time_mode == "start times" and not self.start_times:
            raise Error("time_mode is 'start times', but start_times is an empty list")
        self._order = TimeOrder(
            round(self.window * 1e3), self.max_events, round(self.reset_time * 1e9), (CHUNK_COLUMN,), self.allocate
        )
        self._clock = UnixClock(cast("Mode", self.time_mode), time.time, list(self.start_times), self.gap)
        self.late_events = self.resets = self.events_held = self.starts_estimated = 0

    def do_work(self, datum: Any) -> None:
        block = events_of(datum, self.name)
        self.events += len(block["events"]["time"])
        self._send(self._order.feed(block["events"], block["words_read"]), block["words_read"])

    def do_stop(self) -> None:
        self._send(self._order.finish(), {})

    def _send(self, stretches: list[Stretch], words_read: dict[int, int]) -> None:
        for stretch in stretches:
            self._clock.stamp(stretch.period, stretch.events, stretch.events[CHUNK_COLUMN.name])
        whole = stretches[0].whole if stretches else None
        for events in (
            [whole] if whole is not None else joined([stretch.events for stretch in stretches], self.allocate)
        ):
            self.send(EventBlock(events=events, words_read=words_read))
        self.late_events, self.resets = self._order.late, self._order.resets
        self.events_held, self.starts_estimated = self._order.held, self._clock.estimated
