"""Setpoints: each is checked at once, and used at once if it fits the others; otherwise with its partner.

What is written in one turn of the loop reaches the tasks in one message each, in the order in which it was written.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pixieioc.config import RUN, Config, RunParameters, absolute, to_json
from pixieioc.config_tasks import not_ready
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.records import Client, PutRefused, Pvs, stamp
from pixieioc.ioc.setting_commands import SettingCommands
from pixieioc.ioc.setting_delivery import Delivery, changes_of
from pixieioc.ioc.setting_display import SettingDisplay
from pixieioc.ioc.setting_json import read_json
from pixieioc.ioc.setting_store import Key, SettingStore
from pixieioc.pipeline import Refused
from pixieioc.pipeline.declaration import shorten
from pixieioc.pipeline.declare import Value
from pixieioc.pipeline.in_use import InUse, Limits
from pixieioc.pipeline.validate import Values
from pixieioc.pvinfo.declared import from_pv
from pixieioc.pvinfo.states import Outcome

#: Says what a put has come to: status, message, client, and the name of what was written.
Told = Callable[[Outcome, str, Client, str], None]


@dataclass(eq=False)
class _Written:
    """A put that was accepted: what it wrote, and who waits for it."""

    pv: str
    keys: list[Key]
    client: Client
    text: str
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Settings:
    """The values of all parameters: those that are used, and those that were written and wait for a partner.

    `locked` says why nothing but live parameters may be written now, or is empty. `told` gets the outcome of each put,
    `on_fault` an exception of ours that costs no more than what it was about.
    """

    def __init__(
        self, pvs: Pvs, config: Config, pipeline: LivePipeline, locked: Callable[[], str], told: Told,
        on_fault: Callable[[str, BaseException], None],
    ) -> None:  # fmt: skip
        self._pvs = pvs
        self._pipeline = pipeline
        self._locked = locked
        self._told = told
        self._folder = config.folder
        classes: dict[str, type] = {**config.tasks, RUN: RunParameters}
        self._store = SettingStore(classes, {**config.settings, RUN: config.run})
        self._parameters = self._store.parameters
        #: Called when run parameters have changed.
        self.on_run_parameters: Callable[[], None] = lambda: None
        self._watching: list[Callable[[], None]] = []
        self._display = SettingDisplay(pvs, self._store, on_fault)
        self.shown, self.when_shown = self._display.shown, self._display.when_shown
        self._written: list[_Written] = []
        self._again = False  #: what waits may fit what has come into use meanwhile
        self._moving: set[Key] = set()
        self._working: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._delivery = Delivery(pipeline)
        self._commands = SettingCommands(
            pvs, pipeline, self._delivery, self._display, self._refuse, self._done, self._busy
        )
        self.commands_under_way: Mapping[str, str] = self._commands.under_way
        self._serve()
        # Whatever makes a task makes it with the values that are used then.
        pipeline.task_kwargs = {name: values for name, values in self._store.used.items() if name != RUN}
        self._outdate()

    def _serve(self) -> None:
        for pv, record in self._pvs.items():
            source = record.info.source
            key = (source.task or RUN, source.name, source.place)
            if source.kind == "parameter" and (known := self._parameters[key[0]][source.name]).command:
                self._pvs.on_put(pv, self._commands.putter(pv, *key[:2], device=known.device))
            elif source.kind == "parameter":
                self._display.setpoints[key] = pv
                self._pvs.on_put(pv, self._putter(pv, key))
            elif source.kind == "readback":
                self._display.readbacks[key] = pv
        self._pvs.on_put("ConfigJSON", self._put_json)

    def watch(self, on_change: Callable[[], None]) -> None:
        """Has `on_change` called when something is in use that was not: once for what was written together."""
        self._watching.append(on_change)

    def _tell(self) -> None:
        for on_change in self._watching:
            on_change()

    # -- what others want to know -------------------------------------------------------------------------------------

    @property
    def run(self) -> dict[str, Any]:
        """The run parameters that are used."""
        return self._store.used[RUN]

    @property
    def used(self) -> Values:
        """The values that are used, by task and parameter."""
        return self._store.used

    def shared(self, name: str, default: Any = None) -> Any:
        """What the next run will use of a shared parameter; `default` if no task has it."""
        return next((values[name] for values in self._store.wanted.values() if name in values), default)

    @property
    def dirty(self) -> Values:
        """What was written and waits for something that it fits, by task and parameter (of which channel)."""
        found: Values = {}
        for key in self._waiting():
            found.setdefault(key[0], {})[self._store.named_in_task(key)] = self._store.is_wanted(key)
        return found

    def problem(self) -> str:
        """What does not fit of what waits, each of which is possible by itself; or an empty text."""
        return self._store.problem(waiting) if (waiting := self._waiting()) else ""

    def not_ready(self, run_id: int) -> str:
        """What the tasks, which may look at files, say against a run of this number with the wanted values."""
        tasks = [(cls, self._store.wanted[task]) for task, cls in self._store.classes.items() if task != RUN]
        return "; ".join(text for cls, values in tasks for text in not_ready(cls, values, run_id))

    def _waiting(self) -> list[Key]:
        under_way = self._moving | _keys(self._written)
        return [key for key in self._store.dirty if key not in under_way]

    # -- applying -----------------------------------------------------------------------------------------------------

    async def apply(self, *, everything: bool = True) -> None:
        """Has the tasks use what waits; Refused if a task does not accept it, or `everything` is to fit and does not.

        Of live settings, written since a run was accepted, what waits for its partner goes on waiting.
        """
        while self._working is not None and not self._working.done():
            await asyncio.wait([self._working])
        async with self._lock:
            await self._use(self._store.fitting())
            await self._delivery.deliver_owed(self._store.is_used)
            self._show_dirty()
        if everything and (problem := self.problem()):
            raise Refused(problem)

    async def apply_shared(self, name: str, value: Value) -> None:
        """Has every task that has this shared parameter use a value."""
        keys: list[Key] = [(task, name, ()) for task, values in self._store.used.items() if name in values]
        self._want(keys, value)
        async with self._lock:
            await self._use([key for key in keys if key in self._store.dirty])
            self._show_dirty()

    async def _use(self, keys: Iterable[Key]) -> None:
        """Has the tasks use the wanted values of these keys, and shows what they answer; Refused if one does not."""
        changes, before = changes_of(keys, self._store.is_wanted), changes_of(keys, self._store.is_used)
        moving = {(task, *spot) for task, of_task in changes.items() for spot in of_task}
        self._moving |= moving
        try:
            in_use = await self._delivery.deliver(changes, before) if changes.keys() - {RUN} else changes
        finally:
            self._moving -= moving
        for task, of_task in in_use.items():
            for spot, value in of_task.items():
                key = (task, *spot)
                self._store.answer(key, changes[task][spot], value)
                self._display.show_used(key)
        if changes:
            self._outdate()
        if RUN in changes:
            self.on_run_parameters()

    def take_in_use(self, task: str, values: InUse, limits: Limits, time: float) -> None:
        """A task says what it uses, after a write or without having been asked, and what may be written from now on."""
        limited = self._store.limit(task, limits)
        news = self._store.announce(task, values, self._delivery.owed(task))
        self._display.show(news, stamp(time), limited)
        if not news:
            return
        self._outdate()
        self._show_dirty()
        if any(key[0] == task for key in self._waiting()):  # it may fit now
            self._begin_to_work(again=True)
        self._tell()

    # -- puts ---------------------------------------------------------------------------------------------------------

    def _putter(self, pv: str, key: Key) -> Callable[[Any, Client], Awaitable[None] | None]:
        """What a put does to a parameter, or to the part of one that belongs to one place."""
        parameter = self._parameters[key[0]][key[1]]
        keys = self._store.sharing(key)

        def put(value: Any, client: Client) -> Awaitable[None] | None:
            given = from_pv(parameter, value)
            values = {key: self._accept(pv, key, given, client) for key in keys}
            self._check_lock(pv, [key for key in keys if not self._store.is_setpoint(key, values[key])], client)
            return self._write(pv, values, client, f"{pv} = {value}")

        return put

    def _accept(self, pv: str, key: Key, given: Any, client: Client) -> Value:
        """A value that is possible by itself; otherwise the put is refused."""
        task, name, _ = key
        try:
            value = self._store.check(key, given)
        except ValueError as error:
            raise self._refuse(pv, f"{self._store.named(key)} = {shorten(given)}: {error}", client) from None
        if impossible := self._store.impossible(key, value):
            raise self._refuse(pv, impossible, client)
        return absolute(self._store.classes[task], {name: value}, self._folder)[name]

    def _check_lock(self, pv: str, changed: Collection[Key], client: Client) -> None:
        """Refuses a put that changes what cannot be changed now. A value that is what it was is no change."""
        if why := self._store.locked(changed, self._locked, self._delivery.absent):
            raise self._refuse(pv, why, client)

    def _put_json(self, value: Any, client: Client) -> Awaitable[None] | None:
        pv = "ConfigJSON"
        try:
            tasks, values = read_json(value, self._store, self._folder)
        except Refused as error:
            raise self._refuse(pv, str(error), client) from None
        changed = {key: new for key, new in values.items() if not self._store.is_setpoint(key, new)}
        self._check_lock(pv, changed, client)
        return self._write(pv, changed, client, f"{pv}: {', '.join(tasks)} accepted")

    def _write(self, pv: str, values: Mapping[Key, Any], client: Client, text: str) -> Awaitable[None] | None:
        """Takes values over that are possible; they are used when they fit, which the put waits for."""
        for key, value in values.items():
            self._want([key], value)
        self._outdate()
        written = _Written(pv, list(values), client, text)
        if all(task == RUN for task, _, _ in values):  # there is nobody to wait for
            self._use_of_run(written)
            return None
        self._written.append(written)
        self._begin_to_work()
        return written.done

    def _begin_to_work(self, *, again: bool = False) -> None:
        self._again |= again
        if self._working is None or self._working.done():
            self._working = asyncio.get_running_loop().create_task(self._work())

    def _use_of_run(self, written: _Written) -> None:
        for key in written.keys:
            self._store.use(key, self._store.is_wanted(key))
            self._display.show_used(key)
        if written.keys:
            self.on_run_parameters()
        self._told("OK", written.text, written.client, written.pv)
        self._tell()

    def _want(self, keys: Iterable[Key], value: Any) -> None:
        for key in keys:
            self._store.want(key, value)
            self._display.show_setpoint(key)

    async def _work(self) -> None:
        """Has what was written used, all of one turn of the loop together, until there is nothing more."""
        while self._written or self._again:
            async with self._lock:
                batch, self._written, self._again = self._written, [], False
                await self._settle(batch)
                self._show_dirty()
            self._tell()

    async def _settle(self, batch: list[_Written], held: Collection[Key] = ()) -> None:
        """Has the tasks use what fits now; if they refuse, one put after the other is tried."""
        try:
            await self._use(self._store.fitting(held, first=_keys(batch)))
        except Refused as error:
            if len(batch) == 1:
                self._take_back(batch[0], str(error), held)
                return
            for i, written in enumerate(batch):
                later = _keys([*batch[i + 1 :], *self._written])
                await self._settle([written], later - set(written.keys))
            return
        except BaseException as error:
            for written in batch:
                self._take_back(written, f"{type(error).__name__}: {error}", held)
            raise
        await self._display.shown()
        for written in batch:
            why = ""
            if any(key in self._store.dirty for key in written.keys):
                why = f" is kept until it fits: {self._store.problem(self._waiting())}"
            self._told("OK", written.text + why, written.client, written.pv)
            if not written.done.done():
                written.done.set_result(None)

    def _take_back(self, written: _Written, why: str, later: Collection[Key]) -> None:
        """A task has not accepted it: what is used stays, and the setpoint says that."""
        for key in written.keys:
            if key not in later:
                self._store.give_up(key)
                self._display.show_setpoint(key)
        refusal = self._refuse(written.pv, why, written.client)
        if not written.done.done():
            written.done.set_exception(refusal)

    def _busy(self, pv: str, client: Client) -> None:
        self._told("Busy", f"{pv} is in progress", client, pv)

    def _done(self, pv: str, client: Client) -> None:
        self._told("OK", f"{pv} done", client, pv)

    def _refuse(self, pv: str, why: str, client: Client) -> PutRefused:
        """The setpoint goes back to the accepted value, for everybody who looks at it."""
        record = self._pvs[pv]
        record.refresh()
        self._pvs.post(pv, record.value, force=True)
        self._told("Refused", f"{pv}: {why}", client, pv)
        return PutRefused(why)

    # -- showing ------------------------------------------------------------------------------------------------------

    def _show_dirty(self) -> None:
        dirty = int(bool(self._waiting()))
        if self._pvs["ConfigDirty_RBV"].value != dirty:
            self._pvs.post("ConfigDirty_RBV", dirty)

    def _outdate(self) -> None:
        """The whole as one text is made when somebody reads it, or once a second for those who monitor it."""
        for pv, values in (("ConfigJSON", self._store.wanted), ("ConfigJSON_RBV", self._store.used)):
            self._pvs[pv].outdate(functools.partial(self._post_json, pv, values))

    def _post_json(self, pv: str, values: Values) -> None:
        self._pvs.post(pv, to_json(values, self._store.classes))


def _keys(written: Iterable[_Written]) -> set[Key]:
    return {key for each in written for key in each.keys}
