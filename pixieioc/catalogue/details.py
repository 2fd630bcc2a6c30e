"""The whole sidecars of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from pixieioc.catalogue.index import Catalogue
from pixieioc.catalogue.query import RunRow
from pixieioc.catalogue.scan import paths
from pixieioc.tasks.sidecar import Sidecar
from pixieioc.tasks.sidecars_of_run import CONDITIONS, data_of

#: What is left out: the settings of a full crate are tens of thousands of numbers, and stand in each of them.
_LEFT_OUT = ("configuration",)


def sidecars_of(catalogue: Catalogue, row: RunRow) -> list[tuple[Path, dict[str, Any]]]:
    """Path and content of each, those that have the record of the run first; one that is damaged says so."""
    found: list[tuple[Path, dict[str, Any]]] = []
    for path in paths(catalogue.db, row.key):
        try:
            content = json.loads(path.read_bytes())
            msgspec.convert(content, Sidecar)
            _name_conditions(path, content)
            found.append((path, {name: value for name, value in content.items() if name not in _LEFT_OUT}))
        except (OSError, ValueError, RecursionError) as error:  # ValidationError is a ValueError
            found.append((path, {"problem": str(error)}))
    return found


def _name_conditions(sidecar: Path, content: dict[str, Any]) -> None:
    """Of a run that was cut off, the conditions may have come to its files later than the last word on them."""
    file = data_of(sidecar).with_suffix(CONDITIONS)
    record = content.get("record")
    if isinstance(record, dict) and not record.get("conditions_file") and file.is_file():
        record["conditions_file"] = file.name
