"""SortEvents: one stream in time order from all modules, with the Unix time of each event."""

from __future__ import annotations

import itertools
import time
from typing import Any, cast, get_args

from pixieioc.listmode import events as ev
from pixieioc.listmode import order, unixtime
from pixieioc.listmode.events import CHUNK_COLUMN, PERIOD_COLUMN
from pixieioc.listmode.order import Stretch, TimeOrder
from pixieioc.listmode.unixtime import Mode, UnixClock
from pixieioc.pipeline import Error, Parameter, Report, Task
from pixieioc.tasks.items import EVENTS, Beginning, Ending, EventBlock, events_of


class SortEvents(Task):
    """Holds events back as long as an earlier one may still come, and lets them out in time order.

    Adds the columns `period`, the period of the counters, and `chunk_timestamp`, the Unix time. A module whose counter
    restarts (its time goes back by more than `reset_time`, and goes on from there) begins a new period, which comes
    after the old one. What cannot be brought into order is let out all the same, with the flag 8, and counted.
    """

    takes = EVENTS
    events_known = True

    window = Parameter(100.0, unit="us", low=0, high=1e9, doc="How far one module's events may be out of order.")
    max_wait = Parameter(
        5.0,
        unit="s",
        low=1e-3,
        high=3600,
        unset=0,
        doc="Longest time that an event is held back, as earlier ones may come; 0: as long as it takes. "
        "Data from files may be held longer.",
    )
    max_events = Parameter(
        2_000_000, low=1000, high=100_000_000, doc="Most events that are held back, whatever the other bounds."
    )
    reset_time = Parameter(
        20.0,
        unit="s",
        low=1e-3,
        high=1e6,
        doc="A time that is further from those before is judged by the next events of the module: it is wrong, or the "
        "counter has restarted, or nothing has come for long.",
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
        doc="Events of this run that are out of order and carry the flag 8: they came too late, their time cannot be "
        "true, or their module is apart.",
        guidance="See ModulesApart and EventsApart first. Otherwise increase SortEvents:Window or MaxEvents; check "
        "that all modules are read equally often. Single events with wrong times are damaged records.",
    )
    events_apart = Report(
        0,
        alarm_hihi=1,
        doc="Those of them whose module is apart: its counter is not where the others' are.",
        guidance="ModulesApart names the modules and what to do: start all counters together, with a new run.",
    )
    modules_apart = Report(
        "",
        doc="Modules that the others do not wait for, or whose recorded times begin far from the others', why, and "
        "what to do.",
    )
    number_apart = Report(
        0,
        alarm_high=1,
        doc="How many modules ModulesApart names.",
        guidance="ModulesApart says why and what to do: mostly, the counters were not started together.",
    )
    events_let_go = Report(
        0,
        alarm_hihi=1,
        doc="Events of this run that were let out because too many were held back.",
        guidance="Earlier events may have followed, see LateEvents. Check that all modules are read equally often; "
        "increase SortEvents:MaxEvents if there is memory.",
    )
    resets = Report(0, doc="How often the counters have restarted in this run.")
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
            round(self.window * 1e3),
            self.max_events,
            round(self.reset_time * 1e9),
            self.max_wait,
            (PERIOD_COLUMN, CHUNK_COLUMN),
            self.allocate,
        )
        self._clock = UnixClock(cast("Mode", self.time_mode), time.time, list(self.start_times), self.gap)
        self._recorded = False
        self._begins: Beginning | None = None  # a run of which nothing has been sent
        self._ends: Ending | None = None
        self.late_events = self.events_apart = self.events_let_go = self.resets = 0
        self.events_held = self.starts_estimated = 0
        self.modules_apart, self.number_apart = "", 0

    def do_work(self, datum: Any) -> None:
        block = events_of(datum, self.name)
        if "begins" in block:
            self._begin(block["begins"])
        self._ends = block.get("ends", self._ends)
        self.events += ev.size(block["events"])
        self._send(
            self._order.feed(block["events"], block["words_read"], block["quiet"], self._now()), block["words_read"]
        )

    def do_wait(self) -> None:
        if self.running and (now := self._now()) is not None:
            self._send(self._order.wait(now), {})

    def do_stop(self) -> None:
        self._send(self._order.finish(), {})
        if self._begins or self._ends:
            self._send_block(ev.empty(), {}, self._ends)

    def _begin(self, begins: Beginning) -> None:
        """A run begins in recorded data: all before it comes first."""
        self._send(self._order.begin(begins["modules"]), {})
        if self._begins or self._ends:  # of the one before: nothing has come of it, or it was told how it has ended
            self._send_block(ev.empty(), {}, self._ends)
            self._ends = None
        self._begins, self._recorded = begins, begins["recorded"]
        if (zero := begins.get("clock_zero", begins["start_time"])) is not None:
            self._clock.given[self._order.period] = zero

    def _now(self) -> float | None:
        """The time by which the wait is bounded; None if there is no bound."""
        return None if self._recorded or not self.max_wait else time.monotonic()

    def _send(self, stretches: list[Stretch], words_read: dict[int, int]) -> None:
        wholes = [[*group] for _, group in itertools.groupby(stretches, key=lambda stretch: id(stretch.whole))]
        for group in wholes:
            self._stamp(group)
        last = max((at for at, group in enumerate(wholes) if not group[0].odd), default=-1)
        for at, group in enumerate(wholes):
            self._send_block(group[0].whole, words_read if at == last else {})
        counts = self._order
        self.late_events, self.events_apart, self.events_let_go = counts.late, counts.late_apart, counts.relieved
        self.resets, self.events_held, self.starts_estimated = counts.resets, counts.held, self._clock.estimated
        texts = counts.describe_apart()
        self.number_apart = len(texts)
        if (apart := "; ".join(texts)) != self.modules_apart:
            self.modules_apart = apart
            if apart:
                self.print(apart)

    def _send_block(self, events: ev.Events, words_read: dict[int, int], ends: Ending | None = None) -> None:
        block = EventBlock(events=events, words_read=words_read, quiet=[])
        if self._begins:
            block["begins"], self._begins = self._begins, None
        if ends:
            block["ends"] = ends
        self.send(block)

    def _stamp(self, stretches: list[Stretch]) -> None:
        """Fills in the Unix time, which only this task knows, of all events that travel together."""
        events = stretches[0].whole
        if stretches[0].odd:
            events[CHUNK_COLUMN.name].fill(self._clock.of_odd(stretches[0].period))
        else:
            parts = [(stretch.period, stretch.begin, stretch.end) for stretch in stretches]
            self._clock.stamp(parts, events, events[CHUNK_COLUMN.name])
