"""Which sidecars the files of a run have: by the rules that these are named by."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from pixieioc.tasks.file_series import name_of_part


def sidecars_of_run(first: Path, second_folder: str) -> Iterator[Path]:
    """Those of the file `first` and of all parts behind it, each in its folder or in the second one."""
    for part in count(1):
        name = name_of_part(first, part)
        places = [name, *([Path(second_folder) / name.name] if second_folder else [])]
        found = [sidecar for place in places if (sidecar := place.with_name(place.name + ".json")).is_file()]
        if not found:
            return
        yield from found
