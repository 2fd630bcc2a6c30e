"""What has a tiled server read the files of runs as arrays: words of raw files, and events.

`tiled serve` is told of them by mimetype, see `docs/how-to/bluesky.md`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tiled.adapters.core import Adapter  # pyright: ignore[reportMissingImports]
from tiled.adapters.utils import init_adapter_from_catalog  # pyright: ignore[reportMissingImports]
from tiled.ndslice import NDSlice  # pyright: ignore[reportMissingImports]
from tiled.structures.array import ArrayStructure, BuiltinDtype, StructDtype  # pyright: ignore[reportMissingImports]
from tiled.structures.core import StructureFamily  # pyright: ignore[reportMissingImports]
from tiled.structures.data_source import Asset, DataSource, Management  # pyright: ignore[reportMissingImports]
from tiled.utils import ensure_uri, path_from_uri  # pyright: ignore[reportMissingImports]

#: How the words of raw files are kept.
WORD = np.dtype("<u4")
#: The mimetype of events in Parquet as an array; as application/x-parquet tiled reads the same files as tables.
EVENTS = "application/x-pixie16-events"


class _Joined(Adapter[ArrayStructure], ABC):
    """Files as one array, the next behind the one before; a chunk is a file, which is read by itself."""

    structure_family = StructureFamily.array

    def __init__(self, data_uris: Any, structure: ArrayStructure, *, metadata: Any = None, specs: Any = None) -> None:
        self._paths = [path_from_uri(uri) for uri in ([data_uris] if isinstance(data_uris, str) else data_uris)]
        super().__init__(structure, metadata=metadata, specs=specs)

    @classmethod
    def from_catalog(cls, data_source: Any, node: Any, /, **kwargs: Any) -> Any:
        """For files that a catalog knows."""
        return init_adapter_from_catalog(cls, data_source, node, **kwargs)

    @classmethod
    def from_uris(cls, *data_uris: str, **_: Any) -> Any:
        """For files of which nothing is known but where they are."""
        arrays = [cls.opened(path_from_uri(uri)) for uri in data_uris]
        return cls(list(data_uris), structure_of([len(array) for array in arrays], arrays[0].dtype))

    def generate_data_sources(
        self, mimetype: str, item: Any, is_directory: bool, size: int | None = None, parameters: Any = None
    ) -> list[DataSource[ArrayStructure]]:
        """How a catalog keeps a file."""
        asset = Asset(ensure_uri(item), is_directory=is_directory, parameter="data_uris", num=0, size=size)
        return [
            DataSource(
                structure_family=self.structure_family,
                structure=self.structure(),
                mimetype=mimetype,
                parameters=parameters or {},
                assets=[asset],
                management=Management.external,
            )
        ]

    @staticmethod
    @abstractmethod
    def opened(path: Path) -> Any:
        """A file as an array of one dimension, of which only what is looked at is read."""

    def read(self, slice: Any = NDSlice(...)) -> Any:  # noqa: A002, B008 - tiled's names and defaults
        """The elements of a slice; files that have none of it are not opened."""
        [length] = self.structure().shape
        wanted = range(length)
        if slice and (first := next(iter(slice))) is not Ellipsis:
            wanted = wanted[first if isinstance(first, int) else _plain(first)]
        if isinstance(wanted, int):
            return self._between(wanted, wanted + 1)[0]
        if not wanted:
            return self._between(0, 0)
        low, high = min(wanted[0], wanted[-1]), max(wanted[0], wanted[-1]) + 1
        return self._between(low, high)[:: wanted.step]

    def read_block(self, block: tuple[int, ...], slice: Any = None) -> Any:  # noqa: A002 - tiled's name
        """The elements of one file."""
        content = self._of_file(block[0])
        return content[tuple(slice)] if slice else content

    def _between(self, low: int, high: int) -> Any:
        sizes = self.structure().chunks[0]
        parts = [np.empty(0, self.structure().data_type.to_numpy_dtype())]
        for number, (begin, end) in enumerate(pairwise(accumulate(sizes, initial=0))):
            if begin < high and low < end:
                parts.append(self._of_file(number)[max(0, low - begin) : high - begin])
        return np.concatenate(parts)

    def _of_file(self, number: int) -> Any:
        size = self.structure().chunks[0][number]
        return self.opened(self._paths[number])[:size] if size else self._between(0, 0)


class RawAdapter(_Joined):
    """List-mode words (uint32) of raw files; of a catalog's array the metadata `files` say whose words are where."""

    @staticmethod
    def opened(path: Path) -> Any:
        """Whole words."""
        count = path.stat().st_size // WORD.itemsize
        return np.memmap(path, WORD, "r", shape=(count,)) if count else np.empty(0, WORD)


class NpyAdapter(_Joined):
    """Events, or what belongs to them, in numpy's own files: structured arrays, which tiled's own adapter has not."""

    @staticmethod
    def opened(path: Path) -> Any:
        """The array of the file."""
        return np.load(path, mmap_mode="r")


class EventsAdapter(_Joined):
    """Events in Parquet as a structured array of the columns that have one number per event.

    What an event does not have is 0, or NaN where that can be.
    """

    def _of_file(self, number: int) -> Any:
        dtype = self.structure().data_type.to_numpy_dtype()
        return _as_array(pq.read_table(self._paths[number], columns=_there(self._paths[number], dtype)), dtype)

    @staticmethod
    def opened(path: Path) -> Any:
        """All of its columns."""
        return _as_array(pq.read_table(path), parquet_dtype(path))


def parquet_dtype(path: Path) -> np.dtype[Any]:
    """The columns of a file of events that have one number per event."""
    plain = [field for field in pq.read_schema(path) if pa.types.is_primitive(field.type)]
    return np.dtype([(field.name, field.type.to_pandas_dtype()) for field in plain])


def _there(path: Path, dtype: np.dtype[Any]) -> list[str]:
    names = pq.read_schema(path).names
    return [name for name in dtype.names or () if name in names]


def _as_array(table: Any, dtype: np.dtype[Any]) -> Any:
    array = np.zeros(len(table), dtype)
    for name in dtype.names or ():
        absent = np.nan if dtype[name].kind == "f" else 0
        array[name] = pc.fill_null(table[name], absent) if name in table.column_names else absent
    return array


def structure_of(sizes: list[int], dtype: np.dtype[Any]) -> ArrayStructure:
    """An array of files, of which `sizes` are the numbers of elements."""
    kind = StructDtype.from_numpy_dtype(dtype) if dtype.fields else BuiltinDtype.from_numpy_dtype(dtype)
    return ArrayStructure(data_type=kind, shape=(sum(sizes),), chunks=(tuple(sizes) or (0,),))


def _plain(part: Any) -> slice:
    return slice(part.start, part.stop, part.step)
