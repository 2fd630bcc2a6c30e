"""Completes the sidecars of a run with its record: in a thread, since their disk may be slow."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pixieioc.ioc.condition_archive import ConditionArchive
from pixieioc.pipeline import Error
from pixieioc.tasks.disk import replace_file, sync
from pixieioc.tasks.names import shown, to_json
from pixieioc.tasks.sidecar import RECORD_KEY, VERSION, VERSION_KEY
from pixieioc.tasks.sidecars_of_run import CONDITIONS, CUT_OFF, data_of

#: How many are written at a time.
_AT_ONCE = 8
#: Records of runs that have written no file are kept of so many runs, the latest; so many older ones go at a time.
KEPT, _AT_A_TIME = 1000, 100
_ALONE = re.compile(r"run-(\d{6,})\.json")


_TIMES = ("start_time", "end_time")


class _Problem(NamedTuple):
    """What could not be done with a file, and the system's code, if it is the system that said so."""

    text: str
    errno: int = 0


def alone(state: Path, run_id: int) -> Path:
    """The sidecar of a run that has written no file: it is beside nothing, in the state folder."""
    return state / "runs" / f"run-{run_id:06d}.json"


def complete(
    found: Callable[[], Iterable[Path]], run_id: int, record: dict[str, Any], conditions: ConditionArchive | None,
    without_files: Path | None = None,
) -> int:  # fmt: skip
    """Gives all sidecars of a run its record, and its file of conditions a place beside the first; how many there are.

    If there are none, `without_files` becomes one. Error with what could not be done, once all that could has been.
    """
    problems: list[_Problem] = []
    contents = {path: content for path in found() if (content := _of_run(path, run_id, problems)) is not None}
    if not contents and not problems and without_files is not None:
        contents = {without_files: _raw({"run_id": run_id, **{name: record.get(name) for name in _TIMES}})}
        problems += filter(None, [_made_room(without_files.parent)])
    paths = list(contents)
    if cut_off := [f"{data_of(path)}.part" for path in paths if path.name.endswith(CUT_OFF)]:
        record = {**record, "unfinished": cut_off}
    if conditions is not None:
        record = {**record, **_of_conditions(conditions, paths, problems)}
    said = _raw({VERSION_KEY: VERSION}), _raw({RECORD_KEY: record})
    new = ((path, _joined({**said[0], **content, **said[1]})) for path, content in contents.items())
    with ThreadPoolExecutor(_AT_ONCE, "sidecars") as threads:  # a disk takes several side by side nearly as fast as one
        problems += filter(None, threads.map(lambda each: _replaced(*each), new))
        list(threads.map(sync, {path.parent for path in paths}))
    if problems:
        text = "the record of the run is not complete: " + "; ".join(problem.text for problem in problems)
        raise Error(text, errno=problems[0].errno)
    return len(paths)


def _made_room(folder: Path) -> _Problem | None:
    """Has the folder of runs without files, with room for one more."""
    try:
        folder.mkdir(exist_ok=True)  # not the state folder, which may be that of a disk which is gone
        names = os.listdir(folder)  # noqa: PTH208 (of thousands of files, at each end of a run: names are enough)
        numbers = sorted(int(match[1]) for name in names if (match := _ALONE.fullmatch(name)))
        for number in numbers[: len(numbers) - KEPT + 1] if len(numbers) >= KEPT + _AT_A_TIME else ():
            old = alone(folder.parent, number)
            for path in (old, data_of(old).with_suffix(CONDITIONS)):
                path.unlink(missing_ok=True)
    except OSError as error:
        return _Problem(f"{shown(error.filename or folder)}: {error.strerror}", error.errno or 0)
    return None


def _replaced(path: Path, content: bytes) -> _Problem | None:
    try:
        replace_file(path, content)
    except OSError as error:
        return _Problem(f"{shown(path)}: {error.strerror}", error.errno or 0)
    return None


def bring_to_data(found: Iterable[Path], run_id: int, conditions: Path) -> str:
    """Gives the conditions of a run that was cut off their place, and has its sidecars name it; empty without any.

    Nothing else in them changes. Error with what could not be done.
    """
    problems: list[_Problem] = []
    contents = {path: content for path in found if (content := _of_run(path, run_id, problems)) is not None}
    if not contents:
        return ""
    name = _place(conditions, list(contents), problems)
    for path, content in contents.items():
        record = json.loads(content.get(RECORD_KEY, b"{}")) | {"conditions_file": name}
        if name is not None:
            record.pop("conditions_problem", None)
        problems += filter(None, [_replaced(path, _joined({**content, **_raw({RECORD_KEY: record})}))])
    if problems:
        raise Error("; ".join(problem.text for problem in problems), errno=problems[0].errno)
    return str(next(iter(contents)).with_name(name or ""))


#: A sidecar's keys with their values as they stand there: the settings of a full crate are long, and are not looked at.
_Raw = dict[str, bytes]


class _Runs(msgspec.Struct):
    run_id: int | None = None


class _OfRun(_Runs):
    written: _Runs | None = None


def _of_run(path: Path, run_id: int, problems: list[_Problem]) -> _Raw | None:
    """The content of a sidecar of this run; None for that of an older one whose name was used again."""
    try:
        text = path.read_bytes()
        about = msgspec.json.decode(text, type=_OfRun)
        if run_id not in (about.run_id, about.written.run_id if about.written is not None else None):
            return None
        return {key: bytes(raw) for key, raw in msgspec.json.decode(text, type=dict[str, msgspec.Raw]).items()}
    except msgspec.DecodeError:  # a name of a file that UTF-8 cannot hold
        return _of_run_slowly(path, run_id, problems)
    except OSError as error:
        problems.append(_Problem(f"{shown(path)}: {error.strerror}", error.errno or 0))
        return None


def _of_run_slowly(path: Path, run_id: int, problems: list[_Problem]) -> _Raw | None:
    try:
        content = json.loads(path.read_bytes())
        runs = (content.get("run_id"), (content.get("written") or {}).get("run_id"))
    except (ValueError, AttributeError) as error:
        problems.append(_Problem(f"{shown(path)}: {error}"))
        return None
    return _raw(content) if run_id in runs else None


def _raw(content: dict[str, Any]) -> _Raw:
    return {key: to_json(value, indent=2).replace("\n", "\n  ").encode() for key, value in content.items()}


def _joined(content: _Raw) -> bytes:
    lines = (b"  " + json.dumps(key).encode() + b": " + value for key, value in content.items())
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def _of_conditions(archive: ConditionArchive, sidecars: list[Path], problems: list[_Problem]) -> dict[str, Any]:
    """The keys of the record about the file of conditions; without any data, nobody would look for it."""
    if not sidecars:
        archive.path.unlink(missing_ok=True)
        return {}
    lost = [_Problem(archive.problem, archive.errno)] if archive.problem else []
    archive.end()
    name = _place(archive.path, sidecars, lost)
    problems += lost
    return {"conditions_file": name, "conditions_problem": "; ".join(problem.text for problem in lost)}


def _place(conditions: Path, sidecars: list[Path], problems: list[_Problem]) -> str | None:
    """Brings the file of conditions to the data; its name there, if that is where it is."""
    targets = [data_of(sidecar).with_suffix(CONDITIONS) for sidecar in sidecars]
    if not conditions.exists():  # it may have been brought there before
        there = [target.name for target in targets if target.exists()]
        if not there:
            problems.append(_Problem(f"the conditions of the run are lost: {shown(conditions)} is not there"))
        return there[0] if there else None
    part = targets[0].with_name(targets[0].name + ".part")
    try:
        shutil.copyfile(conditions, part)
        sync(part)
        part.rename(targets[0])
        conditions.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        text = f"{shown(targets[0])}: {error.strerror}; it is still {shown(conditions)}"
        problems.append(_Problem(text, error.errno or 0))
    return targets[0].name if targets[0].is_file() else None
