from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixieioc.listmode.encode import encode
from pixieioc.listmode.variant import variant
from pixieioc.pipeline import Refused, Status
from tests.conftest import DATA
from tests.listmode.samples import random_events, rows
from tests.recorder import Recorder

FULL = DATA / "pixie16_binary_data-full.bin"


def _convert(pipeline: Recorder, tmp_path: Path, files: list[Path], **parameters: Any) -> dict[str, np.ndarray]:
    pipeline.chain_of("LoadFiles", "ConvertToEvents", "KeepEvents")
    pipeline.configure({"files": [str(f) for f in files], "keep_in": str(tmp_path / "kept.npz"), **parameters})
    pipeline.run_through()
    return dict(np.load(tmp_path / "kept.npz"))


@pytest.mark.parametrize("block_size", [524_288, 1000, 333])
def test_records_may_be_cut_by_blocks(pipeline: Recorder, tmp_path: Path, block_size: int) -> None:
    events = _convert(pipeline, tmp_path, [FULL], block_size=block_size)
    assert len(events["time"]) == 24_598
    assert pipeline.reported("ConvertToEvents", "events") == 24_598
    assert events["energy"].astype(int).sum() == 351_344_482
    assert pipeline.reported("ConvertToEvents", "corrupt_regions") == 0


def test_modules_of_different_variants_in_one_crate(pipeline: Recorder, tmp_path: Path) -> None:
    layouts = [variant(100, 17562), variant(250, 46540), variant(500, 34688)]
    given = [random_events(row, 200, seed) for seed, row in enumerate(layouts)]
    files = []
    for module, (events, row) in enumerate(zip(given, layouts, strict=True)):
        events["module"][:] = module
        files.append(tmp_path / f"mod{module}.bin")
        encode(events, row).tofile(files[-1])
    back = _convert(
        pipeline, tmp_path, files, block_size=3000, adc_mhz=[100, 250, 500], firmware_revision=[17562, 46540, 34688]
    )
    assert sorted(rows([back])) == sorted(rows(given))


def test_a_block_is_one_message_also_with_traces_of_several_modules(pipeline: Recorder, tmp_path: Path) -> None:
    given = [random_events(variant(500, 34688), 200, seed, traces=True) for seed in range(2)]
    for module, events in enumerate(given):
        events["module"][:] = module
        encode(events, variant(500, 34688)).tofile(tmp_path / f"mod{module}.bin")
    back = _convert(pipeline, tmp_path, [tmp_path / "*.bin"], block_size=3000)
    assert sorted(rows([back])) == sorted(rows(given))
    words, events = (pipeline.reported(task, "messages_out") for task in ("LoadFiles", "ConvertToEvents"))
    assert events <= words  # the beginning of the run is a message of words, the last records are one of events


def test_corruption_is_counted_and_told(pipeline: Recorder, tmp_path: Path) -> None:
    words = np.fromfile(FULL, "<u4")
    broken = np.concatenate([words[:400], np.zeros(5, np.uint32), words[400:-2]])
    broken.tofile(tmp_path / "broken.bin")
    events = _convert(pipeline, tmp_path, [tmp_path / "broken.bin"], block_size=1000)
    assert len(events["time"]) == 24_597
    told = pipeline.reported
    assert (told("ConvertToEvents", "corrupt_regions"), told("ConvertToEvents", "bytes_lost")) == (1, 20)
    assert told("ConvertToEvents", "bytes_left_over") == 8
    assert ("ConvertToEvents", "module 0: 20 bytes broken at byte 1600 of this run") in pipeline.heard_prints


@pytest.mark.parametrize("block_size", [1000, 100_000, 4_000_000])
def test_a_broken_region_is_printed_once_and_with_its_whole_length(
    pipeline: Recorder, tmp_path: Path, block_size: int
) -> None:
    words = np.fromfile(FULL, "<u4")
    nothing = np.zeros(5000, np.uint32)
    np.concatenate([words[:400], nothing, words[400:800], nothing[:7]]).tofile(tmp_path / "broken.bin")
    _convert(pipeline, tmp_path, [tmp_path / "broken.bin"], block_size=block_size)
    assert pipeline.reported("ConvertToEvents", "corrupt_regions") == 2
    text = [text for task, text in pipeline.heard_prints if task == "ConvertToEvents" and "broken" in text]
    first, last = "module 0: 20000 bytes broken at byte 1600 of this run", "28 bytes broken at byte 23200 of this run"
    if block_size > 30_000:
        assert text == [f"{first}, and 1 more region after it"] or text == [first, f"module 0: {last}"]
    else:
        assert text == [first, f"module 0: {last}"]


def test_every_run_begins_anew(pipeline: Recorder, tmp_path: Path) -> None:
    (tmp_path / "cut.bin").write_bytes(FULL.read_bytes()[: 16 * 100 + 8])
    pipeline.chain_of("LoadFiles", "ConvertToEvents", "KeepEvents")
    pipeline.configure({"files": [str(tmp_path / "cut.bin")], "keep_in": str(tmp_path / "kept.npz")})
    for _ in range(2):
        pipeline.run_through()
        assert pipeline.reported("ConvertToEvents", "events") == 100
        assert pipeline.reported("ConvertToEvents", "bytes_left_over") == 8


def test_channels_without_cfd(pipeline: Recorder, tmp_path: Path) -> None:
    events = _convert(pipeline, tmp_path, [FULL], cfd_off=["0:9"])
    assert (events["cfd"][events["channel"] == 9] == 0).all()
    assert (events["flags"][events["channel"] == 9] & 4 == 4).all()
    assert (events["cfd"][events["channel"] == 10] != 0).any()


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"adc_mhz": [125]}, "module 0: ADC rate 125 MHz: must be one of"),
        ({"adc_mhz": [500, 250], "firmware_revision": [34688, 20000]}, "module 1: firmware revision 20000"),
        ({"adc_mhz": [500, 250], "firmware_revision": [34688, 34688, 34688]}, "adc_mhz has values for 2 modules only"),
        ({"adc_mhz": []}, "adc_mhz has values for 0 modules only"),
        ({"cfd_off": ["3"]}, "cfd_off: '3' must be module:channel"),
        ({"cfd_off": ["0:32"]}, "channel 0 to 31"),
    ],
)
def test_bad_settings_are_refused(pipeline: Recorder, config: dict[str, Any], says: str) -> None:
    pipeline.create_task("ConvertToEvents")
    with pytest.raises(Refused, match=says):
        pipeline.configure(config)


@pytest.mark.parametrize(
    ("chain", "says"),
    [
        (["Mumble", "ConvertToEvents"], "ConvertToEvents needs list-mode words .* not a str"),
        (
            ["LoadFiles", "SortEvents"],
            r"SortEvents needs events \(put ConvertToEvents before it\), not list-mode words",
        ),
        (["LoadFiles", "ConvertToEvents", "GatherData"], "GatherData needs list-mode words .* not events"),
    ],
)
def test_a_chain_in_the_wrong_order_says_so(pipeline: Recorder, chain: list[str], says: str) -> None:
    pipeline.chain_of(*chain)
    if "LoadFiles" in chain:
        pipeline.configure({"files": [str(FULL)]})
    pipeline.start()
    assert pipeline.wait(60) is Status.PANICKING
    with pytest.raises(Exception, match=says):
        raise pipeline.errors[0]
