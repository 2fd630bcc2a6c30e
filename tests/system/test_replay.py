"""examples/replay.toml, driven as a scan script does: over Channel Access, and by nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import DATA
from tests.running_ioc import ROOT, Ioc, ioc_folder, running

EVENTS, CHANNEL_9, CHANNEL_10 = 24_598, 12_105, 12_493
KNOWS_EVENTS = ("ConvertToEvents", "SortEvents", "GatherEvents", "FillSpectra")
WHOLE = [str(DATA / "pixie16_binary_data-full.bin")]
PARTS = [str(DATA / f"pixie16_binary_data-0{i}.bin") for i in range(5)]
SHA256 = "164edd26"  # the recording's begins so; the whole is computed from it


@pytest.fixture(scope="module")
def replay() -> Iterator[Ioc]:
    """The example as it is."""
    with (
        ioc_folder() as folder,
        running(Ioc(folder, "run", ROOT / "examples" / "replay.toml")) as ioc,
    ):
        yield ioc


@pytest.fixture(scope="module")
def shared_keeping() -> Iterator[tuple[Ioc, str]]:
    """The example with one more task, which keeps the sorted events in a file."""
    example = (ROOT / "examples" / "replay.toml").read_text()
    chain = example.replace('"SortEvents", ', '"SortEvents", "KeepEvents", ')
    assert chain != example
    with ioc_folder() as folder:
        config = folder / "keeping.toml"
        config.write_text(
            chain.replace("[pipeline]", '[pipeline]\nimports = ["tests.tasks.collector"]').replace(
                "data/pixie16_binary_data-full.bin", WHOLE[0]
            )
        )
        with running(Ioc(folder, "run", config)) as ioc:
            ioc.put("ConfigJSON", json.dumps({"KeepEvents": {"keep_in": str(folder / "kept.npz")}}))
            yield ioc, ioc.get("ConfigJSON")


@pytest.fixture
def keeping(shared_keeping: tuple[Ioc, str]) -> Iterator[Ioc]:
    """That, idle and with its own settings."""
    ioc, configuration = shared_keeping
    yield ioc
    ioc.recover(configuration)


def _conserved(tasks: list[str]) -> list[str]:
    return [f"{task}:{name}" for task in tasks for name in ("Dropped_RBV", "Balance_RBV")]


def _numbers(ioc: Ioc) -> dict[str, Any]:
    """All that a run counts."""
    return {
        **{f"{task}:Events_RBV": ioc.get(f"{task}:Events_RBV") for task in KNOWS_EVENTS},
        **{name: ioc.get(name) for name in _conserved(ioc.tasks())},
        "counts": ioc.get("M00:Counts_RBV").tolist(),
        "spectra": [int(ioc.get(f"M00:C{channel:02}:Spectrum_RBV").sum()) for channel in range(16)],
        "bytes": ioc.get("BytesWritten_RBV"),
    }


def _expected(tasks: list[str]) -> dict[str, Any]:
    counts = [0] * 16
    counts[9], counts[10] = CHANNEL_9, CHANNEL_10
    return {
        **{f"{task}:Events_RBV": EVENTS for task in KNOWS_EVENTS},
        **dict.fromkeys(_conserved(tasks), 0),
        "counts": counts,
        "spectra": counts,
        "bytes": 393_568,
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_put_to_acquire_answers_after_the_run_with_all_numbers_right(replay: Ioc) -> None:
    replay.put("Acquire", 1)
    assert _numbers(replay) == _expected(replay.tasks())
    assert replay.get("RunEndReason_RBV") == "Source end"
    assert replay.get("DetectorState_RBV") == "Idle"
    assert replay.get("Progress_RBV") == 100


def test_the_saved_file_is_the_input_and_its_sidecar_tells_what_it_is(replay: Ioc) -> None:
    replay.put("Acquire", 1)
    saved = Path(replay.get("FullFileName_RBV"))
    assert saved.parent == replay.folder / "pixieioc-data"
    assert _sha256(saved) == _sha256(Path(WHOLE[0]))
    assert _sha256(saved).startswith(SHA256)
    assert not list(saved.parent.glob("*.part"))
    about = json.loads(saved.with_name(saved.name + ".json").read_text())
    assert about["run_id"] == replay.get("RunId_RBV")
    assert f"run{about['run_id']:06}" in saved.name
    assert (about["bytes"], about["module"]) == (393_568, 0)
    assert about["sha256"] == _sha256(saved)
    assert about["start_time"] <= about["end_time"]
    assert about["configuration"]["LoadFiles"]["files"] == WHOLE


AWKWARD = {
    "one file": {"LoadFiles": {"files": WHOLE}},
    "five part files": {"LoadFiles": {"files": PARTS}},
    "records cut by blocks": {"LoadFiles": {"files": WHOLE, "block_size": 1004}},
    "words cut by blocks": {"LoadFiles": {"files": PARTS, "block_size": 333}, "GatherData": {"bucket_size": 4}},
    "small chunks": {"LoadFiles": {"files": PARTS, "block_size": 10_007}, "GatherEvents": {"chunk_size": 7}},
}


@pytest.mark.parametrize("configuration", AWKWARD.values(), ids=AWKWARD)
def test_sorted_events_are_a_permutation_of_the_input_in_time_order(
    keeping: Ioc, configuration: dict[str, dict[str, object]]
) -> None:
    keeping.put("ConfigJSON", json.dumps(configuration))
    keeping.put("Acquire", 1)
    assert _numbers(keeping) == _expected(keeping.tasks())
    assert keeping.get("SortEvents:REPORT:LateEvents_RBV") == 0
    assert _sha256(Path(keeping.get("FullFileName_RBV"))) == _sha256(Path(WHOLE[0]))
    kept = np.load(keeping.folder / "kept.npz")
    in_order = np.lexsort((kept["cfd"], kept["time"]))
    assert np.array_equal(kept["time"], kept["time"][in_order])
    # Straight from the words, by the layout of the record's header and by nothing of ours.
    words = np.fromfile(WHOLE[0], "<u4").reshape(-1, 4)
    ticks = words[:, 1].astype(np.int64) | (words[:, 2] & 0xFFFF).astype(np.int64) << 32
    truth = np.stack([10 * ticks, words[:, 0] & 0xF, words[:, 0] >> 4 & 0xF, words[:, 3] & 0xFFFF])
    found = np.stack([kept["time"], kept["channel"], kept["slot"], kept["energy"]]).astype(np.int64)
    assert np.array_equal(_as_a_set(found), _as_a_set(truth))


def _as_a_set(rows: np.ndarray) -> np.ndarray:
    return rows[:, np.lexsort(rows)]


def test_fifty_runs_in_the_same_processes_give_the_same_numbers_and_nothing_grows(replay: Ioc) -> None:
    expected = _expected(replay.tasks())
    processes = replay.processes()
    sizes: list[list[tuple[float, int]]] = []
    sockets: list[set[Path]] = []
    first = int(replay.get("RunId_RBV"))
    for run in range(1, 51):
        replay.put("Acquire", 1)
        assert _numbers(replay) == expected
        assert replay.get("RunId_RBV") == first + run
        if run in (20, 50):  # by then everything that is made once has been made
            sizes.append([(process.memory_info().rss / 1e6, process.num_fds()) for process in processes])
            sockets.append(set(replay.folder.parent.glob("pixieioc-*/*")))
    assert replay.processes() == processes
    for process, (memory, files), (memory_later, files_later) in zip(processes, *sizes, strict=True):
        assert memory_later < memory + 3, process
        # A descriptor more or less is a poll that was just going on.
        assert files_later <= files + 1, process
    assert sockets[0] == sockets[1]
