"""Records of runs that could not be written to their files: kept in another folder until the disk of these answers.

That is the state folder or, if it does not answer either, the second folder for files; a record that nobody takes is in
the log. The next IOC brings home what this one has left.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pixieioc.counted import counted
from pixieioc.ioc.condition_archive import NamedBy
from pixieioc.ioc.sidecars import complete
from pixieioc.ioc.worker import Worker
from pixieioc.pipeline import Error
from pixieioc.tasks.disk import replace_file, sync

log = logging.getLogger(__name__)

FORMAT = "pixieioc run record"
_NAME = re.compile(r"record-(\d{6,})\.json")
#: How long a folder may take to keep a record, and how often it is tried to bring one home, in seconds.
_PATIENCE, _AGAIN = 1.0, 2.0
#: Gives the sidecars of a run, by the settings that name its files.
Sidecars = Callable[[NamedBy, int], Iterable[Path]]


class KeptRecord(msgspec.Struct, frozen=True):
    """The file; `record` is as in a sidecar, `why` says why it is not there."""

    run_id: int
    why: str
    named_by: dict[str, dict[str, Any]]  #: the settings, by task, that name the files of the run
    record: dict[str, Any]
    format: str = FORMAT
    version: int = 1


def keep(folder: Path, kept: KeptRecord) -> Path:
    """Writes it down; OSError."""
    path = folder / f"record-{kept.run_id:06d}.json"
    replace_file(path, msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")
    sync(folder)
    return path


def bring_home(folder: Path, last_run: int, sidecars: Sidecars) -> list[str]:
    """Brings records up to the run `last_run` to their files; returns, as sentences, which ones stay, and why."""
    stay: list[str] = []
    for path in sorted(folder.glob("record-*.json")):
        if (match := _NAME.fullmatch(path.name)) and int(match[1]) <= last_run:
            try:
                why = _bring(path, sidecars)
            except (OSError, ValueError, Error) as error:
                why = str(error)
            if why:
                stay.append(f"the record of run {int(match[1])} is in {path}: {why}")
    return stay


def _bring(path: Path, sidecars: Sidecars) -> str:
    kept = msgspec.json.decode(path.read_bytes(), type=KeptRecord)
    if kept.format != FORMAT:
        raise ValueError("it has no record of a run")
    count = complete(lambda: sidecars(kept.named_by, kept.run_id), kept.run_id, kept.record, None)
    if not count:
        return "none of the files of the run is there"
    path.unlink()
    log.warning("the record of run %d is with its files now: %s", kept.run_id, counted(count, "sidecar"))
    return ""


class RecordKeeper:
    """Keeps records in the first of `folders` that takes them, and brings them home; `show` is given what there is.

    `may` says whether that can be tried: not while a task waits for a disk, which this process would do as well.
    """

    def __init__(
        self, folders: Callable[[], Sequence[Path]], sidecars: Sidecars, may: Callable[[], bool],
        show: Callable[[str], None], worker: Callable[[str], Worker],
    ) -> None:  # fmt: skip
        self._folders, self._sidecars, self._may, self._show = folders, sidecars, may, show
        self._new_worker, self._worker = worker, worker("pixieioc kept records")
        self._last_run = 0
        self._bringing: asyncio.Task[None] | None = None

    async def keep(self, kept: KeptRecord) -> str:
        """Writes it down, and returns where it is."""
        for folder in self._folders():
            try:
                path = await asyncio.wait_for(self._in_thread(functools.partial(keep, folder, kept)), _PATIENCE)
            except (OSError, TimeoutError) as error:
                log.error("%s does not keep the record of run %d: %s", folder, kept.run_id, error or "no answer")
            else:
                self._show(f"the record of run {kept.run_id} is in {path}: {kept.why}")
                return f"in {path}"
        log.error("the record of run %d: %s", kept.run_id, msgspec.json.encode(kept).decode())
        self._show(f"the record of run {kept.run_id} is in the log: no folder takes it")
        return "in the log"

    def _in_thread(self, function: Callable[[], Path]) -> asyncio.Future[Path]:
        """A folder that never answers is in no other's way."""
        worker = self._new_worker("pixieioc record")
        kept = worker.do(function)
        worker.close()
        return kept

    def bring_home(self, last_run: int) -> None:
        """Brings those up to this run to their files, again and again until none is left."""
        self._last_run = last_run
        if self._bringing is None or self._bringing.done():
            self._bringing = asyncio.get_running_loop().create_task(self._bring_home())

    async def _bring_home(self) -> None:
        while stay := await self._tried():
            self._show("; ".join(stay))
            await asyncio.sleep(_AGAIN)
        self._show("")

    async def _tried(self) -> list[str]:
        """What stays where it is."""
        while not self._may():
            await asyncio.sleep(_AGAIN)
        folders, last = tuple(self._folders()), self._last_run
        try:
            return await self._worker.do(
                lambda: [text for folder in folders for text in bring_home(folder, last, self._sidecars)]
            )
        except OSError as error:  # a folder cannot be looked into: what is in it is not known
            return [str(error)]

    async def end(self) -> None:
        """Brings nothing home any more."""
        if self._bringing is not None:
            self._bringing.cancel()
        self._worker.close()
