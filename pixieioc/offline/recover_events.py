"""Files of events in numpy's format that were cut off: the events that are whole in all of them are kept.

Those in Parquet cannot be recovered: their end says where everything is.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import pixieioc
from pixieioc.checksums import checksum_of
from pixieioc.counted import counted
from pixieioc.offline.unwritten import unwritten
from pixieioc.pipeline import Error
from pixieioc.tasks.disk import rename_new, replace_file, sync
from pixieioc.tasks.names import shown, to_json
from pixieioc.tasks.npy_file import write_header
from pixieioc.tasks.npy_files import files_of, with_files

_PART = ".part"


@dataclasses.dataclass(frozen=True)
class RecoveredEvents:
    """What there was in a file of events that was cut off."""

    file: str
    bytes: int
    events: int
    bytes_left_over: int  #: at the end, of an event that is not whole, which are given up
    run_id: int | None

    def __str__(self) -> str:
        run = f"run {self.run_id}" if self.run_id is not None else "run not known"
        text = f"{self.file}: {run}, {counted(self.events, 'event')} in {counted(self.bytes, 'byte')}"
        if self.bytes_left_over:
            text += f"; {counted(self.bytes_left_over, 'byte')} of an event that is not whole given up"
        return text


@dataclasses.dataclass
class _Array:
    """A file that was cut off."""

    path: Path
    file: BinaryIO
    dtype: np.dtype[Any]
    begin: int
    count: int  #: of elements that are whole
    told: int  #: by its header
    left_over: int


def recover_events(path: Path) -> RecoveredEvents:
    """Finishes `<name>.npy.part` and what belongs to it; Error, and nothing is changed, if that is impossible."""
    target = path.with_name(path.name.removesuffix(_PART))
    main_path, extra_path, traces_path, sidecar = files_of(target)
    with ExitStack() as stack:
        arrays = [_opened(name, stack) for name in (main_path, extra_path, traces_path)]
        main, extra, traces = arrays
        assert main is not None
        if ended := sidecar.exists():  # it was cut off when all had been written
            count = main.told
            if _read(sidecar).get("events") != count:
                raise Error(f"{shown(sidecar)} exists already, and is of other data; nothing is overwritten")
        else:
            count = main.count if extra is None else _whole(main, extra, traces)
        about = _read(sidecar if ended else _part(sidecar))
        found = RecoveredEvents(
            file=str(target),
            bytes=main.begin + count * main.dtype.itemsize,
            events=count,
            bytes_left_over=main.left_over + (main.count - count) * main.dtype.itemsize,
            run_id=about.get("run_id"),
        )
        there = [array for array in arrays if array is not None]
        try:
            if not ended:
                for array in there:
                    _complete(array, array.count if array is traces else count)
                _describe(found, sidecar, about, there)
            for array in reversed(there):  # the one with the name itself appears last
                rename_new(_part(array.path), array.path)
                _part(array.path).with_name(_part(array.path).name + ".wider").unlink(missing_ok=True)
            _part(sidecar).unlink(missing_ok=True)
            sync(sidecar.parent)
        except OSError as error:
            raise Error(f"cannot finish {shown(path)}: {error.strerror}") from error
    return found


def _part(path: Path) -> Path:
    return path.with_name(path.name + _PART)


def _opened(path: Path, stack: ExitStack) -> _Array | None:
    part = _part(path)
    if not part.exists():
        return None
    if path.exists():
        raise Error(f"{shown(path)} exists already; nothing is overwritten")
    file = stack.enter_context(unwritten(part))
    try:
        np.lib.format.read_magic(file)
        (told, *_), _, dtype = np.lib.format.read_array_header_1_0(file)
    except ValueError as error:
        raise Error(f"{shown(part)} has no beginning: nothing was written to it ({error})") from None
    begin = file.tell()
    count, left_over = divmod(os.fstat(file.fileno()).st_size - begin, dtype.itemsize)
    return _Array(path, file, dtype, begin, count, told, left_over)


def _whole(main: _Array, extra: _Array, traces: _Array | None) -> int:
    """How many events of `main` have all of their traces; optional blocks were written before them."""
    names = extra.dtype.names or ()
    if traces is None or "trace_length" not in names:
        return main.count
    rows = np.memmap(extra.file, extra.dtype, "r", extra.begin, (min(main.count, extra.count),))
    ends = rows["trace_start"] + rows["trace_length"]
    missing = np.flatnonzero((rows["trace_length"] > 0) & (ends > traces.count))
    return int(missing[0]) if len(missing) else main.count


def _read(sidecar: Path) -> dict[str, Any]:
    """The metadata, those that were written down at the beginning too; empty if there are none."""
    with suppress(OSError, ValueError):
        content = json.loads(sidecar.read_bytes())
        if isinstance(content, dict):
            return content
    return {}


def _complete(array: _Array, count: int) -> None:
    """Gives up what is behind the first elements, and writes their number into the header."""
    with _part(array.path).open("r+b") as file:
        file.truncate(array.begin + count * array.dtype.itemsize)
        write_header(file, array.dtype, count)
    sync(_part(array.path))


def _describe(found: RecoveredEvents, sidecar: Path, about: dict[str, Any], arrays: list[_Array]) -> None:
    recovered = {"events": found.events, "bytes_left_over": found.bytes_left_over, "time": time.time()}
    recovered["software"] = f"pixieioc {pixieioc.__version__}"
    parts = {array.path: _part(array.path) for array in arrays}
    files = {path: (part.stat().st_size, checksum_of(part, header_last=True)) for path, part in parts.items()}
    content = with_files({**about, "events": found.events, "recovered": recovered}, files)
    replace_file(sidecar, to_json(content, indent=2).encode() + b"\n")


def belongs_to_another(path: Path) -> bool:
    """Whether this is a file beside a file of events that was cut off, which is recovered with it."""
    for ending in (".extra.npy.part", ".traces.npy.part"):
        if path.name.endswith(ending):
            return path.with_name(path.name.removesuffix(ending) + ".npy.part").exists()
    return False
