"""Settings survive a restart: saved within a second after a change, restored before the first client connects.

The rules are in `saved_settings.py`, the text of a file in `sav.py`. Files are written in a thread: nothing here waits.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import hashlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pixieioc.config import RUN, Config
from pixieioc.ioc import sav
from pixieioc.ioc.ca.view import View, Views
from pixieioc.ioc.records import RESTORING, Client, Put, PutRefused, Pvs
from pixieioc.ioc.restore import Restorer
from pixieioc.ioc.sav import BadFile, Saved
from pixieioc.ioc.save_status import SaveStatus
from pixieioc.ioc.saved_settings import Choice, choose, held, in_words, planned
from pixieioc.ioc.unsaved import Unsaved
from pixieioc.ioc.worker import Worker
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.build import all_pvs
from pixieioc.tasks.disk import read_file, replace_file, sync
from pixieioc.tasks.versions import Versions, readers

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Seconds in which what is written is saved together, and seconds from a failure to the next attempt.
_TOGETHER, _AGAIN = 0.2, 1.0
#: How often it is shown that saving works, in seconds.
_BEAT = 1.0
#: How long a file of a client may take, in seconds.
_ANSWER = 10.0
#: Names of files that clients may save and load; synApps has numbered copies, and copies with a date.
_FILE, _COPY = re.compile(r".*\.sav"), re.compile(r".*\.sav(?:[0-9B]|[-_].*)?")
#: The parameter that the IOC counts itself: a file in which nothing else is new is no version of its own.
_COUNTED = "file_number"


class Autosave:
    """The settings of the IOC that no device keeps, and the fields that clients have set, by their names with prefix.

    `infos` are the process variables as they are declared, `views` the records for clients.
    """

    def __init__(self, pvs: Pvs, infos: Mapping[str, PvInfo], config: Config, views: Views) -> None:
        self._pvs = pvs
        self._loop = asyncio.get_running_loop()
        self._restorer = Restorer(views)
        self._folder = config.state_folder
        self._configuration = f"{config.prefix} {' > '.join(config.chain)}"
        family = hashlib.sha256(self._configuration.encode()).hexdigest()[:8]
        self._versions = Versions(self._folder, f"settings-{family}", ".sav")
        self._status = SaveStatus(pvs)
        self._worker = Worker("pixieioc settings")
        self._outside = Worker("pixieioc files of settings")  # of clients: on any disk, for which saving does not wait
        file = config.of_file
        self._unsaved = Unsaved(pvs, infos, all_pvs(file) if file is not None else {})
        records = self._unsaved.records
        self._long = {name for name, record in records.items() if record.info.is_text}
        self._counted = {name for name, record in records.items() if record.info.source.name == _COUNTED}
        said = self._unsaved.configured
        self._overridden = {
            name
            for name, record in records.items()
            if _is_overridden(record.info, config) or said[name] != self._unsaved.declared(name)
        }
        self._content = sav.Content(self._configuration, self._long)  # the worker's, once it has begun
        #: What is in no file yet; None: a field that is as it is declared again.
        self._waiting: dict[str, str | None] = {}
        self._newest: Path | None = None
        self._newest_is_minor = False
        self._saving: asyncio.Future[None] | None = None
        self._is_behind = False  # at the end
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.TimerHandle | None = None

    # -- the start --------------------------------------------------------------------------------------------------

    async def begin(self, *, restore: bool = True) -> None:
        """Restores what was saved, and saves whatever is written from now on."""
        choice = await self._worker.do(self._choice)
        saved = await self._restore(choice, wanted=restore)
        now = self._unsaved.watch(self._changed) | self._held(choice.saved if restore else None)
        self._content.put(now, self._unsaved.configured)
        self._waiting = {name: text for name, text in now.items() if saved.get(name) != text}
        self._waiting |= {name: None for name in saved if name not in now}
        self._changed()
        self._beat()

    def _held(self, saved: Saved | None) -> dict[str, str]:
        """What stays saved of the settings that the command line says."""
        return held(saved, {name: self._unsaved.configured[name] for name in self._overridden})

    def serve(self, may_write: Callable[[View, Client], bool]) -> None:
        """Has clients load and save files of settings; `may_write` says what a client may write."""
        self._pvs.on_put("SR_file", lambda value, _: self._pvs.post("SR_file", value))
        self._pvs.on_put("SR_restore", self._command("SR_restore", functools.partial(self._load, may_write)))
        self._pvs.on_put("SR_save", self._command("SR_save", self._save_as))

    def _beat(self) -> None:
        if self._worker.waiting < _AGAIN:  # a disk that does not answer has no heart
            self._status.beat()
        self._beating = self._loop.call_later(_BEAT, self._beat)

    def _choice(self) -> Choice:
        """In the worker's thread: the file that is used.

        Those of other configurations are told of only if there is none of this one.
        """
        try:
            own = self._versions.paths()
            others = [] if own else sorted(self._folder.glob("settings-*.sav"), reverse=True)[:1]
            choice = choose(readers(own + others), self._configuration)
        except OSError as error:
            return Choice(None, "", (f"the state folder {self._folder} cannot be read: {error.strerror}",))
        self._newest = self._folder / choice.name if choice.saved is not None else None
        self._versions.begun_with = self._newest
        return choice

    async def _restore(self, choice: Choice, *, wanted: bool) -> Mapping[str, str]:
        """Restores what is to be restored of a file; returns what is saved, and need not be saved again."""
        left, count, is_saved = list(choice.rejected), 0, dict[str, str]()
        if choice.saved is not None and wanted:
            plan = planned(choice.saved, self._unsaved.declared, self._overridden, self._unsaved.shown)
            for name in plan.writes:
                self._unsaved.note_field(name)
            refused = await self._restorer.write(plan.writes, RESTORING)
            count = len(plan.writes) - len(refused)
            left += plan.left + [f"{name} = {plan.writes[name]}: {why}" for name, why in refused.items()]
            if not choice.rejected:  # otherwise it is written again, so that the newest file is a good one
                is_saved = dict(choice.saved.values)
        self._status.restored(choice.name if wanted else "", choice.saved if wanted else None, count, left)
        return is_saved

    # -- saving -------------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        if self._timer is None and self._saving is None:
            self._timer = self._loop.call_later(_TOGETHER, self._save)

    def _save(self) -> asyncio.Future[None] | None:
        """Has a file written, unless one is being written or nothing is new."""
        self._timer = None
        if self._saving is not None:
            return self._saving
        self._waiting |= self._unsaved.take()
        if not self._waiting:
            return None
        news, self._waiting = self._waiting, {}
        # The version before is worth keeping only if it had something else than a new count.
        minor = news.keys() <= self._counted
        instead = self._newest if minor and self._newest_is_minor else None
        configured = {name: text for name in news if (text := self._unsaved.configured.get(name)) is not None}
        write = functools.partial(self._write, news, configured, instead)
        self._saving = asyncio.ensure_future(self._finish(self._worker.do(write), news, minor=minor))
        return self._saving

    async def _finish(self, writing: asyncio.Future[Path], news: dict[str, str | None], *, minor: bool) -> None:
        """Shows how it went; what was written meanwhile is next, and what has failed is tried again."""
        pause = _TOGETHER
        try:
            while not (await asyncio.wait([writing], timeout=_AGAIN))[0]:
                self._status.silent(self._folder, self._worker.waiting)
            self._newest = writing.result()
            self._newest_is_minor = minor
            self._status.saved(self._newest)
        except OSError as error:
            self._waiting, pause = news, _AGAIN
            self._status.failed(self._folder, error)
        finally:
            self._saving = None
        self._waiting |= self._unsaved.take()
        if self._waiting and self._timer is None:
            self._timer = self._loop.call_later(pause, self._save)

    def _write(self, news: Mapping[str, str | None], configured: Mapping[str, str], instead_of: Path | None) -> Path:
        """In the worker's thread."""
        self._content.put(news, configured)
        return self._versions.write(self._content.written(_now()), instead_of=instead_of)

    async def end(self, patience: float = 0.3) -> None:
        """Saves what has changed since, if the file system takes it within so many seconds."""
        for handle in (self._timer, self._beating):
            if handle is not None:
                handle.cancel()
        end = time.monotonic() + patience
        while (saving := self._save()) is not None and (left := end - time.monotonic()) > 0:
            await asyncio.wait([saving], timeout=left)
            if self._timer is not None:
                self._timer.cancel()
        self._is_behind = self._saving is not None or bool(self._waiting)
        if self._is_behind:
            log.error("what was written to settings last is not saved: %s", self._status.problem or self._folder)
        for worker in (self._worker, self._outside):
            worker.close()

    def unwritten(self) -> Iterator[str]:
        """What is not saved, if there is anything."""
        if self._is_behind or self._saving is not None or self._waiting:
            yield f"the settings that were changed last (in {self._folder})"

    # -- files of clients ---------------------------------------------------------------------------------------------

    def _command(self, pv: str, do: Callable[[Path, Client], Awaitable[str]]) -> Put:
        async def order(client: Client) -> None:
            path = self._file(also_copies=pv == "SR_restore")
            self._pvs.post(pv, 1)
            try:
                self._status.recently(await do(path, client))
            except (OSError, BadFile) as error:
                raise PutRefused(f"{path}: {getattr(error, 'strerror', None) or error}") from None
            finally:
                self._pvs.post(pv, 0)

        def put(value: Any, client: Client) -> Awaitable[None] | None:
            return order(client) if value else None

        return put

    def _file(self, *, also_copies: bool) -> Path:
        name = str(self._pvs["SR_file"].value)
        path = self._folder / Path(name).expanduser()
        if not (_COPY if also_copies else _FILE).fullmatch(path.name):
            copies = ", or of a copy of one, such as *.savB, *.sav0 or *.sav_DATE" if also_copies else ""
            raise PutRefused(f"SR_file {name!r}: must be the name of a file of settings, *.sav{copies}")
        if not also_copies and self._versions.has(path):
            raise PutRefused(f"SR_file {name!r}: the IOC writes versions of this name itself; choose another one")
        return path

    async def _ask(self, function: Callable[[], T]) -> T:
        """Does something with a file of a client; OSError if it does not answer."""
        answer = self._outside.do(function)
        await asyncio.wait([answer], timeout=_ANSWER)
        if not answer.done():
            answer.cancel()
            raise OSError(errno.ETIMEDOUT, "its file system does not answer")
        return answer.result()

    async def _save_as(self, path: Path, _: Client) -> str:
        values, configured = self._unsaved.all(), self._unsaved.configured

        def write() -> None:
            replace_file(path, sav.written(values, configured, self._configuration, _now(), self._long))
            sync(path.parent)

        await self._ask(write)
        return f"Saved {path.name}"

    async def _load(self, may_write: Callable[[View, Client], bool], path: Path, client: Client) -> str:
        """Writes what a file has, as this client; what is refused is named, and all else is written."""
        saved = sav.read(await self._ask(functools.partial(read_file, path)))
        known = {name: value for name, value in saved.values.items() if self._unsaved.declared(name) is not None}
        for name in known:
            self._unsaved.note_field(name)
        refused = await self._restorer.write(known, client, lambda view: may_write(view, client))
        left = [f"{name} = {known[name]}: {why}" for name, why in refused.items()]
        left += [f"{name}: {why}" for name, why in saved.unreadable.items()]
        left += [f"{name}: there is no such setting" for name in saved.values if name not in known]
        self._status.loaded(path, len(known) - len(refused), left)
        if left:
            raise PutRefused(in_words(left))
        return f"Loaded {path.name}"


def _is_overridden(info: PvInfo, config: Config) -> bool:
    """Whether the command line says what a setting is."""
    return (info.source.task or RUN, info.source.name) in config.overridden


def _now() -> str:
    return datetime.now().astimezone().isoformat(" ", "seconds")
