"""What is in a message: every event as it came, and where the message stands in its run."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streaming_data_types import deserialise_6s4t, deserialise_ev44, deserialise_f144, deserialise_pl72

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.listmode.variant import variant
from pixieioc.pipeline import Error
from pixieioc.tasks.ess_messages import ChannelCounts, EssMessages
from pixieioc.tasks.event_batches import EventBatches
from pixieioc.tasks.stream_messages import COLUMNS, USUAL, ArrowMessages, Position, StreamRun
from tests.listmode.samples import random_events, trace_list

RUN = StreamRun("PX16", 7, 1_700_000_000.25)
#: The last tick that a module counts, in ns: of no use as a float.
LAST = (2**48 - 1) * 10


def sorted_events(count: int, seed: int = 1) -> Events:
    """Plain events, with the columns of SortEvents."""
    events = random_events(variant(500, 34688), count, seed, parts=0, traces=False)
    events = {name: events[name] for name in (c.name for c in ev.BASE_COLUMNS)}
    events["time"].sort()
    return {
        **events,
        "period": np.zeros(count, np.uint32),
        "chunk_timestamp": 1.7e9 + (events["time"] - events["time"][:1]) / 1e9,
    }


def read(message: bytes) -> tuple[dict[str, Any], pa.Table]:
    """What a message says of itself, and its events."""
    with pa.ipc.open_stream(message) as stream:
        return json.loads(stream.schema.metadata[b"pixieioc"]), stream.read_all()


def arrow(*names: str) -> ArrowMessages:
    return ArrowMessages(RUN, [COLUMNS[name] for name in names])


def test_events_are_there_as_they_came() -> None:
    events = sorted_events(500)
    events["time"][-1], events["cfd"][-1] = LAST, 9.999969482421875
    about, table = read(arrow(*USUAL).events(Position(3, 1200), events))
    assert about == {
        "schema": "pixieioc-events/1",
        "message": "events",
        "source": "PX16",
        "run_id": 7,
        "run_started": 1_700_000_000.25,
        "sequence": 3,
        "first_event": 1200,
        "recorded_run_id": None,
    }
    assert table.column_names == USUAL
    for name in USUAL:
        assert table[name].to_numpy().dtype == np.dtype(COLUMNS[name].dtype)
        assert table[name].to_pylist() == events[name].tolist(), name
    assert table.schema.field("time").metadata[b"unit"] == b"ns"


def test_optional_blocks_and_traces_are_there_if_they_are_asked_for() -> None:
    given = random_events(variant(500, 34688), 60, 3)
    _, table = read(arrow("time", "parts", "esum", "qdc", "trace").events(Position(1, 0), given))
    traces = [
        given[ev.TRACES][s : s + n].tolist() for s, n in zip(given["trace_start"], given["trace_length"], strict=True)
    ]
    assert [trace or [] for trace in table["trace"].to_pylist()] == traces
    has_sums = (given["parts"] & 2 > 0).tolist()
    expected = [sums if has else None for sums, has in zip(given["esum"].tolist(), has_sums, strict=True)]
    assert table["esum"].to_pylist() == expected


def test_what_events_do_not_have_is_null() -> None:
    events = sorted_events(3)
    del events["period"]
    _, table = read(arrow("time", "period", "qdc").events(Position(1, 0), events))
    assert table["period"].to_pylist() == table["qdc"].to_pylist() == [None] * 3


def test_a_run_begins_and_ends_with_messages_without_events() -> None:
    messages = arrow("time", "energy")
    about, table = read(messages.begin(Position(0, 0), {"SortEvents": {"window": 100.0}}))
    assert (about["message"], about["sequence"], len(table)) == ("begin", 0, 0)
    assert about["configuration"] == {"SortEvents": {"window": 100.0}}
    assert about["software"].startswith("pixieioc ")
    about, table = read(messages.end(Position(12, 5000, 3), 1_700_000_010.5, "run ended", 2))
    assert (about["message"], about["sequence"], about["first_event"], len(table)) == ("end", 12, 5000, 0)
    assert (about["end_time"], about["end_reason"], about["items_discarded"]) == (1_700_000_010.5, "run ended", 2)
    assert about["recorded_run_id"] == 3


# -- batches -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 300), max_size=12), st.integers(50, 5000))
def test_all_events_come_out_of_batches_in_order(sizes: list[int], size: int) -> None:
    columns = [COLUMNS[name] for name in ("time", "energy")]
    batches, out, came = EventBatches(columns, size), [], []
    for number, count in enumerate(sizes):
        events = sorted_events(count, number + 1)
        came += events["energy"].tolist()
        out += list(batches.add(events))
        assert sum(map(ev.size, out)) + batches.events == len(came)
    assert all(batch.keys() == {"time", "energy"} for batch in out)
    assert all(10 * ev.size(batch) <= max(size, 10) for batch in out)
    out += list(batches.rest())
    assert [energy for batch in out for energy in batch["energy"].tolist()] == came
    assert list(batches.rest()) == []


def test_traces_count_for_the_size_and_go_with_their_events() -> None:
    given = random_events(variant(500, 34688), 200, 5)
    batches = EventBatches([COLUMNS["time"], COLUMNS["trace"]], 2000)
    out = [*batches.add(given), *batches.rest()]
    assert len(out) > 2
    assert all(2 * len(batch[ev.TRACES]) <= 2000 for batch in out)
    assert [time for batch in out for time in batch["time"].tolist()] == given["time"].tolist()
    assert [trace for batch in out for trace in trace_list(batch)] == trace_list(given)


# -- ESS' schemas ------------------------------------------------------------------------------------------------------


def test_an_ev44_has_times_and_pixels() -> None:
    events = sorted_events(400)
    events["time"] = np.sort(np.random.default_rng(1).integers(0, 30 * 10**9, 400)) + LAST // 2
    events["chunk_timestamp"] = 1.7e9 + (events["time"] - events["time"][0]) / 1e9
    messages = EssMessages(RUN, 1000, 16)
    times: list[int] = []
    for sequence, part in enumerate((slice(0, 150), slice(150, 400))):
        told = deserialise_ev44(messages.events(Position(sequence, 0), ev.take(events, part)))
        assert (told.source_name, told.message_id) == ("PX16", sequence)
        assert (
            told.pixel_id.tolist()
            == (1000 + 16 * events["module"][part].astype(int) + events["channel"][part]).tolist()
        )
        last = [*told.reference_time_index[1:].tolist(), len(told.time_of_flight)]
        for reference, begin, end in zip(
            told.reference_time.tolist(), told.reference_time_index.tolist(), last, strict=True
        ):
            times += [reference + offset for offset in told.time_of_flight[begin:end].tolist()]
    whole = events["time"] + np.rint(events["cfd"]).astype(int)
    assert times == (whole - events["time"][0] + 1_700_000_000 * 10**9).tolist()


def test_an_ev44_needs_unix_times() -> None:
    events = sorted_events(2)
    del events["chunk_timestamp"]
    with pytest.raises(Error, match="put SortEvents before PublishEvents"):
        EssMessages(RUN, 0, 16).events(Position(1, 0), events)


def test_runs_begin_and_end_as_ess_readers_expect() -> None:
    messages = EssMessages(RUN, 0, 16)
    begin = deserialise_pl72(messages.begin(Position(0, 0), {"DummyData": {}}))
    assert (begin.job_id, begin.run_name, begin.start_time) == ("PX16-7", "7", 1_700_000_000_250)
    assert json.loads(begin.metadata) == {"configuration": {"DummyData": {}}}
    end = deserialise_6s4t(messages.end(Position(9, 0), 1_700_000_100.0, "run ended", 0))
    assert (end.job_id, end.run_name, end.stop_time) == ("PX16-7", "7", 1_700_000_100_000)


def test_counts_of_channels_are_an_f144() -> None:
    events = sorted_events(300)
    events["module"] = np.arange(300).astype("u1") % 3  # of which there are two
    counts = ChannelCounts("PX16", 2, 16)
    for part in (slice(0, 100), slice(100, 300), slice(0, 0)):
        counts.add(ev.take(events, part))
    told = deserialise_f144(counts.message(1.7e9))
    known = events["module"] < 2
    expected = np.bincount((events["module"] * 16 + events["channel"])[known], minlength=32)
    assert (told.source_name, told.timestamp_unix_ns) == ("PX16:counts", 1_700_000_000 * 10**9)
    assert told.value.tolist() == expected.tolist()
