"""Time order across blocks and modules: events are held back as long as an earlier one may still come, within bounds.

The model, and what always holds, is docs/decisions/0011. In short: each module's events are a stream, in order but for
`window_ns`, which says of itself how far it has come (`streams.py`). Events go on when all streams have come further,
ordered by period, then by time, then by module and place in the stream.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.apart import apart_from_most
from pixieioc.listmode.batch import Batch
from pixieioc.listmode.events import Column, Events, Memory
from pixieioc.listmode.held import EVERYTHING, Chunk, Group, Odd, OfModule, Run, TimeBase, store_of
from pixieioc.listmode.reading import Reader, Reading
from pixieioc.listmode.streams import END, Position, Stream
from pixieioc.listmode.stretches import Due, Stretch, odd_stretch, stretches_of
from pixieioc.listmode.survey import CELL_BITS, CFD_BITS

_FIRST = TimeBase(-1, 0)
#: When too many events are held, modules are apart whose times are further from the others', s; of recorded data, it is
#: told which modules' first times are.
_FAR = 600.0


@dataclass
class TimeOrder:
    """Merges the events of several modules into one stream in time order.

    `window_ns`: how far one module's events can be out of order. `reset_ns`: a time further than that from those before
    is judged by those that follow. `longest`: nothing is held back longer, s (0: no matter). `max_events`: so
    many are held back at most. An event that comes too late for its place, or whose time cannot be true, is marked with
    FLAG_LATE, counted, and let out at once: nothing is dropped, nothing is misplaced silently. What is let out is put
    into `memory`, and has room for the columns `spare`, for whoever fills them.
    """

    window_ns: int
    max_events: int
    reset_ns: int
    longest: float = 0.0
    spare: tuple[Column, ...] = ()
    memory: Memory = ev.heap
    late: int = 0  #: events that carry the flag
    late_apart: int = 0  #: those of them that are of modules that were apart
    relieved: int = 0  #: events that were let out because too many were held
    resets: int = 0
    held: int = 0
    period: int = 0  #: with which all streams began
    streams: dict[int, Stream] = field(default_factory=dict[int, Stream])
    _groups: dict[TimeBase, Group] = field(default_factory=dict[TimeBase, Group])
    _horizon: Position | None = None  #: how far any module had come before the last block
    _last: TimeBase = _FIRST  #: of what was let out

    def __post_init__(self) -> None:
        self._reader = Reader(self.window_ns, self.reset_ns, self.memory)
        self._dues: list[Due] = []
        self._odd: list[Odd] = []
        self._elsewhere: set[int] = set()  # modules of recorded data that began far from where most did

    def begin(self, modules: Iterable[int]) -> list[Stretch]:
        """All streams end, and those of `modules` begin, with a new period; returns what was still held."""
        out, period = self.finish(), 0
        if any(stream.known for stream in self.streams.values()):
            period = self.resets = 1 + max(stream.period for stream in self.streams.values())
        self.streams = {module: Stream(period) for module in modules}
        self._groups, self._horizon, self._last, self.period = {}, None, _FIRST, period
        self._elsewhere = set()
        return out

    def feed(
        self, events: Events, read: Iterable[int], quiet: Collection[int] = (), now: float | None = None
    ) -> list[Stretch]:
        """Takes a block, and returns what can be let out now.

        `read`: modules that were read for this block; `quiet`: those of them that had nothing. Events of one module
        must come in the order of its stream. `now`: when the block was read, s, by any clock that does not go back;
        None for recorded data, of which it does not matter.
        """
        self._rejoin()
        for module in read:
            self._stream(module, now).quiet = module in quiet
        quiet_now = {m for m, stream in self.streams.items() if now is not None and stream.quiet and not stream.known}
        reading = self._read(events, now, quiet_now)
        if now is None:
            began = {module: stream.began for module, stream in self.streams.items() if stream.began is not None}
            self._elsewhere = apart_from_most(began, round(_FAR * 1e9))
        self._let_go(self._limit(now), reading)
        return self._answer(now)

    def wait(self, now: float) -> list[Stretch]:
        """Nothing has come: returns what must not be held any longer."""
        return self._answer(now)

    def finish(self) -> list[Stretch]:
        """Everything that is still held back, in order."""
        self._let_go(END, self._read(ev.empty(), None, set(self.streams)))
        return self._answer(None)

    def _stream(self, module: int, now: float | None) -> Stream:
        if module not in self.streams:
            self.streams[module] = Stream(self.period)
            self.streams[module].heard = now
        return self.streams[module]

    def _read(self, events: Events, now: float | None, final: Collection[int]) -> Reading:
        """Surveys a block; `final`: modules of which what is undecided is decided now."""
        reading = self._reader.read(
            events, self.streams, lambda module: self._stream(module, now), self._groups, final, now
        )
        self._odd += reading.odd
        self.resets = max([self.resets, *(stream.period for stream in self.streams.values())])
        return reading

    def _answer(self, now: float | None) -> list[Stretch]:
        if now is not None and self.longest:
            self._keep_bound(now)
        self._count()
        if self.held > self.max_events:
            self._relieve(now)
        known = [stream.position for stream in self.streams.values() if stream.known and not stream.apart]
        self._horizon = max(known, default=None)
        return self._emit()

    def _count(self) -> None:
        waiting = sum(c.size for group in self._groups.values() for chunks in group.waiting.values() for c in chunks)
        undecided = [stream.undecided for stream in self.streams.values() if stream.undecided is not None]
        self.held = waiting + sum(map(ev.size, undecided))

    def describe_apart(self) -> list[str]:
        """Which modules are not waited for or began elsewhere, why, and what is to be done; a text for each."""
        texts: list[str] = []
        for module, stream in sorted(self.streams.items()):
            if stream.apart:
                texts.append(f"module {module}: {self._how_apart(stream)}")
            elif stream.ignored:
                texts.append(
                    f"module {module}: it has data, but no whole event has come for {self.longest:g} s; check it"
                )
            elif module in self._elsewhere and stream.began is not None:
                texts.append(
                    f"module {module}: its data begin at {stream.began.time * 1e-9:.1f} s of its counter, far from "
                    "where those of most others do; they are ordered by that: if the counters did not start together, "
                    "they are not beside the others' of the same moment"
                )
        return texts

    def _how_apart(self, stream: Stream) -> str:
        others = self._horizon
        if others is None:
            how = "its counter is not where the others' are"
        elif stream.period != others.period:
            how = f"its counter has {'restarted' if stream.period > others.period else 'not restarted'}, alone"
        else:
            ahead = (stream.position.time - others.time) * 1e-9
            how = f"its counter is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the others'"
        return f"{how}; its events are out of order: start a new run, in which all counters begin together"

    # -- what can be let out ------------------------------------------------------------------------------------------

    def _limit(self, now: float | None) -> Position | None:
        """Nothing that is still to come of any module is earlier; None if that cannot be said of one."""
        limits = [stream.limit(self._horizon, now is None) for stream in self.streams.values()]
        return None if None in limits else min((limit for limit in limits if limit), default=None)

    def _let_go(self, limit: Position | None, reading: Reading | None = None) -> None:
        """Lets out what is before `limit` of what waits and of a block; the rest of the block waits."""
        runs = {} if reading is None else reading.runs
        batch = None if reading is None else reading.batch
        for base in sorted({*self._groups, *runs}):
            own = limit if base.apart < 0 or limit == END else self.streams[base.apart].own_limit
            self._let_go_of(base, _key(own, base), batch, runs.get(base, []))

    def _let_go_of(self, base: TimeBase, key: int, batch: Batch | None, runs: list[OfModule]) -> int:
        """What is before a key of one time base; returns how many events that is."""
        group = self._groups.get(base) or self._groups.setdefault(base, Group())
        due, rest = list[OfModule](), list[OfModule]()
        if batch is None:
            batch = Batch(store_of([]), ev.empty(), np.empty(0, np.int64), np.empty(0, np.uint32), 0.0, self.memory)
        for module, run in runs:
            count = run.end - run.begin
            if key < EVERYTHING:
                count = int(batch.keys[run.begin : run.end].searchsorted(key))  # np.searchsorted takes twice as long
            if count:
                due.append(OfModule(module, Run(run.begin, run.begin + count, min(run.tail, count), run.row)))
            if run.begin + count < run.end:
                rest.append(OfModule(module, Run(run.begin + count, run.end, 0, -1)))
        if rest:
            kept = batch.keep([run for _, run in rest])
            for (module, _), chunk in zip(rest, kept, strict=True):
                group.add(module, chunk)
        if before := group.before(key):
            batch, more = batch.with_more([chunk for _, chunk in before])
            due = [*(OfModule(m, run) for (m, _), run in zip(before, more, strict=True)), *due]
        if not due:
            return 0
        due.sort(key=lambda of_module: of_module.module)  # stable: a module's runs stay in their order
        self._dues.append(self._due(base, group, batch, [run for _, run in due]))
        for module, run in due:
            group.marks[module] = max(group.marks.get(module, -EVERYTHING), int(batch.keys[run.end - 1]))
        return len(self._dues[-1].numbers)

    def _due(self, base: TimeBase, group: Group, batch: Batch, runs: list[Run]) -> Due:
        numbers = batch.merged(runs)
        late = 0
        if base.apart >= 0:
            late = len(numbers)
            self.late_apart += late
        elif base < self._last:
            late = len(numbers)
        elif group.marks:
            mark = max(group.marks.values())
            late = sum(int(batch.keys[r.begin : r.end].searchsorted(mark)) for r in runs if batch.keys[r.begin] < mark)
        if base.apart < 0:
            self._last = max(self._last, base)
        self.late += late
        return Due(base.period, batch, numbers, runs[0] if len(runs) == 1 else None, late)

    # -- bounds -------------------------------------------------------------------------------------------------------

    def _keep_bound(self, now: float) -> None:
        """Lets out what has been held for longer than it may be: whatever it takes, and no more than it takes."""
        deadline = now - self.longest
        undecided = {
            module
            for module, stream in self.streams.items()
            if stream.undecided is not None and stream.undecided_read.min() <= deadline
        }
        if undecided:
            reading = self._read(ev.empty(), now, undecided)
            self._let_go(self._limit(now), reading)
        if not self._overdue(deadline):
            return
        for stream in self.streams.values():  # it should have more, but has not
            stream.ignored |= not stream.quiet and (stream.heard is None or stream.heard <= deadline)
        for base, module, chunk in self._overdue(deadline):  # it has kept itself waiting
            stream = self.streams[module]
            stream.ignored |= not stream.quiet and self._waits_for_itself(base, module, chunk)
        self._let_go(self._limit(now))
        if self._overdue(deadline):
            self._part(self.longest)
            self._let_go(self._limit(now))
        for base, module, chunk in self._overdue(deadline):  # its time cannot be true, alone among others
            self._force_out(base, module, chunk, deadline)

    def _waits_for_itself(self, base: TimeBase, module: int, chunk: Chunk) -> bool:
        """Whether nothing that other modules may still have comes before what waits of a module."""
        others = [s.limit(self._horizon, recorded=False) for number, s in self.streams.items() if number != module]
        known = [limit for limit in others if limit is not None]
        return base.apart < 0 and len(known) == len(others) and chunk.first < _key(min(known, default=END), base)

    def _overdue(self, deadline: float) -> list[tuple[TimeBase, int, Chunk]]:
        return [
            (base, module, chunk)
            for base, group in self._groups.items()
            for module, chunks in group.waiting.items()
            for chunk in chunks
            if chunk.since <= deadline
        ]

    def _part(self, gap: float) -> None:
        """Finds the modules that are apart from most others by more than `gap`, s, and lets each go its own way."""
        active = {m: s.position for m, s in self.streams.items() if s.known and not s.ignored and not s.apart}
        for module in apart_from_most(active, round(gap * 1e9)):
            self.streams[module].apart = True
            for base, group in list(self._groups.items()):
                if base.apart < 0 and (chunks := group.take(module)):
                    own = self._groups.setdefault(base._replace(apart=module), Group())
                    own.waiting.setdefault(module, []).extend(chunks)

    def _rejoin(self) -> None:
        """A module that is near the others again is one of them."""
        others = self._horizon
        for stream in self.streams.values():
            if stream.apart and stream.known and others and stream.period == others.period:
                stream.apart = abs(stream.position.time - others.time) > self.longest * 5e8

    def _force_out(self, base: TimeBase, module: int, chunk: Chunk, deadline: float) -> None:
        group, since = self._groups[base], chunk.store.since[chunk.rows]
        old = since <= deadline
        rows = np.arange(chunk.begin, chunk.begin + chunk.size)
        self._odd.append(Odd(base.period, ev.compact(ev.take(chunk.store.events, rows[old]))))
        kept = [] if old.all() else [chunk.only(~old)]
        group.waiting[module] = [c for c in group.waiting[module] if c is not chunk] + kept
        if not group.waiting[module]:
            del group.waiting[module]

    def _relieve(self, now: float | None) -> None:
        """Too many are held: lets modules go that are far apart, then the earliest, although earlier ones may come."""
        before = self.held
        self._part(max(_FAR, self.longest))
        self._let_go(self._limit(now))
        self._count()
        for base in sorted(self._groups):
            excess = self.held - self.max_events // 2
            if self.held <= self.max_events or excess <= 0:
                break
            chunks = [chunk for chunks in self._groups[base].waiting.values() for chunk in chunks]
            keys = np.concatenate([np.empty(0, np.int64), *(chunk.keys for chunk in chunks)])
            key = EVERYTHING if len(keys) <= excess else int(np.partition(keys, excess)[excess])
            self.held -= self._let_go_of(base, key, None, [])
        self._count()
        self.relieved += before - self.held

    # -- letting out --------------------------------------------------------------------------------------------------

    def _emit(self) -> list[Stretch]:
        """What is let out, in one piece of memory if possible: so it can travel as one."""
        dues, self._dues = self._dues, []
        done = [base for base, group in self._groups.items() if not group.waiting and base < self._last]
        for base in done:
            del self._groups[base]
        stretches = stretches_of(dues, self.spare, self.memory)
        for period, events in self._odd:
            self.late += ev.size(events)
            stretches.append(odd_stretch(period, events, self.spare))
        self._odd = []
        return stretches


def warm_up() -> None:
    """Compiles the loops, or loads them from the cache, so that no data need wait for it, whatever they are."""
    block = ev.allocate(ev.BASE_COLUMNS, 4000, zero=True)
    block["time"][:] = np.arange(4000) * 100
    block["time"][[7, 8]] = block["time"][[8, 7]]
    block["channel"][0] = 1  # not the same everywhere
    block["module"][:2000] = 1
    order = TimeOrder(100, 1000, 10**9)
    order.feed(block, [0, 1])
    order.finish()
    ev.warm_up()


def _key(limit: Position | None, base: TimeBase) -> int:
    """The lowest key in a time base that is not before `limit`."""
    if limit is None or limit.period < base.period:
        return -EVERYTHING
    if limit.period > base.period:
        return EVERYTHING
    after = limit.time - base.origin
    return EVERYTHING if after >> CELL_BITS > 0 else -EVERYTHING if after < 0 else after << CFD_BITS
