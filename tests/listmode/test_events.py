"""Events as columns."""

from __future__ import annotations

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.variant import variant
from tests.listmode.samples import random_events, rows

ROW = variant(500, 34688)


def test_joining_keeps_all_fields_also_where_columns_differ() -> None:
    plain = random_events(ROW, 5, 1, parts=0, traces=False)
    plain = {c.name: plain[c.name] for c in ev.BASE_COLUMNS}
    full, traced = random_events(ROW, 6, 2, traces=False), random_events(ROW, 7, 3)
    for chunks in ([plain, full], [traced, plain, traced], [full, traced], [plain], [ev.empty(), traced]):
        assert rows([ev.concatenate(chunks)]) == rows(chunks)


def test_nothing_joined_is_nothing() -> None:
    assert ev.size(ev.concatenate([])) == ev.size(ev.concatenate([ev.empty()])) == 0


def test_compacting_keeps_the_traces_and_drops_the_rest() -> None:
    events = random_events(ROW, 50, 4)
    some = ev.take(events, np.arange(0, 50, 7))
    small = ev.compact(some)
    assert rows([small]) == rows([some])
    assert len(small["traces"]) == int(small["trace_length"].sum()) < len(events["traces"])
    assert ev.compact({"time": np.zeros(2)}).keys() == {"time"}


def test_every_column_is_described() -> None:
    for column in ev.COLUMNS.values():
        assert column.doc
        assert np.dtype(column.dtype).itemsize <= 8
