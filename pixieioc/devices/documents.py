"""The files of a run as documents of bluesky's event model: StreamResource and StreamDatum."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

#: Mimetypes of raw files and of files of events.
RAW, PARQUET, NPY = "application/x-pixie16-listmode", "application/x-parquet", "application/x-npy"
#: The shape of their content: as many words, or events, as there were.
_DATA_KEYS: dict[str, dict[str, Any]] = {
    "raw": {"dtype": "array", "dtype_numpy": "<u4", "shape": [None], "units": ""},
    "events": {"dtype": "array", "shape": [None], "units": ""},
}


class Assets:
    """What is told of the files of each point of a scan. `name` is that of the device, `host` where its files are."""

    def __init__(self, name: str, host: str = "localhost") -> None:
        self.name, self.host = name, host
        self.index = 0  #: of the next point
        self._documents: list[tuple[str, dict[str, Any]]] = []

    def describe(self, kinds: tuple[str, ...], source: str) -> dict[str, Any]:
        """The data keys of these kinds of files, `raw` and `events`."""
        return {self.key(kind): {"source": source, "external": "STREAM:", **_DATA_KEYS[kind]} for kind in kinds}

    def key(self, kind: str) -> str:
        """The name of the data in events."""
        return f"{self.name}-{kind}"

    def add(self, run_id: int, lists: dict[str, str]) -> None:
        """A point has been taken: its files by kind, as RunFiles_RBV lists them."""
        for kind, text in lists.items():
            files = json.loads(text or "[]")
            resource = {
                "uid": str(uuid4()),
                "data_key": self.key(kind),
                "mimetype": RAW if kind == "raw" else _mimetype(files),
                "uri": self._uri(files[0]["file"]) if files else self._uri("/"),
                "parameters": {"run_id": run_id, "files": files},
                "run_start": "",
            }
            of_point = {"start": self.index, "stop": self.index + 1}
            datum = {
                "uid": f"{resource['uid']}/0",
                "stream_resource": resource["uid"],
                "descriptor": "",
                "indices": of_point,
                "seq_nums": {"start": 0, "stop": 0},
            }
            self._documents += [("stream_resource", resource), ("stream_datum", datum)]
        self.index += 1

    def collect(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What has not been collected yet."""
        documents, self._documents = self._documents, []
        yield from documents

    def _uri(self, path: str) -> str:
        return f"file://{self.host}{quote(path, errors='surrogateescape')}"


def event_of(readings: Any) -> Any:
    """The event of a run of a flight, from what was read at its end."""
    return {
        "data": {key: reading["value"] for key, reading in readings.items()},
        "timestamps": {key: reading["timestamp"] for key, reading in readings.items()},
        "time": max(reading["timestamp"] for reading in readings.values()),
    }


def _mimetype(files: list[dict[str, Any]]) -> str:
    return NPY if any(entry["file"].endswith(".npy") for entry in files) else PARQUET
