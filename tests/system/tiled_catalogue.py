"""A real tiled server in this process, with an empty catalogue, and bluesky's TiledWriter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def catalogue(own: Path, readable: Path) -> Iterator[Any]:
    """A client of the server, which keeps what it is given in `own` and may read what is in `readable`."""
    from tiled.catalog import in_memory  # pyright: ignore[reportMissingImports]
    from tiled.client import Context, from_context  # pyright: ignore[reportMissingImports]
    from tiled.server.app import build_app  # pyright: ignore[reportMissingImports]

    from pixieioc.devices.documents import NPY, RAW
    from pixieioc.devices.tiled_adapters import EVENTS, EventsAdapter, NpyAdapter, RawAdapter

    tree = in_memory(
        readable_storage=[str(readable)],
        writable_storage={"filesystem": str(own / "files"), "sql": f"duckdb:///{own}/tables.db"},
        adapters_by_mimetype={RAW: RawAdapter, EVENTS: EventsAdapter, NPY: NpyAdapter},
    )
    with Context.from_app(build_app(tree)) as context:
        yield from_context(context)


def written(client: Any, documents: list[tuple[str, dict[str, Any]]]) -> Any:
    """The run that the documents tell of, as the catalogue has it."""
    from bluesky_tiled_plugins import TiledWriter  # pyright: ignore[reportMissingImports]

    from pixieioc.devices.tiled_writing import register

    register()
    writer = TiledWriter(client)
    for name, document in documents:
        writer(name, document)
    return client.values().last()
