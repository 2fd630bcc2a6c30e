from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pixieioc.listmode.encode import encode
from pixieioc.listmode.variant import variant
from tests.conftest import DATA
from tests.listmode.samples import random_events
from tests.recorder import Recorder

FULL = DATA / "pixie16_binary_data-full.bin"


def _count(files: list[Path], **parameters: Any) -> dict[str, Any]:
    with Recorder({"CountEvents": parameters}) as pipeline:
        pipeline.chain_of("LoadFiles", "ConvertToEvents", "CountEvents")
        pipeline.configure({"files": [str(file) for file in files], "block_size": 50_000})
        for _ in range(2):  # a run begins anew
            pipeline.run_through()
        return dict(pipeline.processes["CountEvents"].reports)


def test_the_recording() -> None:
    told = _count([FULL])
    assert {name: told[name] for name in ("events", "energy_sum", "pileup", "trace_samples", "events_elsewhere")} == {
        "events": 24_598, "energy_sum": 351_344_482, "pileup": 6, "trace_samples": 0, "events_elsewhere": 0,
    }  # fmt: skip
    assert (told["first_time"], told["last_time"]) == (1_170_569_551_910, 1_180_572_322_710)
    assert told["channel_events"].shape == (1, 16)
    assert told["channel_events"][0, 8:12].tolist() == [0, 12_105, 12_493, 0]
    assert told["channel_energy_sum"].sum() == 351_344_482
    assert told["channel_pileup"].sum() == 6


def test_events_with_traces_of_two_modules(tmp_path: Path) -> None:
    row = variant(500, 34688)
    given = [random_events(row, 500, seed) for seed in range(2)]
    for module, events in enumerate(given):
        encode(events, row).tofile(tmp_path / f"mod{module}.bin")
    told = _count([tmp_path / "mod0.bin", tmp_path / "mod1.bin"], modules=2)
    assert told["events"] == 1000
    assert told["trace_samples"] == sum(int(events["trace_length"].sum()) for events in given) > 0
    assert told["pileup"] == sum(int((events["flags"] & 1).sum()) for events in given) == told["channel_pileup"].sum()
    assert told["first_time"] == min(int(events["time"][0]) for events in given)
    assert told["last_time"] == max(int(events["time"][-1]) for events in given)
    for module, events in enumerate(given):
        sums = np.bincount(events["channel"], weights=events["energy"], minlength=16)
        assert told["channel_energy_sum"][module].tolist() == sums.tolist()


def test_channels_that_are_not_counted_one_by_one() -> None:
    told = _count([FULL], channels=10)
    assert (told["events"], told["energy_sum"], told["events_elsewhere"]) == (24_598, 351_344_482, 12_493)
    assert told["channel_events"].sum() == 12_105
