"""What is kept with the data of a run: the modules' settings at its start, and what they have counted at its end."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pixieioc.hardware import Crate, HardwareError, Statistics
from pixieioc.tasks.items import Beginning, Ending, ModuleCounts
from pixieioc.tasks.run_counts import RunCounts

#: What metadata say of a source that has begun to tell and never ended.
_NOT_RECEIVED = "what the modules have counted was not received before this file was completed"


def settings_text(crate: Crate) -> str:
    """The settings of all modules as a file of XIA's has them; HardwareError if they cannot be had."""
    with tempfile.TemporaryDirectory(prefix="pixieioc-") as folder:
        path = Path(folder) / "settings.json"
        crate.save_settings(path)
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise HardwareError("save", 0, f"{path}: {error}") from error


def ending(counts: RunCounts, statistics: Sequence[Statistics]) -> Ending:
    """What the modules have counted in a run that is over."""
    return Ending(
        counts={module: _of_module(counts, module, each) for module, each in enumerate(statistics)}, unknown=""
    )


def unknown_ending(why: str) -> Ending:
    """A run whose modules could not be asked."""
    return Ending(counts={}, unknown=why)


def _of_module(counts: RunCounts, module: int, statistics: Statistics) -> ModuleCounts:
    return ModuleCounts(
        real_time=statistics.real_time,
        live_times=statistics.live_times.tolist(),
        input_counts=[int(count) for count in statistics.input_counts],
        output_counts=[int(count) for count in statistics.output_counts],
        lost=int(counts.lost[module]),
        overflows=int(counts.overflows[module]),
    )


def counts_in_metadata(begins: Beginning | None, ends: Ending | None) -> dict[str, Any]:
    """What the metadata of a whole run say: the counts by module, or why they are not known.

    Of a source whose modules do not count they say nothing.
    """
    if ends is None:
        return _known(None, _NOT_RECEIVED) if begins is not None and begins.get("counts_follow") else {}
    return _known(None, ends["unknown"]) if ends["unknown"] else _known(ends["counts"], "")


def counts_of_module(begins: Beginning | None, ends: Ending | None, module: int) -> dict[str, Any]:
    """The same for the data of one module."""
    about = counts_in_metadata(begins, ends)
    counts = about.get("counts")
    return about if counts is None else _known(counts.get(module), f"module {module} was not asked")


def _known(counts: Mapping[Any, Any] | None, why_not: str) -> dict[str, Any]:
    return {"counts": counts} if counts is not None else {"counts": None, "counts_unknown": why_not}
