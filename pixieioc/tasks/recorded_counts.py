"""What the modules had counted in a run that is read from files: the JSON files beside those say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pixieioc.tasks.items import Ending, ModuleCounts
from pixieioc.tasks.names import shown
from pixieioc.tasks.raw_sources import RunFiles, read_sidecar
from pixieioc.tasks.run_record import unknown_ending


def recorded_ending(files: RunFiles) -> Ending | None:
    """The end of the run, as its modules have counted; None if nothing is said of that, as by older versions."""
    about = {module: _counts_of(paths) for module, paths in files.modules.items()}
    if all(each is None for each in about.values()):
        return None
    counts = {module: each for module, each in about.items() if isinstance(each, Mapping)}
    why_not = [f"module {module}: {each}" for module, each in about.items() if isinstance(each, str)]
    silent = [f"module {module}: nothing is said of it" for module, each in about.items() if each is None]
    # Some of them would be taken for those of the whole run.
    return unknown_ending("; ".join(why_not + silent)) if why_not or silent else Ending(counts=counts, unknown="")


def _counts_of(paths: Sequence[Path]) -> ModuleCounts | str | None:
    """Those of the module whose files these are, or why they are not known; None if nothing is said of them."""
    sidecars = [read_sidecar(path) for path in paths]
    [(said, path)] = [(each, path) for each, path in zip(sidecars, paths, strict=True) if "counts" in each][-1:] or [
        ({}, paths[-1])
    ]
    if not said:
        return None
    if missing := _missing(sidecars, said):
        return f"part {missing} of its data is not among the files"
    if said["counts"] is None:
        return str(said.get("counts_unknown") or "it was not noted why")
    try:
        return msgspec.convert(said["counts"], ModuleCounts)
    except msgspec.ValidationError as error:
        return f"the file beside {shown(path)} is wrong: {error}"


def _missing(sidecars: Sequence[Mapping[str, Any]], last: Mapping[str, Any]) -> int | None:
    """The first part of a module's data that is not there, as the last one says; None if all are."""
    there = {each.get("part", 1) for each in sidecars}
    of_all = last.get("part", 1)
    return next((n for n in range(1, of_all + 1) if n not in there), None) if isinstance(of_all, int) else None
