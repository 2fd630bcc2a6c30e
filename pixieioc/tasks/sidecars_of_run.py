"""Which sidecars the files of a run have: by the rules that these are named by."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from pixieioc.tasks.file_series import name_of_part

#: What the name of a sidecar ends with; what it ends with as long as its file is not complete, or if that was cut off.
SIDECAR, CUT_OFF = ".json", ".json.part"

#: What the stem of a data file has behind it in the name of the file of conditions beside it.
CONDITIONS = ".conditions.jsonl"


def sidecars_of_run(first: Path, second_folder: str) -> Iterator[Path]:
    """Those of the file `first` and of all parts behind it, each in its folder or in the second one.

    Of a file that is not complete it is what was written down at its beginning, which `pixieioc recover` goes by.
    """
    for part in count(1):
        name = name_of_part(first, part)
        places = [name, *([Path(second_folder) / name.name] if second_folder else [])]
        found = [sidecar for place in places for sidecar in _of_file(place)]
        if not found:
            return
        yield from found


def data_of(sidecar: Path) -> Path:
    """The file that a sidecar is beside."""
    return sidecar.with_name(sidecar.name.removesuffix(CUT_OFF).removesuffix(SIDECAR))


def _of_file(data: Path) -> list[Path]:
    named = (data.with_name(data.name + ending) for ending in (SIDECAR, CUT_OFF))
    return [path for path in named if path.is_file()][:1]
