"""Files of events: every field as it came, in bounded memory, and never a file that looks finished and is not."""

from __future__ import annotations

import hashlib
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.events import Events
from pixieioc.listmode.variant import variant
from pixieioc.pipeline import Error, Refused, Status
from pixieioc.tasks import event_files
from pixieioc.tasks.complete_files import CompleteFile
from pixieioc.tasks.event_files import ALWAYS, OPTIONAL, RUN, SORTED, EventFile
from pixieioc.tasks.event_formats import format_of, new_file
from pixieioc.tasks.write_events import WriteEvents
from tests.conftest import DATA
from tests.listmode.samples import random_events, rows, trace_list
from tests.recorder import Recorder
from tests.tmpfs import tmpfs

FULL = DATA / "pixie16_binary_data-full.bin"
FORMATS = ("parquet", "npy")
STAMPS = {"chunk_timestamp"}


def read(path: Path) -> Events:
    """All that is in a file of events, as columns."""
    return _read_npy(path) if path.suffix == ".npy" else _read_parquet(path)


def _read_npy(path: Path) -> Events:
    main = np.load(path)
    events = {name: main[name] for name in main.dtype.names}
    extra, traces = path.with_suffix(".extra.npy"), path.with_suffix(".traces.npy")
    if extra.exists():
        blocks = np.load(extra)
        events |= {name: blocks[name] for name in blocks.dtype.names}
        if traces.exists():
            events[ev.TRACES] = np.load(traces)
    return events


def _read_parquet(path: Path) -> Events:
    table = pq.read_table(path)
    events: Events = {}
    for column in (*ALWAYS, *SORTED, RUN, *OPTIONAL):
        if column.name not in table.column_names:
            continue
        shape = (column.width,) if column.width else ()
        values = [np.zeros(shape) if value is None else value for value in table[column.name].to_pylist()]
        events[column.name] = np.array(values, column.dtype).reshape(len(values), *shape)
    if "trace" not in table.column_names:
        return events
    traces = [trace or [] for trace in table["trace"].to_pylist()]
    events["trace_start"] = np.cumsum([0, *map(len, traces)])[: len(traces)]
    events[ev.TRACES] = np.array([sample for trace in traces for sample in trace], "<u2")
    return events


def _write(pipeline: Recorder, path: Path, files: list[Path], *tasks: str, **config: Any) -> Events:
    """Sends files through a chain; returns what came to its end."""
    kept = path.with_name("kept.npz")
    pipeline.chain_of("LoadFiles", "ConvertToEvents", *tasks, "WriteEvents", "KeepEvents")
    pipeline.configure({"WriteEvents": {"file": str(path), "format": path.suffix.removeprefix(".")}})
    pipeline.configure({"files": [str(file) for file in files], "keep_in": str(kept), **config})
    pipeline.run_through()
    return dict(np.load(kept))


@pytest.mark.parametrize("form", FORMATS)
def test_the_recording_in_time_order(pipeline: Recorder, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"events.{form}"
    kept = _write(pipeline, path, [FULL], "SortEvents", block_size=20_000)
    written = read(path)
    assert written.keys() == {column.name for column in (*ALWAYS, *SORTED)}
    for column in (*ALWAYS, *SORTED):
        assert written[column.name].dtype == np.dtype(column.dtype)
        assert written[column.name].tolist() == kept[column.name].tolist(), column.name
    assert len(written["time"]) == 24_598
    told = pipeline.reported
    assert (told("WriteEvents", "events"), told("WriteEvents", "events_written")) == (24_598, 24_598)
    assert told("WriteEvents", "full_file_name") == str(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, tmp_path / f"events.{form}.json", tmp_path / "kept.npz"])
    assert told("WriteEvents", "bytes_written") == path.stat().st_size
    _tells_what_it_is(path)


def test_the_sidecar_of_parquet_has_its_metadata_with_size_and_checksum(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    file = new_file(path, "parquet", {"run_id": 7})
    file.write(random_events(variant(500, 34688), 3000, 0))
    file.finish({"run_id": 7, "events": 3000})
    content = path.read_bytes()
    about = json.loads(path.with_name("e.parquet.json").read_text())
    assert about == read_about(path) | {
        "file": "e.parquet",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert file.complete == [CompleteFile(path, about["bytes"], about["sha256"])]


def _header_last(path: Path) -> str:
    """The checksum of an npy file, by numpy's own idea of where the header ends."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        begin = file.tell()
    content = path.read_bytes()
    return hashlib.sha256(content[begin:] + content[:begin]).hexdigest()


@pytest.mark.parametrize("widened", [False, True])
def test_npy_files_have_their_checksums_also_with_holes_more_columns_and_a_disk_that_was_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, widened: bool
) -> None:
    path, plain = tmp_path / "e.npy", variant(500, 34688)
    file = new_file(path, "npy", {"run_id": 7})
    full = random_events(variant(250, 46540), 100, 0)
    file.write({name: full[name] for name in (*(c.name for c in ALWAYS),)} if widened else full)
    file.write(random_events(plain, 3000, 0))
    _refuse_once(monkeypatch)
    with pytest.raises(Error, match="No space"):
        file.write(full)
    file.flush()
    file.write(random_events(plain, 50, 0))
    file.finish({"run_id": 7})
    assert [each.path.name for each in file.complete] == ["e.npy", "e.extra.npy", "e.traces.npy"]
    for each in file.complete:
        assert (each.sha256, each.header_last) == (_header_last(each.path), True)
    about = json.loads((tmp_path / "e.npy.json").read_text())
    told = {about["file"]: about, **about["files"]}
    assert {name: (each["bytes"], each["sha256_header_last"]) for name, each in told.items()} == {
        each.path.name: (each.bytes, each.sha256) for each in file.complete
    }
    assert np.load(path).size == np.load(tmp_path / "e.extra.npy").size == 3250


def _refuse_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when the third file is written to: what went to the others before is taken back."""
    write, left = os.pwrite, [3]

    def pwrite(descriptor: int, data: Any, offset: int) -> int:
        left[0] -= 1
        if not left[0]:
            raise OSError(28, "No space left on device")
        return write(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)


def test_the_files_of_a_run_are_told_once_they_are_complete(pipeline: Recorder, tmp_path: Path) -> None:
    path, row = tmp_path / "e.npy", variant(250, 46540)
    encode(random_events(row, 300, 0), row).tofile(tmp_path / "mod0.bin")
    _write(pipeline, path, [tmp_path / "mod0.bin"], adc_mhz=[250], firmware_revision=[46540])
    written = [path, tmp_path / "e.extra.npy", tmp_path / "e.traces.npy"]
    listed = json.loads(pipeline.reported("WriteEvents", "run_files"))
    assert listed == [
        {"file": str(file), "bytes": file.stat().st_size, "sha256_header_last": _header_last(file)} for file in written
    ]
    assert pipeline.reported("WriteEvents", "files_complete") == 3


def read_about(path: Path) -> dict[str, Any]:
    """The metadata of a file of events."""
    if path.suffix == ".npy":
        return json.loads(path.with_name(path.name + ".json").read_text())
    return json.loads(pq.read_metadata(path).metadata[b"pixieioc"])


def _tells_what_it_is(path: Path) -> None:
    about = read_about(path)
    if path.suffix == ".parquet":
        assert pq.read_schema(path).field("time").metadata[b"unit"] == b"ns"
    assert about["software"].startswith("pixieioc ")
    assert (about["events"], about["items_discarded"]) == (24_598, 0)
    assert (about["first_time"], about["last_time"]) == (1_170_569_551_910, 1_180_572_322_710)
    nothing = {"run_id": None, "start_time": None, "end_time": None}  # is known of the run that the recording is of
    assert (about["runs"], {name: about[name] for name in nothing}) == ([nothing], nothing)
    assert about["configuration"]["LoadFiles"]["files"] == [str(FULL)]
    assert about["configuration"]["ConvertToEvents"]["firmware_revision"] == [34688]
    assert about["columns"]["cfd"]["unit"] == "ns"
    assert list(about["columns"]) == [column.name for column in (*ALWAYS, *SORTED)]
    assert about["written"]["run_id"] == 1
    assert about["written"]["start_time"] <= about["written"]["end_time"]


@pytest.mark.parametrize("form", FORMATS)
def test_every_field_of_every_variant(pipeline: Recorder, tmp_path: Path, form: str) -> None:
    layouts = [variant(100, 17562), variant(250, 46540), variant(500, 34688)]
    files = []
    for module, row in enumerate(layouts):
        files.append(tmp_path / f"mod{module}.bin")
        encode(random_events(row, 300, module), row).tofile(files[-1])
    settings = {"adc_mhz": [100, 250, 500], "firmware_revision": [17562, 46540, 34688], "reset_time": 1e6}
    kept = _write(pipeline, tmp_path / f"all.{form}", files, "SortEvents", block_size=3000, **settings)
    assert trace_list(kept) != [[]] * 900
    assert rows([read(tmp_path / f"all.{form}")]) == rows([kept])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("samples", [1 << 22, 100, 1])
def test_large_blocks_are_written_in_pieces(
    tmp_path: Path, form: str, samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_files, "GROUP_SAMPLES", samples)
    monkeypatch.setattr(event_files, "GROUP_EVENTS", 150)
    given = random_events(variant(500, 34688), 500, 1)
    file = new_file(tmp_path / f"events.{form}", form)
    file.write(ev.take(given, slice(0, 400)))
    file.write(ev.take(given, slice(400, None)))
    file.finish({})
    assert rows([read(tmp_path / f"events.{form}")]) == rows([given])


@pytest.mark.parametrize("form", FORMATS)
def test_optional_blocks_may_begin_and_end_anywhere(tmp_path: Path, form: str) -> None:
    row = variant(500, 34688)
    plain = random_events(row, 50, 1, parts=0, traces=False)
    without = {name: plain[name] for name in (c.name for c in ev.BASE_COLUMNS)}
    blocks = random_events(row, 70, 2, parts=7, traces=False)
    traces = random_events(row, 60, 3)
    given = [without, {**blocks, ev.TRACES: np.empty(0, "<u2")}, without, traces, without]
    file = new_file(tmp_path / f"events.{form}", form)
    for events in given:
        file.write(events)
    file.finish({})
    assert file.events == 280
    assert rows([read(tmp_path / f"events.{form}")]) == rows(given)


def test_what_an_event_does_not_have_is_null(tmp_path: Path) -> None:
    file = new_file(tmp_path / "events.parquet", "parquet")
    file.write(random_events(variant(500, 34688), 10, 1, parts=2, traces=False))
    file.finish({})
    file = new_file(tmp_path / "mixed.parquet", "parquet")
    file.write(random_events(variant(500, 34688), 10, 1, parts=2, traces=False))
    file.write(random_events(variant(500, 34688), 5, 2, parts=1, traces=False))
    file.finish({})
    assert _nulls(tmp_path / "events.parquet") == {"parts": 0, "esum": 0, "baseline": 0}
    assert _nulls(tmp_path / "mixed.parquet") == {"parts": 0, "ets": 10, "esum": 5, "baseline": 5}


def _nulls(path: Path) -> dict[str, int]:
    """How often the optional columns that are in a file are null."""
    table = pq.read_table(path)
    return {name: table[name].null_count for name in table.column_names if name not in {c.name for c in ALWAYS}}


def _blocks(*, sort: bool = False) -> list[Events]:
    """Blocks of events with more and more columns, and then with the first ones again."""
    row = variant(500, 34688)
    plain = random_events(row, 50, 1, parts=0, traces=False)
    plain = {name: plain[name] for name in (c.name for c in ev.BASE_COLUMNS)}
    given = [
        plain,
        random_events(row, 40, 2, parts=2, traces=False),
        random_events(row, 30, 3, parts=4, traces=False),
        random_events(row, 20, 4, parts=0),
        random_events(row, 10, 5),
        plain,
    ]
    if sort:
        for number, events in enumerate(given):
            events["chunk_timestamp"] = number + np.arange(ev.size(events)) / 100
    return given


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("group", [1, 45, 1 << 18])
def test_later_blocks_may_have_more_columns(
    tmp_path: Path, form: str, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_files, "GROUP_EVENTS", group)
    given = _blocks(sort=True)
    file = new_file(tmp_path / f"events.{form}", form)
    for events in given:
        file.write(events)
    file.finish({})
    back = read(tmp_path / f"events.{form}")
    assert rows([back]) == rows(given)
    stamps = np.concatenate([events["chunk_timestamp"] for events in given])
    assert back["chunk_timestamp"].tolist() == stamps.tolist()
    assert {column.name for column in file.columns} >= {"parts", "ets", "esum", "baseline", "qdc", "trace_length"}
    assert not [path.name for path in tmp_path.iterdir() if ".part" in path.name]


@pytest.mark.parametrize(
    ("parts", "traces", "columns"),
    [
        (0, False, []),
        (1, False, ["parts", "ets"]),
        (2, False, ["parts", "esum", "baseline"]),
        (4, False, ["parts", "qdc"]),
        (0, True, ["trace_length", "trace"]),
    ],
)
@pytest.mark.parametrize("form", FORMATS)
def test_a_file_has_the_columns_that_its_events_have(
    tmp_path: Path, form: str, parts: int, traces: bool, columns: list[str]
) -> None:
    file = new_file(tmp_path / f"events.{form}", form)
    given = random_events(variant(500, 34688), 100, 1, parts=parts, traces=traces)
    file.write(given)
    file.finish({})
    start = ["trace_start"] * (traces and form == "npy")
    assert [column.name for column in file.columns] == [column.name for column in ALWAYS] + start + columns
    if form == "parquet":
        # As long in memory as in the records, but for the bits that Arrow adds to what may be null.
        table = pq.read_table(tmp_path / "events.parquet")
        plain = sum(np.dtype(c.dtype).itemsize * max(1, c.width) for c in file.columns if c.name != "trace")
        samples = 2 * int(given["trace_length"].sum(dtype=int)) + 4 * 101 * traces
        assert table.nbytes <= 100 * plain + samples + 16 * len(columns)
    assert rows([read(tmp_path / f"events.{form}")]) == rows([given])


@pytest.mark.parametrize("form", FORMATS)
def test_unix_times_can_be_left_out(pipeline: Recorder, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"events.{form}"
    _write(pipeline, path, [FULL], "SortEvents", chunk_timestamp=False)
    assert list(read(path)) == [*(column.name for column in ALWAYS), "period"]
    if form == "parquet":
        pipeline.configure({"file": str(tmp_path / "all.parquet"), "chunk_timestamp": True})
        pipeline.run_through()
        whole = tmp_path / "all.parquet"
        group = pq.read_metadata(whole).row_group(0)
        [stamps] = [group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema in STAMPS]
        assert whole.stat().st_size - path.stat().st_size >= stamps.total_compressed_size


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("more", [0, 8192, 400_000])  # for a file with more columns there is no room; or there is
def test_a_disk_that_is_full_while_columns_are_added(
    tmp_path: Path, form: str, more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_files, "GROUP_EVENTS", 1000)
    plain = random_events(variant(500, 34688), 5000, 1, parts=0, traces=False)
    plain = {column.name: plain[column.name] for column in ALWAYS}
    stamped = ev.concatenate([{**plain, "chunk_timestamp": np.random.default_rng(1).random(5000)}] * 10)
    with tmpfs(tmp_path / "small", "2m") as small:
        file = new_file(small / f"events.{form}", form, {"notes": "n" * 5000})
        file.write(plain)
        free = os.statvfs(small)
        (small / "filler").write_bytes(bytes(free.f_bavail * free.f_bsize - more))
        with pytest.raises(Error, match=rf"cannot write .*/events\.{form}: No space left on device"):
            file.write(stamped)
        assert _rescued(file, small / f"events.{form}", ev.concatenate([plain, stamped])) >= 5000


@pytest.mark.parametrize(
    ("name", "form", "found"),
    [("a.parquet", None, "parquet"), ("a.PQ", None, "parquet"), ("a.npy", "npy", "npy"), ("a", "npy", "npy")],
)
def test_the_format_is_that_of_the_name(name: str, form: str | None, found: str) -> None:
    assert format_of(Path(name), form) == found


@pytest.mark.parametrize(
    ("name", "form", "says"),
    [
        ("a.root", None, r"a.root: the name of a file of events must end with .parquet or .pq or .npy"),
        ("a", None, r"must end with .parquet or .pq or .npy"),
        ("a.root", "parquet", r"of the format parquet must end with .parquet or .pq$"),
        ("a.npy", "parquet", r"of the format parquet must end with"),
        ("a.parquet", "npy", r"of the format npy must end with .npy"),
    ],
)
def test_other_names_are_refused(name: str, form: str | None, says: str) -> None:
    with pytest.raises(Error, match=says):
        format_of(Path(name), form)


def test_a_task_refuses_a_name_that_no_format_has(pipeline: Recorder, tmp_path: Path) -> None:
    pipeline.chain_of("LoadFiles", "ConvertToEvents", "WriteEvents")
    with pytest.raises(Refused, match=r"WriteEvents: .*events.root: the name of a file of events must end with"):
        pipeline.configure({"file": str(tmp_path / "events.root")})
    pipeline.configure({"files": [str(FULL)], "file": str(tmp_path / "events.npy")})  # with the format parquet
    with pytest.raises(Error, match="events.npy: the name of a file of events of the format parquet must end with"):
        pipeline.start()
    pipeline.wait(60)


@pytest.mark.parametrize("form", FORMATS)
def test_no_events_are_a_file_too(tmp_path: Path, form: str) -> None:
    file = new_file(tmp_path / f"events.{form}", form)
    file.finish({})
    assert len(read(tmp_path / f"events.{form}")["time"]) == 0


def test_each_run_has_a_file_of_its_own(pipeline: Recorder, tmp_path: Path) -> None:
    _write(pipeline, tmp_path / "run{run}.npy", [FULL])
    pipeline.run_through()
    assert [len(np.load(tmp_path / f"run00000{run}.npy")) for run in (1, 2)] == [24_598, 24_598]


@pytest.mark.parametrize(
    ("form", "there"),
    [
        ("parquet", "events.parquet"),
        ("parquet", "events.parquet.part"),
        ("npy", "events.npy"),
        ("npy", "events.npy.json"),
        ("npy", "events.extra.npy"),
        ("npy", "events.traces.npy"),
    ],
)
def test_nothing_is_overwritten(tmp_path: Path, form: str, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(Error, match=f"{there} exists already"):
        new_file(tmp_path / f"events.{form}", form)
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_a_start_that_would_overwrite_is_refused(pipeline: Recorder, tmp_path: Path) -> None:
    (tmp_path / "events.npy").touch()
    pipeline.chain_of("LoadFiles", "ConvertToEvents", "WriteEvents")
    pipeline.configure({"files": [str(FULL)], "file": str(tmp_path / "events.npy"), "format": "npy"})
    with pytest.raises(Error, match="events.npy exists already; nothing is overwritten"):
        pipeline.start()
    pipeline.wait(60)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"cannot make .*/nowhere/events.npy.part: No such file"):
        new_file(tmp_path / "nowhere" / "events.npy", "npy")


@contextmanager
def _disk_of(size: int) -> Iterator[None]:
    """No file can become larger than that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _rescued(file: EventFile, path: Path, given: Events) -> int:
    """How many of the events that were given are in the complete file, in which the disk's room has been enough."""
    rest = ev.concatenate(file.rescue(lambda: {"events": file.events, "notes": "n" * 5000}))
    back, about = read(path), read_about(path)
    count = ev.size(back)
    assert about["events"] == file.events == count
    assert (file.first_time, file.last_time) == (back["time"][0], back["time"][-1])
    assert rows([back, rest]) == rows([given])
    assert not [found.name for found in path.parent.iterdir() if ".part" in found.name]
    return count


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [250_000, 300_000, 400_000])
def test_a_full_disk_has_complete_files_with_what_it_has_taken(
    tmp_path: Path, form: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_files, "GROUP_EVENTS", 1000)
    given = ev.concatenate([random_events(variant(500, 34688), 1000, seed, traces=False) for seed in range(20)])
    with tmpfs(tmp_path / "small", f"{size // 4096 * 4}k") as small:
        file = new_file(small / f"events.{form}", form, {"notes": "n" * 5000})
        with pytest.raises(Error, match=rf"cannot write .*/events\.(extra\.)?{form}: No space left on device"):
            file.write(ev.concatenate([given] * 5))
        assert _rescued(file, small / f"events.{form}", ev.concatenate([given] * 5)) >= 1000


@pytest.mark.parametrize("form", FORMATS)
def test_a_disk_that_takes_nothing_has_no_file(tmp_path: Path, form: str) -> None:
    file = new_file(tmp_path / f"events.{form}", form)
    given = random_events(variant(500, 34688), 500, 1)
    with _disk_of(1), pytest.raises(Error, match="cannot write"):  # noqa: PT012
        file.write(given)
        file.flush()
    with _disk_of(1):
        rest = file.rescue(lambda: pytest.fail("nothing is to be described"))
    assert rows(rest) == rows([given])
    assert (file.size, file.events, list(tmp_path.iterdir())) == (0, 0, [])


def test_what_is_no_event_fails_the_task_and_leaves_no_file(pipeline: Recorder, tmp_path: Path) -> None:
    pipeline.chain_of("LoadFiles", "WriteEvents")
    pipeline.configure({"files": [str(FULL)], "file": str(tmp_path / "events.parquet")})
    pipeline.start()
    assert pipeline.wait(60) is Status.PANICKING
    assert str(pipeline.errors[0]).startswith("WriteEvents needs events (put ConvertToEvents before it)")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, form: str) -> None:
    block = random_events(variant(500, 34688), 100_000, 1, parts=0, traces=False)
    block = {name: block[name] for name in (c.name for c in ALWAYS) if name in block}
    process, file = psutil.Process(), new_file(tmp_path / f"events.{form}", form)
    used: list[int] = []
    for _ in range(40):
        file.write({name: column.copy() for name, column in block.items()})
        used.append(process.memory_info().rss)
    file.finish({})
    assert file.events == 4_000_000  # 108 MB of columns
    assert file.size == (tmp_path / f"events.{form}").stat().st_size
    assert max(used[20:]) - max(used[:20]) < 20e6


@pytest.mark.parametrize(
    ("there", "form", "ready"),
    [
        ("events_run000007.parquet", "parquet", False),
        ("events_run000007.parquet.part", "parquet", False),
        ("events_run000008.parquet", "parquet", True),
        ("events_run000007.npy.json", "parquet", True),
        ("events_run000007.npy.json", "npy", False),
        ("events_run000007.traces.npy", "npy", False),
    ],
)
def test_a_run_is_not_ready_while_a_file_of_its_names_is_there(
    tmp_path: Path, there: str, form: str, ready: bool
) -> None:
    (tmp_path / there).touch()
    settings = {"file": f"{tmp_path}/events_run{{run}}.{form}", "format": form, "second_file_path": ""}
    problems = list(WriteEvents.do_ready(settings, 7))
    assert [there in problem for problem in problems] == ([] if ready else [True])


def test_a_run_is_not_ready_while_the_folder_of_its_files_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    settings = {"file": f"{folder}/run{{run}}.npy", "format": "npy", "second_file_path": ""}
    assert list(WriteEvents.do_ready(settings, 7)) == [f"there is no folder {folder}"]
    assert list(WriteEvents.do_ready({**settings, "second_file_path": str(tmp_path)}, 7)) == []
    folder.mkdir()
    assert list(WriteEvents.do_ready(settings, 7)) == []
