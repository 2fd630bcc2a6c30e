"""Files of settings that clients save and load: `SR_file`, `SR_save`, `SR_restore`.

They may lie on any disk and have been written by anybody: they are read in a thread of their own, and nothing else here
waits for them.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pixieioc.counted import counted
from pixieioc.ioc import sav
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records import Client, Put, PutRefused, Pvs
from pixieioc.ioc.restore import Restorer
from pixieioc.ioc.sav import BadFile
from pixieioc.ioc.save_status import SaveStatus
from pixieioc.ioc.saved_settings import in_words, with_present_states
from pixieioc.ioc.unsaved import Unsaved
from pixieioc.ioc.worker import Worker
from pixieioc.tasks.disk import read_file, replace_file, sync
from pixieioc.tasks.versions import Versions

T = TypeVar("T")

#: How long the file system may take, in seconds.
_ANSWER = 10.0
#: The largest file that is read, in bytes; all settings and fields of a full crate are 3 MB.
_LARGEST = 16 << 20
#: Names of files that may be saved and loaded; synApps has numbered copies, and copies with a date.
_FILE, _COPY = re.compile(r".*\.sav"), re.compile(r".*\.sav(?:[0-9B]|[-_].*)?")


@dataclass(frozen=True)
class _Loaded:
    """What is to be written, by name, and sentences about what cannot be."""

    writes: Mapping[str, str]
    left: list[str]


class SettingFiles:
    """`versions` are those that the IOC writes itself, `may_write` says what a client may write."""

    def __init__(
        self,
        pvs: Pvs,
        unsaved: Unsaved,
        restorer: Restorer,
        versions: Versions,
        status: SaveStatus,
        content: Callable[[], bytes],
        may_write: Callable[[View, Client], bool],
    ) -> None:
        self._pvs, self._unsaved, self._restorer = pvs, unsaved, restorer
        self._versions, self._status, self._content, self._may_write = versions, status, content, may_write
        self._worker = Worker("pixieioc files of settings")
        pvs.on_put("SR_file", lambda value, _: pvs.post("SR_file", value))
        pvs.on_put("SR_restore", self._command("SR_restore", self._load))
        pvs.on_put("SR_save", self._command("SR_save", self._save))

    def close(self) -> None:
        """Nothing more is saved or loaded."""
        self._worker.close()

    def _command(self, pv: str, do: Callable[[Path, Client], Awaitable[None]]) -> Put:
        async def order(client: Client) -> None:
            path = self._file(also_copies=pv == "SR_restore")
            self._pvs.post(pv, 1)
            try:
                await do(path, client)
            except (OSError, BadFile) as error:
                raise PutRefused(f"{path}: {getattr(error, 'strerror', None) or error}") from None
            finally:
                self._pvs.post(pv, 0)

        def put(value: Any, client: Client) -> Awaitable[None] | None:
            return order(client) if value else None

        return put

    def _file(self, *, also_copies: bool) -> Path:
        name = str(self._pvs["SR_file"].value)
        path = self._versions.folder / Path(name).expanduser()
        if not (_COPY if also_copies else _FILE).fullmatch(path.name):
            copies = ", or of a copy of one, such as *.savB, *.sav0 or *.sav_DATE" if also_copies else ""
            raise PutRefused(f"SR_file {name!r}: must be the name of a file of settings, *.sav{copies}")
        if not also_copies and self._versions.has(path):
            raise PutRefused(f"SR_file {name!r}: the IOC writes versions of this name itself; choose another one")
        return path

    async def _ask(self, function: Callable[[], T]) -> T:
        """Does something with a file; OSError if it does not answer."""
        answer = self._worker.do(function)
        await asyncio.wait([answer], timeout=_ANSWER)
        if not answer.done():
            answer.cancel()
            raise OSError(errno.ETIMEDOUT, "its file system does not answer")
        return answer.result()

    async def _save(self, path: Path, _: Client) -> None:
        content = self._content()

        def write() -> None:
            replace_file(path, content)
            sync(path.parent)

        await self._ask(write)
        self._status.recently(f"Saved {path.name}")

    async def _load(self, path: Path, client: Client) -> None:
        """Writes what a file has, as this client; what is refused is named, and all else is written."""
        content = await self._ask(functools.partial(read_file, path, _LARGEST))
        loaded = await self._worker.do(functools.partial(self._read, content))
        for name in loaded.writes:
            self._unsaved.note_field(name)
        refused = await self._restorer.write(loaded.writes, client, lambda view: self._may_write(view, client))
        left = [f"{name} = {self._unsaved.shown(name, loaded.writes[name])}: {why}" for name, why in refused.items()]
        left += loaded.left
        count = len(loaded.writes) - len(refused)
        self._status.loaded(path, count, left)
        if left:
            raise PutRefused(f"{path.name}: {counted(count, 'value')} loaded, all but these: {in_words(left)}")

    def _read(self, content: bytes) -> _Loaded:
        """In the worker's thread: a large file takes its time."""
        saved, reasons = with_present_states(sav.read(content), self._unsaved.states)
        writes = {name: value for name, value in saved.values.items() if self._unsaved.declared(name) is not None}
        left = reasons + [f"{name}: {why}" for name, why in saved.unreadable.items()]
        left += [f"{name}: there is no such setting" for name in saved.values if name not in writes]
        return _Loaded(writes, left)
