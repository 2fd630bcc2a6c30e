"""Has bluesky's TiledWriter register the files of a scan's points: `register()` once, before the first plan.

TiledWriter knows data of one size per point; what runs write has none. So its table of consolidators gets ours: the
files of all points of a scan become one array of words, and one of events, in which each file is a chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
from bluesky_tiled_plugins.writing.consolidators import (  # pyright: ignore[reportMissingImports]
    CONSOLIDATOR_REGISTRY,
    Patch,
)
from tiled.structures.bytes import BytesStructure  # pyright: ignore[reportMissingImports]
from tiled.structures.core import StructureFamily  # pyright: ignore[reportMissingImports]
from tiled.structures.data_source import Asset, DataSource, Management  # pyright: ignore[reportMissingImports]

from pixieioc.devices.documents import NPY, PARQUET, RAW
from pixieioc.devices.tiled_adapters import EVENTS, WORD, parquet_dtype, structure_of

#: What belongs to events in npy beside the events themselves.
_BESIDE = (".extra.npy", ".traces.npy")


class Consolidator:
    """The files of the points of a scan, of one kind; what TiledWriter asks for.

    Where the first file cannot be seen from here, nobody knows how many events there are: they can be downloaded then.
    """

    def __init__(self, stream_resource: Mapping[str, Any], descriptor: Mapping[str, Any]) -> None:
        self.mimetype = stream_resource["mimetype"]
        self.data_key = stream_resource["data_key"]
        self.assets: list[Asset] = []
        self.metadata: dict[str, Any] = {"files": []}  #: run and module of each file, by the order of the chunks
        self._sizes: list[int] = []
        self._dtype: np.dtype[Any] | None = None
        self._known = True
        self._told = 0
        self.update_from_stream_resource(stream_resource)

    def update_from_stream_resource(self, stream_resource: Mapping[str, Any]) -> None:
        """The files of one more point."""
        parameters = stream_resource["parameters"]
        host = stream_resource["uri"].removeprefix("file://").partition("/")[0]
        for entry in parameters["files"]:
            if entry["file"].endswith(_BESIDE):
                continue
            uri = f"file://{host}{entry['file']}"  # as tiled takes it apart: nothing in it is quoted
            asset = Asset(uri, False, "data_uris", len(self.assets), size=entry["bytes"])
            self.assets.append(asset)
            self.metadata["files"].append({**entry, "run_id": parameters["run_id"]})
            self._look_at(entry)

    def _look_at(self, entry: Mapping[str, Any]) -> None:
        try:
            size, dtype = _KINDS[self.mimetype](Path(entry["file"]), entry["bytes"])
        except OSError:
            self._known = False
        else:
            self._sizes.append(size)
            self._dtype = self._dtype or dtype

    def consume_stream_datum(self, doc: Mapping[str, Any]) -> Patch:
        """A point is complete: what has come with it."""
        before, self._told = self._told, sum(self._sizes) if self._known else len(self.assets)
        return Patch(shape=(self._told - before,), offset=(before,))

    def get_data_source(self) -> DataSource[Any]:
        """What the catalog keeps."""
        known = self._known and self._dtype is not None
        return DataSource(
            structure_family=StructureFamily.array if known else StructureFamily.bytes,
            structure=structure_of(self._sizes, self._dtype) if known and self._dtype else BytesStructure(),
            mimetype=_SHOWN.get(self.mimetype, self.mimetype) if known else "application/octet-stream",
            assets=list(self.assets),
            management=Management.external,
        )


def _of_npy(path: Path, _: int) -> tuple[int, np.dtype[Any]]:
    array = np.load(path, mmap_mode="r")
    return len(array), array.dtype


#: Elements and columns of a file, by mimetype: OSError if they are not known. Of words the size says it.
_KINDS = {
    RAW: lambda _, size: (size // WORD.itemsize, WORD),
    PARQUET: lambda path, _: (pq.read_metadata(path).num_rows, parquet_dtype(path)),
    NPY: _of_npy,
}
#: What is another mimetype to tiled.
_SHOWN = {PARQUET: EVENTS}


def register() -> None:
    """Has TiledWriter take the files of our detectors."""
    registry = cast("dict[str, Any]", CONSOLIDATOR_REGISTRY)  # whose type names their own classes
    registry.update(dict.fromkeys(_KINDS, Consolidator))
