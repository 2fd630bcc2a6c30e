"""Setpoints: checked at once, staged, and applied together by Configure or by the next start."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pixieioc.config import RUN, Config, RunParameters, absolute, to_json
from pixieioc.config_tasks import disagreements, not_ready
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.records import Client, PutRefused, Pvs
from pixieioc.pipeline import Refused, channel_values
from pixieioc.pipeline.declare import Value, parameters_of
from pixieioc.pipeline.validate import Values, validate
from pixieioc.pvinfo.declared import as_pv, from_pv
from pixieioc.pvinfo.model import Source


class Settings:
    """The values of all parameters: those that are used, and those that were written and wait.

    `locked` says why nothing but live parameters may be written now, or is empty. `told` gets the outcome of each put:
    status, message, client, and the name of what was written.
    """

    def __init__(
        self,
        pvs: Pvs,
        config: Config,
        pipeline: LivePipeline,
        locked: Callable[[], str],
        told: Callable[[str, str, Client, str], None],
    ) -> None:
        self._pvs = pvs
        self._pipeline = pipeline
        self._locked = locked
        self._told = told
        self._folder = config.folder
        self._classes: dict[str, type] = {**config.tasks, RUN: RunParameters}
        self._parameters = {name: parameters_of(cls) for name, cls in self._classes.items()}
        self.used: Values = {**{name: dict(values) for name, values in config.settings.items()}, RUN: dict(config.run)}
        self._staged: Values = {name: dict(values) for name, values in self.used.items()}
        self.on_run_parameters: Callable[[], None] = lambda: None
        #: Setpoints and readbacks of each parameter, with what each of them shows of it.
        self._sources: dict[tuple[str, str], list[tuple[str, Source]]] = {}
        self._shown: dict[tuple[str, str], tuple[Value, Value]] = {}
        for name, record in pvs.items():
            source = record.info.source
            key = (source.task or RUN, source.name)
            if source.kind == "parameter" and self._parameters[key[0]][source.name].command:
                pvs.on_put(name, self._commander(name, *key))
            elif source.kind in ("parameter", "readback"):
                self._sources.setdefault(key, []).append((name, source))
                if source.kind == "parameter":
                    pvs.on_put(name, self._putter(name, *key, source.place))
        pvs.on_put("ConfigJSON", self._put_json)
        self._show()

    @property
    def run(self) -> dict[str, Any]:
        """The run parameters that are used."""
        return self.used[RUN]

    def shared(self, name: str, default: Any = None) -> Any:
        """What the next run will use of a shared parameter; `default` if no task has it."""
        return next((values[name] for values in self._staged.values() if name in values), default)

    @property
    def dirty(self) -> Values:
        """What was written and is not used yet."""
        changed = {
            task: {name: value for name, value in values.items() if value != self.used[task][name]}
            for task, values in self._staged.items()
        }
        return {task: values for task, values in changed.items() if values}

    def problem(self) -> str:
        """What the tasks say against the values that wait, each of which is acceptable by itself; or an empty text."""
        tasks = [task for task in self.dirty if task != RUN]
        found = (p.text for t in tasks for p in disagreements(self._classes[t], self._staged[t], (t,)))
        return "; ".join(found)

    def not_ready(self, run_id: int) -> str:
        """What the tasks say against a run of this number with the values that it would have; or an empty text.

        May look at files: call it where waiting for a disk does no harm.
        """
        tasks = [(cls, self._staged[task]) for task, cls in self._classes.items() if task != RUN]
        return "; ".join(text for cls, values in tasks for text in not_ready(cls, values, run_id))

    async def apply(self) -> None:
        """Has the tasks use what waits; Refused (and nothing has changed) if one of them does not accept it."""
        await self.apply_values(self.dirty)

    async def apply_values(self, values: Mapping[str, Mapping[str, Value]]) -> None:
        """Has the tasks use these values."""
        tasks = {name: dict(of_task) for name, of_task in values.items() if name != RUN}
        if tasks and self._pipeline.processes:
            await self._pipeline.do(self._pipeline.configuring(tasks))
        for name, of_task in values.items():
            self.used[name].update(of_task)
            self._staged[name].update(of_task)
        self._pipeline.task_kwargs = {name: dict(of_task) for name, of_task in self.used.items() if name != RUN}
        self._show()
        if RUN in values:
            self.on_run_parameters()

    async def apply_shared(self, name: str, value: Value) -> None:
        """Has every task that has this shared parameter use a value."""
        await self.apply_values({task: {name: value} for task, values in self.used.items() if name in values})

    # -- puts ---------------------------------------------------------------------------------------------------------

    def _putter(
        self, pv: str, task: str, name: str, place: tuple[int, ...]
    ) -> Callable[[Any, Client], Awaitable[None] | None]:
        """What a put does to a parameter, or to the part of one that belongs to one place."""
        parameter = self._parameters[task][name]

        def put(value: Any, client: Client) -> Awaitable[None] | None:
            given = from_pv(parameter, value)
            if place:
                given = channel_values.replaced(self._staged[task][name], place, given)
            # A shared parameter is written once for all tasks that have it.
            config = {name: given} if parameter.shared else {task: {name: given}}
            return self._stage(pv, config, client, f"{pv} = {value}")

        return put

    def _commander(self, pv: str, task: str, name: str) -> Callable[[Any, Client], Awaitable[None] | None]:
        async def order(client: Client) -> None:
            self._pvs.post(pv, 1)
            try:
                await self._pipeline.do(self._pipeline.configuring({task: {name: True}}))
            except Refused as error:
                raise self._refuse(pv, str(error), client) from None
            finally:
                self._pvs.post(pv, 0)
            self._told("OK", f"{pv} done", client, pv)

        return lambda value, client: order(client) if value and self._pipeline.processes else None

    def _put_json(self, value: Any, client: Client) -> Awaitable[None] | None:
        try:
            config: Any = json.loads(value)
            if not isinstance(config, dict):
                raise TypeError("must be an object: task to parameters, or parameter to value")
        except (ValueError, TypeError) as error:
            raise self._refuse("ConfigJSON", f"not a configuration: {error}", client) from None
        return self._stage("ConfigJSON", config, client, f"ConfigJSON: {', '.join(config)} accepted")

    def _stage(self, pv: str, config: Mapping[str, Any], client: Client, said: str) -> Awaitable[None] | None:
        """Takes values over if all of them are acceptable now; live ones are used at once."""
        try:
            accepted = validate(config, self._classes, commands=False, known=self._staged)
        except Refused as error:
            raise self._refuse(pv, str(error), client) from None
        accepted = {task: absolute(self._classes[task], values, self._folder) for task, values in accepted.items()}
        locked = self._locked()
        # A value that is what it was is no change: a configuration that was read can be written back.
        changed = [(t, n) for t, values in accepted.items() for n in values if values[n] != self._staged[t][n]]
        fixed = [f"{t}.{n}" for t, n in changed if self._parameters[t][n].fixed]
        not_live = [f"{t}.{n}" for t, n in changed if not self._parameters[t][n].live]
        if fixed:
            raise self._refuse(pv, f"{', '.join(fixed)}: can only be set in the configuration file", client)
        if locked and not_live:
            raise self._refuse(pv, f"{', '.join(not_live)} cannot be changed now: {locked}", client)
        if RUN in accepted and len(accepted) == 1:
            self.used[RUN].update(accepted[RUN])
            self._staged[RUN].update(accepted[RUN])
            self._show()
            self.on_run_parameters()
        elif locked or self._is_for_now(changed):
            return self._apply_live(pv, accepted, client, said)
        else:
            for task, values in accepted.items():
                self._staged[task].update(values)
            self._show()
        self._told("OK", said, client, pv)
        return None

    def _is_for_now(self, changed: list[tuple[str, str]]) -> bool:
        """Whether all that has changed is used at once, and the tasks that it concerns are there to do so."""
        there = {task for task, member in self._pipeline.processes.items() if member.known and not member.failed}
        return bool(changed) and all(t in there and self._parameters[t][n].at_once for t, n in changed)

    async def _apply_live(self, pv: str, accepted: Values, client: Client, said: str) -> None:
        try:
            await self.apply_values(accepted)
        except Refused as error:
            raise self._refuse(pv, str(error), client) from None
        self._told("OK", said, client, pv)

    def _refuse(self, pv: str, why: str, client: Client) -> PutRefused:
        """The setpoint goes back to the accepted value, for everybody who looks at it."""
        self._pvs.post(pv, self._pvs[pv].value, force=True)
        self._told("Refused", f"{pv}: {why}", client, pv)
        return PutRefused(why)

    # -- showing ------------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        """Posts setpoints, readbacks and what follows from them."""
        for key, pvs in self._sources.items():
            task, name = key
            values = self._staged[task][name], self.used[task][name]
            if self._shown.get(key) == values:
                continue
            self._shown[key] = values
            for pv, source in pvs:
                self._pvs.post(pv, as_pv(channel_values.at(values[source.kind == "readback"], source.place)))
        dirty = self.dirty
        self._pvs.post("ConfigDirty_RBV", int(bool(dirty)))
        self._pvs.post("ConfigJSON", to_json(self._staged, self._classes))
        self._pvs.post("ConfigJSON_RBV", to_json(self.used, self._classes))
