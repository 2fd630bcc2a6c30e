"""Conditions of runs that the IOC did not live to end: at the next start they go to where the files of these runs are.

Without any files, they stay in the state folder, and their name says what they are.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from pixieioc.ioc.condition_archive import NamedBy, end_lost
from pixieioc.ioc.sidecars import bring_to_data
from pixieioc.pipeline import Error, errno_of

log = logging.getLogger(__name__)

_NAME = re.compile(r"conditions-(\d+)\.jsonl")


def bring_home(folder: Path, last_run: int, sidecars: Callable[[NamedBy, int], Iterable[Path]]) -> None:
    """All up to the run `last_run`; Error with what could not be done, once all that could has been.

    `sidecars` gives those of a run, by the settings that name its files.
    """
    problems: list[Error] = []
    for path in sorted(folder.glob("conditions-*.jsonl")):
        if (match := _NAME.fullmatch(path.name)) and int(match[1]) <= last_run:
            try:
                _bring(path, int(match[1]), sidecars)
            except (OSError, ValueError, Error) as error:
                problems.append(Error(f"{path}: {error}", errno=errno_of(error)))
    if problems:
        raise Error("; ".join(map(str, problems)), errno=problems[0].errno)


def _bring(path: Path, run_id: int, sidecars: Callable[[NamedBy, int], Iterable[Path]]) -> None:
    about = end_lost(path)
    place = bring_to_data(sidecars(about.get("named_by", {}), run_id), run_id, path)
    if not place:
        place = str(path.rename(path.with_name(f"conditions-{run_id:06d}-IOC-lost.jsonl")))
    log.warning("the conditions of run %d, which the IOC did not live to end, are in %s", run_id, place)
