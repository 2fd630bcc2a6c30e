"""The files of a run as documents, and read back from them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixieioc.devices.documents import NPY, PARQUET, RAW, Assets
from pixieioc.devices.files import FilesChanged, check, place_of, read
from pixieioc.devices.rates import Rates


def _entry(path: Path, content: bytes, **more: Any) -> dict[str, Any]:
    path.write_bytes(content)
    return {"file": str(path), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), **more}


def _resource(kind: str, *files: dict[str, Any]) -> dict[str, Any]:
    assets = Assets("det")
    assets.add(7, {kind: json.dumps(files)})
    [(_, resource), _] = assets.collect()
    return resource


def test_each_point_has_a_resource_and_a_datum_for_each_kind_of_files() -> None:
    assets = Assets("det", "daq1")
    files = [{"file": "/data/a b.bin", "bytes": 8, "sha256": "ab"}]
    assets.add(7, {"raw": json.dumps(files), "events": "[]"})
    assets.add(8, {"raw": "[]", "events": "[]"})
    documents = list(assets.collect())
    assert [name for name, _ in documents] == ["stream_resource", "stream_datum"] * 4
    resource, datum = documents[0][1], documents[1][1]
    assert (resource["uri"], resource["mimetype"]) == ("file://daq1/data/a%20b.bin", RAW)
    assert resource["parameters"] == {"run_id": 7, "files": files}
    assert (datum["stream_resource"], datum["indices"]) == (resource["uid"], {"start": 0, "stop": 1})
    assert [content["indices"]["start"] for name, content in documents if name == "stream_datum"] == [0, 0, 1, 1]
    assert list(assets.collect()) == []
    assert assets.describe(("raw",), "ca://X").keys() == {"det-raw"}


def test_raw_files_are_read_by_module_those_of_one_in_their_order(tmp_path: Path) -> None:
    words = np.arange(12, dtype="<u4")
    first, second, other = (words[i : i + 4].tobytes() for i in (0, 4, 8))
    resource = _resource(
        "raw",
        _entry(tmp_path / "a.bin", first, module=1),
        _entry(tmp_path / "b.bin", other, module=0),
        _entry(tmp_path / "a_002.bin", second, module=1),
    )
    assert {module: found.tolist() for module, found in read(resource).items()} == {
        0: [8, 9, 10, 11],
        1: list(range(8)),
    }
    check(resource)


def test_files_that_have_changed_are_found(tmp_path: Path) -> None:
    resource = _resource("raw", _entry(tmp_path / "a.bin", b"abcd"))
    (tmp_path / "a.bin").write_bytes(b"abce")
    with pytest.raises(FilesChanged, match="SHA-256"):
        check(resource)
    (tmp_path / "a.bin").write_bytes(b"abc")
    with pytest.raises(FilesChanged, match="3 bytes, not 4"):
        check(resource)


def test_files_of_events_are_read_as_what_they_are(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"energy": [1, 2]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"energy": [3], "more": [4]}), tmp_path / "b.parquet")
    files = [_entry(path, path.read_bytes()) for path in sorted(tmp_path.glob("*.parquet"))]
    resource = _resource("events", *files)
    assert resource["mimetype"] == PARQUET
    assert read(resource)["energy"].to_pylist() == [1, 2, 3]
    assert read(_resource("events")).num_rows == 0
    np.save(tmp_path / "c.npy", np.arange(3))
    resource = _resource("events", {"file": str(tmp_path / "c.npy"), "bytes": (tmp_path / "c.npy").stat().st_size})
    assert resource["mimetype"] == NPY
    assert read(resource)[0].tolist() == [0, 1, 2]
    check(resource)


def test_folders_may_be_elsewhere_here() -> None:
    assert place_of("/data/run/a.bin", {"/data": "/net/daq"}) == Path("/net/daq/run/a.bin")
    assert place_of("/database/a.bin", {"/data": "/net/daq"}) == Path("/database/a.bin")


def test_a_rate_is_counts_by_real_time() -> None:
    rates = Rates("det", ["m00_c00"], "-")
    readings = {"det-elapsed_real": {"value": 0.5}, "det-m00_c00-counts": {"value": 10.0, "timestamp": 3}}
    assert rates.read(readings) == {"det-m00_c00-rate": {"value": 20.0, "timestamp": 3}}
    readings["det-elapsed_real"]["value"] = 0
    assert rates.read(readings)["det-m00_c00-rate"]["value"] == 0
    assert rates.keys == ["det-m00_c00-rate"]
