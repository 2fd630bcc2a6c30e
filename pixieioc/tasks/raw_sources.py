"""Which raw files are meant, and what is known about them: their module, and the run that they are of."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pixieioc.pipeline import Error
from pixieioc.tasks.names import natural_key, shown
from pixieioc.tasks.raw_input import size_of, without_compression

SIDECAR = ".json"


@dataclass(frozen=True)
class RecordedRun:
    """What is known of the run that raw files are of; times are Unix times in s."""

    run_id: int | None = None
    start_time: float | None = None
    end_time: float | None = None

    @property
    def known(self) -> bool:
        """True if files of this run can be told from those of others."""
        return self.run_id is not None or self.start_time is not None


@dataclass(frozen=True)
class RunFiles:
    """The files of one run, by module; those of a module are one stream."""

    run: RecordedRun
    modules: dict[int, list[Path]]

    @property
    def names(self) -> list[str]:
        """All files, as they can be printed."""
        return [shown(path) for paths in self.modules.values() for path in paths]


def check_pattern(pattern: str) -> None:
    """Raises Error if a regular expression cannot find a number in a name; an empty one finds none."""
    try:
        if pattern and re.compile(pattern).groups != 1:
            raise Error("must have exactly one group, the number")
    except re.error as error:
        raise Error(f"is no regular expression: {error}") from None


def find(names: Iterable[str]) -> list[Path]:
    """The files that `names` (or patterns with * and ?) mean, in their order; those of a pattern in natural order.

    The JSON files beside raw files are not among them. Error if one is not there, or no raw data.
    """
    found: list[Path] = []
    for name in names:
        if os.path.lexists(name) or not glob.has_magic(name):
            found.append(Path(name))
            continue
        # glob, not Path.glob: the pattern may be absolute.
        matches = sorted(glob.glob(name, recursive=True), key=natural_key)  # noqa: PTH207
        if not (files := [path for match in matches if not (path := Path(match)).is_dir()]):
            raise Error(f"no file matches {shown(name)}")
        found += files
    given = set(found)
    raw = [path for path in found if not _is_sidecar(path, given)]
    for path in raw:
        size_of(path)
    return raw


def runs_of(paths: Sequence[Path], module_pattern: str, run_pattern: str) -> list[RunFiles]:
    """The files by run, in the order of time as far as that is known; Error if two cannot be read side by side.

    The JSON files beside them tell which runs they are of; without one, the names do, if `run_pattern` finds a number
    there. Files of which nothing is known are one run. Nothing is concluded from the data.
    """
    described = [_described(path, run_pattern) for path in paths]
    by_run: dict[tuple[int | None, float | None], RunFiles] = {}
    for path, run in zip(paths, described, strict=True):
        run = _with_start(run, described)
        files = by_run.setdefault((run.run_id, run.start_time), RunFiles(run, {}))
        files.modules.setdefault(_module_of(path, module_pattern), []).append(path)
        if run.end_time is not None and run.end_time > (files.run.end_time or 0):
            by_run[run.run_id, run.start_time] = replace(files, run=run)
    for files in by_run.values():
        for module_files in files.modules.values():
            _refuse_twice(module_files)
            _bring_into_order(module_files)
    runs = [RunFiles(each.run, dict(sorted(each.modules.items()))) for each in by_run.values()]
    if all(each.run.start_time is not None for each in runs):
        runs.sort(key=lambda each: (each.run.start_time or 0, each.run.run_id or 0))
    elif all(each.run.run_id is not None for each in runs):
        runs.sort(key=lambda each: each.run.run_id or 0)
    return runs


def sidecars_of(path: Path) -> list[Path]:
    """Where the JSON file about a raw file may be: beside it, or beside what it was before it was compressed."""
    names = dict.fromkeys((path.name, without_compression(path.name)))
    return [path.with_name(name + SIDECAR) for name in names]


def read_sidecar(path: Path) -> dict[str, Any]:
    """What the JSON file beside a raw file says; empty if there is none, or it is something else."""
    for sidecar in sidecars_of(path):
        try:
            content = json.loads(sidecar.read_bytes())
        except (OSError, ValueError):  # no such file, or somebody's notes
            continue
        if isinstance(content, dict):
            return content
    return {}


def _is_sidecar(path: Path, given: set[Path]) -> bool:
    return path.suffix == SIDECAR and any(path in sidecars_of(other) for other in given if other != path)


def _described(path: Path, run_pattern: str) -> RecordedRun:
    about = read_sidecar(path)
    run_id, start, end = (_number(about.get(name)) for name in ("run_id", "start_time", "end_time"))
    if run_id is None and start is None and run_pattern and (found := re.search(run_pattern, path.name)):
        run_id = _number(int(found[1]))
    return RecordedRun(run_id if isinstance(run_id, int) else None, _as_time(start), _as_time(end))


def _with_start(run: RecordedRun, others: Sequence[RecordedRun]) -> RecordedRun:
    """A file whose name tells its run only is of the one run with that number."""
    if run.run_id is None or run.start_time is not None:
        return run
    starts = {other.start_time for other in others if other.run_id == run.run_id and other.start_time is not None}
    return replace(run, start_time=starts.pop()) if len(starts) == 1 else run


def _number(value: Any) -> int | float | None:
    """`value` if it is a number that can be one of a run, or a time."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _as_time(value: int | float | None) -> float | None:
    return None if value is None else float(value)


def _module_of(path: Path, pattern: str) -> int:
    found = re.search(pattern, path.name) if pattern else None
    module = int(found[1]) if found else 0
    if module > 255:
        raise Error(f"module number {module} in the name of {shown(path)}: must be 0 to 255")
    return module


def _bring_into_order(paths: list[Path]) -> None:
    """The parts of a module's data in their order, if the JSON files beside them tell: not every list has them so."""
    parts = {path: _number(read_sidecar(path).get("part")) for path in paths} if len(paths) > 1 else {}
    if len(set(parts.values()) - {None}) == len(paths):
        paths.sort(key=lambda path: parts[path] or 0)


def _refuse_twice(paths: Sequence[Path]) -> None:
    """The events of a file that is read twice would be counted twice."""
    seen: dict[tuple[int, int], Path] = {}
    for path in paths:
        try:
            found = path.stat()
        except OSError as error:
            raise Error(f"cannot read {shown(path)}: {error.strerror}") from None
        key = (found.st_dev, found.st_ino)
        if (before := seen.get(key)) is not None:
            same = "is given twice" if before == path else f"and {shown(before)} are the same file"
            raise Error(f"{shown(path)} {same}")
        seen[key] = path
