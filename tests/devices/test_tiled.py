"""What tiled makes of the files of runs, where it is installed."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.devices.documents import RAW, Assets

pytest.importorskip("tiled.server", reason="needs tiled: pip install pixieioc[tiled]")
pytest.importorskip("bluesky_tiled_plugins", reason="needs its plug-ins: pip install pixieioc[tiled]")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of its dependencies

from tiled.ndslice import NDSlice  # noqa: E402  # pyright: ignore[reportMissingImports]
from tiled.utils import ensure_uri  # noqa: E402  # pyright: ignore[reportMissingImports]

from pixieioc.devices.tiled_adapters import EventsAdapter, NpyAdapter, RawAdapter  # noqa: E402
from pixieioc.devices.tiled_writing import Consolidator  # noqa: E402

WORDS = np.arange(30, dtype="<u4")
CUTS = [0, 7, 7, 20, 30]  # the second file is empty


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("raw")
    paths = [folder / f"a {number}.bin" for number in range(len(CUTS) - 1)]
    for path, (begin, end) in zip(paths, pairwise(CUTS), strict=True):
        WORDS[begin:end].tofile(path)
    return RawAdapter.from_uris(*(ensure_uri(path) for path in paths))


_INDEX = st.none() | st.integers(-35, 35)


@given(begin=_INDEX, end=_INDEX, step=st.none() | st.integers(-5, 5).filter(bool))
def test_any_slice_is_that_of_the_whole(raw: Any, begin: int | None, end: int | None, step: int | None) -> None:
    wanted = slice(begin, end, step)
    assert raw.read(NDSlice(wanted)).tolist() == WORDS[wanted].tolist()


def test_a_file_is_a_chunk(raw: Any) -> None:
    assert raw.structure().chunks == ((7, 0, 13, 10),)
    assert raw.read().tolist() == WORDS.tolist()
    assert [raw.read_block((number,)).tolist() for number in range(4)] == [
        WORDS[begin:end].tolist() for begin, end in pairwise(CUTS)
    ]
    assert raw.read(NDSlice(3)) == 3


def test_events_are_structured_arrays_in_both_formats(tmp_path: Path) -> None:
    pq.write_table(pa.table({"time": [1, 2], "trace": [[1], None]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"time": [3, None], "energy_kev": [0.5, None]}), tmp_path / "b.parquet")
    [one, two] = [ensure_uri(tmp_path / name) for name in ("a.parquet", "b.parquet")]
    assert EventsAdapter.from_uris(one, two).read()["time"].tolist() == [1, 2, 3, 0]
    kev = EventsAdapter.from_uris(two, one).read()["energy_kev"]
    assert (kev[0], np.isnan(kev[1:]).all()) == (0.5, True)
    events = np.array([(1, 2), (3, 4)], [("time", "<i8"), ("energy", "<u2")])
    np.save(tmp_path / "c.npy", events)
    assert NpyAdapter.from_uris(ensure_uri(tmp_path / "c.npy")).read().tolist() == events.tolist()


def _resource(path: str, size: int) -> dict[str, Any]:
    assets = Assets("det", "daq1")
    kind = "raw" if path.endswith(".bin") else "events"
    assets.add(7, {kind: json.dumps([{"file": path, "bytes": size}])})
    return next(assets.collect())[1]


def test_files_that_cannot_be_seen_from_here_can_be_downloaded_and_raw_ones_be_read() -> None:
    events = Consolidator(_resource("/not/here.parquet", 800), {}).get_data_source()
    assert (events.structure_family, events.mimetype) == ("bytes", "application/octet-stream")
    raw = Consolidator(_resource("/not/here.bin", 800), {}).get_data_source()
    assert (raw.structure_family, raw.mimetype, raw.structure.shape) == ("array", RAW, (200,))
    assert raw.assets[0].data_uri == "file://daq1/not/here.bin"
