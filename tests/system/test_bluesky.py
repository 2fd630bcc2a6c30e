"""Scans with bluesky's RunEngine and generated detectors: good points, and none that is not good.

All faults, with each device: `python -m tests.system.bluesky_faults`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixieioc.devices.files import check, read
from tests.running_ioc import ioc_folder
from tests.system.bluesky_faults import LONG, Scans, judged, one_fault
from tests.system.scanned_ioc import scanned_ioc
from tests.system.scanner import Outcome, Scanner
from tests.system.tiled_catalogue import catalogue, written

#: Both devices, both protocols; ophyd-async over Channel Access is what the page about bluesky shows.
TRIED = ("ophyd-async pva", "ophyd ca")


@pytest.fixture(scope="module")
def scans() -> Iterator[tuple[Scans, dict[str, Scanner]]]:
    """An IOC, and a RunEngine with each device."""
    with ioc_folder() as folder, scanned_ioc(folder, TRIED) as (ioc, made):
        for one in made.values():
            one.ready()
        yield Scans(ioc), made


@pytest.mark.parametrize("kind", TRIED)
def test_points_have_their_run_counts_rates_and_files(scans: tuple[Scans, dict[str, Scanner]], kind: str) -> None:
    truth, scanners = scans
    outcome = scanners[kind].run("scan", num=2, seconds=0.2)
    assert (outcome.failed, len(outcome.runs), truth.wrong(outcome)) == ("", 2, [])
    assert outcome.runs[1] == outcome.runs[0] + 1
    data = _of_device(outcome.named("event")[0]["data"], kind)
    assert data["m00_c00", "rate"] == pytest.approx(data["m00_c00", "counts"] / data["elapsed_real",])
    [file] = json.loads(data["raw_files",])
    assert f"run{outcome.runs[0]:06d}" in file["file"]
    _reads_back(outcome, sum(data[f"m00_c0{channel}", "counts"] for channel in range(4)))


def _of_device(data: dict[str, Any], kind: str) -> dict[tuple[str, ...], Any]:
    """By the parts of their names, which each library joins in its way."""
    names = [("elapsed_real",), ("raw_files",)]
    names += [(f"m00_c0{channel}", what) for channel in range(4) for what in ("counts", "rate")]
    joint = "-" if kind.startswith("ophyd-async") else "_"
    return {name: data[joint.join(("det", *name))] for name in names}


def _reads_back(outcome: Outcome, events: float) -> None:
    """The documents name the files, and what is in them is what was counted."""
    found = {resource["data_key"]: resource for resource in outcome.named("stream_resource")[:2]}
    for resource in found.values():
        check(resource)
    assert read(found["det-events"]).num_rows == events
    assert read(found["det-raw"])[0].nbytes == found["det-raw"]["parameters"]["files"][0]["bytes"]


@pytest.mark.filterwarnings("ignore")  # those of tiled's dependencies
def test_tiled_has_the_words_and_events_of_all_points(scans: tuple[Scans, dict[str, Scanner]], tmp_path: Path) -> None:
    pytest.importorskip("tiled.server", reason="needs tiled: pip install pixieioc[tiled]")
    pytest.importorskip("bluesky_tiled_plugins", reason="needs its plug-ins: pip install pixieioc[tiled]")
    outcome = scans[1]["ophyd-async pva"].run("scan", num=3, seconds=0.2)
    with catalogue(tmp_path, scans[0].ioc.folder) as client:
        run = written(client, outcome.documents)["primary"]
        raw, events = run["det-raw"], run["det-events"]
        entries = [json.loads(event["data"]["det-raw_files"]) for event in outcome.named("event")]
        files = [entry for of_point in entries for entry in of_point]
        assert raw.read().tobytes() == b"".join(Path(entry["file"]).read_bytes() for entry in files)
        assert [entry["run_id"] for entry in raw.metadata["files"]] == outcome.runs
        table = read(next(one for one in outcome.named("stream_resource") if one["data_key"] == "det-events"))
        first = events.read_block((0,))
        assert (first["time"].tolist(), first["energy"].tolist()) == (
            table["time"].to_pylist(), table["energy"].to_pylist(),
        )  # fmt: skip
        counts = [sum(event["data"][f"det-m00_c0{i}-counts"] for i in range(4)) for event in outcome.named("event")]
        assert list(events.chunks[0]) == counts
        assert run["det-run_id"].read().tolist() == outcome.runs


@pytest.mark.parametrize("kind", TRIED)
def test_a_run_while_something_else_is_done(scans: tuple[Scans, dict[str, Scanner]], kind: str) -> None:
    truth, scanners = scans
    outcome = scanners[kind].run("fly")
    assert (outcome.failed, len(outcome.runs), truth.wrong(outcome)) == ("", 1, [])


@pytest.mark.parametrize("kind", TRIED)
@pytest.mark.parametrize("fault", ["Stop", "killed task"])
def test_a_run_that_ends_badly_fails_the_plan_with_its_reason(
    scans: tuple[Scans, dict[str, Scanner]], kind: str, fault: str
) -> None:
    truth, scanners = scans
    assert one_fault(truth, scanners[kind], kind, fault).problems == []


@pytest.mark.parametrize("kind", TRIED)
def test_a_plan_that_is_aborted_leaves_no_run_on(scans: tuple[Scans, dict[str, Scanner]], kind: str) -> None:
    truth, scanners = scans
    start, done = truth.in_run(lambda: scanners[kind].order(abort=True))
    outcome = scanners[kind].run("count", start, num=2, seconds=LONG)
    assert judged(truth, kind, "RE.abort", outcome, done[0], "aborted", 0).problems == []
    assert outcome.failed == "aborted"  # and nothing in its place, as the failure of the trigger that was given up
    assert truth.ioc.get("AcquireBusy") == "Done"
