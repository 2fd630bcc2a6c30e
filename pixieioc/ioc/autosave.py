"""Settings survive a restart: saved within a second after a change, restored before the first client connects.

The rules are in `saved_settings.py`, the text of a file in `sav.py`. Files are written in a thread: nothing here waits.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from pixieioc.config import RUN, Config
from pixieioc.ioc import sav
from pixieioc.ioc.ca.view import View, Views
from pixieioc.ioc.records import RESTORING, Client, Pvs
from pixieioc.ioc.restore import Restorer
from pixieioc.ioc.sav import Saved
from pixieioc.ioc.save_status import SaveStatus
from pixieioc.ioc.saved_settings import Choice, choose, held, planned, with_present_states
from pixieioc.ioc.setting_files import SettingFiles
from pixieioc.ioc.unsaved import Unsaved
from pixieioc.ioc.worker import Worker
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.build import all_pvs
from pixieioc.tasks.disk import replace_file, sync
from pixieioc.tasks.versions import Versions, readers

log = logging.getLogger(__name__)

#: Seconds in which what is written is saved together, and seconds from a failure to the next attempt.
_TOGETHER, _AGAIN = 0.2, 1.0
#: How often it is shown that saving works, in seconds.
_BEAT = 1.0
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
        self._files: SettingFiles | None = None  # of clients: on any disk, for which saving does not wait
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
        self._content = sav.Content(
            self._configuration, self._long, self._unsaved.states
        )  # the worker's, once it has begun
        #: What is in no file yet; None: a field that is as it is declared again.
        self._waiting: dict[str, str | None] = {}
        self._newest: Path | None = None
        self._newest_of = 0.0  # when it was written, by the clock
        self._newest_is_minor = False
        self._saving: asyncio.Future[None] | None = None
        self._is_behind = False  # at the end
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.TimerHandle | None = None

    # -- the start --------------------------------------------------------------------------------------------------

    async def begin(self, *, restore: bool = True, starts: int = 1) -> None:
        """Restores what was saved, and saves whatever is written from now on; `starts` is how many there were."""
        choice = await self._worker.do(lambda: self._choice(starts))
        saved = await self._restore(choice, wanted=restore)
        now = self._unsaved.watch(self._changed) | self._held(choice.saved if restore else None)
        self._content.put(now, self._unsaved.configured)
        self._waiting = {name: text for name, text in now.items() if saved.get(name) != text}
        self._waiting |= {name: None for name in saved if name not in now}
        self._changed()
        self._beat()

    def serve(self, may_write: Callable[[View, Client], bool]) -> None:
        """Has clients load and save files of settings; `may_write` says what a client may write."""
        self._files = SettingFiles(
            self._pvs, self._unsaved, self._restorer, self._versions, self._status, self._all, may_write
        )

    def _all(self) -> bytes:
        """All settings as they are, as the content of a file."""
        unsaved, of = self._unsaved, self._configuration
        return sav.written(unsaved.all(), unsaved.configured, of, _now(), self._long, unsaved.states)

    def _held(self, saved: Saved | None) -> dict[str, str]:
        """What stays saved of the settings that the command line says."""
        return held(saved, {name: self._unsaved.configured[name] for name in self._overridden})

    def _beat(self) -> None:
        if self._worker.waiting < _AGAIN:  # a disk that does not answer has no heart
            self._status.beat()
        self._beating = self._loop.call_later(_BEAT, self._beat)

    def _choice(self, starts: int) -> Choice:
        """In the worker's thread: the file that is used.

        Those of other configurations are told of only if there is none of this one.
        """
        try:
            own = self._versions.paths()
            others = [] if own else sorted(self._folder.glob("settings-*.sav"), reverse=True)[:1]
            choice = choose(readers(own + others), self._configuration)
            self._newest = self._folder / choice.name if choice.saved is not None else None
            self._newest_of = self._newest.stat().st_mtime if self._newest is not None else 0.0
        except OSError as error:
            return Choice(None, "", (f"the state folder {self._folder} cannot be read: {error.strerror}",))
        self._versions.begun_with = self._newest
        if not own and not others and starts > 1:
            gone = f"no file of settings is in {self._folder}, although this is start number {starts} with this folder"
            return Choice(None, "", (gone,))
        return choice

    async def _restore(self, choice: Choice, *, wanted: bool) -> Mapping[str, str]:
        """Restores what is to be restored of a file; returns what is saved, and need not be saved again."""
        left, count, is_saved = list(choice.rejected), 0, dict[str, str]()
        if choice.saved is not None and wanted:
            present, reasons = with_present_states(choice.saved, self._unsaved.states)
            plan = planned(present, self._unsaved.declared, self._overridden, self._unsaved.shown)
            for name in plan.writes:
                self._unsaved.note_field(name)
            refused = await self._restorer.write(plan.writes, RESTORING)
            count = len(plan.writes) - len(refused)
            left += [*plan.left, *reasons, *(f"{name} = {plan.writes[name]}: {why}" for name, why in refused.items())]
            if plan.lost or reasons or refused:
                left.append(await self._worker.do(functools.partial(self._set_aside, choice.name)))
            if not choice.rejected:  # otherwise it is written again, so that the newest file is a good one
                is_saved = dict(choice.saved.values)
        if self._newest is not None:
            self._status.newest(self._newest.name, datetime.fromtimestamp(self._newest_of))
        self._status.restored(choice.name if wanted else "", choice.saved if wanted else None, count, left)
        return is_saved

    def _set_aside(self, name: str) -> str:
        """In the worker's thread: keeps a file of which not all could be restored, until somebody removes it."""
        aside = self._folder / f"left-{name}"
        try:
            replace_file(aside, (self._folder / name).read_bytes())
            sync(self._folder)
        except OSError as error:
            return f"{aside} cannot be written: {error.strerror}"
        return f"all that was saved stays in {aside.name}, which SR_restore can load"

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
        self._worker.close()
        if self._files is not None:
            self._files.close()

    def unwritten(self) -> Iterator[str]:
        """What is not saved, if there is anything."""
        if self._is_behind or self._saving is not None or self._waiting:
            yield f"the settings that were changed last (in {self._folder})"


def _is_overridden(info: PvInfo, config: Config) -> bool:
    """Whether the command line says what a setting is."""
    return (info.source.task or RUN, info.source.name) in config.overridden


def _now() -> str:
    return datetime.now().astimezone().isoformat(" ", "seconds")
