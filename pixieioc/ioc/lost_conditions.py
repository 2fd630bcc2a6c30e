"""Conditions of earlier runs that are still in the state folder: the next start brings them to the files of these runs.

The IOC did not live to end these runs, or their disk did not take the file of conditions. Without any files of the run,
those of a lost IOC get a name that says what they are; the others wait for a disk that is there again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from pixieioc.ioc.condition_archive import Left, NamedBy, end_lost, left_in
from pixieioc.ioc.sidecars import bring_to_data
from pixieioc.pipeline import Error, errno_of

log = logging.getLogger(__name__)


def bring_home(folder: Path, last_run: int, sidecars: Callable[[NamedBy, int], Iterable[Path]]) -> None:
    """All up to the run `last_run`; Error with what could not be done, once all that could has been.

    `sidecars` gives those of a run, by the settings that name its files.
    """
    problems: list[Error] = []
    for left in left_in(folder):
        if left.run_id <= last_run:
            try:
                _bring(left, sidecars)
            except (OSError, ValueError, Error) as error:
                problems.append(Error(f"{left.path}: {error}", errno=errno_of(error)))
    if problems:
        raise Error("; ".join(map(str, problems)), errno=problems[0].errno)


def _bring(left: Left, sidecars: Callable[[NamedBy, int], Iterable[Path]]) -> None:
    run_id, path, about = left.run_id, left.path, left.about()
    if not left.ended:
        end_lost(path)
    place = bring_to_data(sidecars(about.get("named_by", {}), run_id), run_id, path)
    if not place:
        place = str(path if left.ended else path.rename(path.with_name(f"conditions-{run_id:06d}-IOC-lost.jsonl")))
    what = "whose disk had not taken them" if left.ended else "which the IOC did not live to end"
    log.warning("the conditions of run %d, %s, are in %s", run_id, what, place)
