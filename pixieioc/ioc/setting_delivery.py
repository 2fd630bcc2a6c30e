"""New values on their way to the tasks, also to those that are just being made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from pixieioc.config import RUN
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.setting_store import Key
from pixieioc.pipeline.applying import applying
from pixieioc.pipeline.fitting import Spot
from pixieioc.pipeline.in_use import value_at
from pixieioc.pipeline.life import needs_new_process

#: New values by task and spot, and what of them is in use then.
Changes = dict[str, dict[Spot, Any]]


class Delivery:
    """Has tasks use new values; one that is just being made is sent again later what it cannot have had."""

    def __init__(self, pipeline: LivePipeline) -> None:
        self._pipeline = pipeline
        #: What tasks were not sent because they were just being made, by task.
        self._owed: dict[str, dict[Key, None]] = {}

    @property
    def _patience(self) -> float:
        """How long a task may take to use new values, in seconds: StopTimeout, as puts of others wait meanwhile."""
        return self._pipeline.watchdog.stop_timeout

    async def deliver(self, changes: Changes, before: Changes) -> Changes:
        """Gives tasks their new values and returns what is in use then; Refused, with all as `before`, if one does not.

        What is not there uses its values when it is made.
        """
        for task in changes.keys() - {RUN}:
            process = self._pipeline.processes.get(task)
            if process is not None and not process.known:
                self._owed.setdefault(task, {}).update(dict.fromkeys((task, *spot) for spot in changes[task]))
        tasks = {task: of_task for task, of_task in changes.items() if task != RUN}
        answers = await self._pipeline.do(applying(self._pipeline, tasks, before, self._patience))
        await self._replace(tasks, before)
        return {
            task: {spot: value_at(answers.get(task, {}), spot, value) for spot, value in of_task.items()}
            for task, of_task in changes.items()
        }

    def absent(self, tasks: Iterable[str]) -> str:
        """Which of these tasks cannot be reached now, as what is kept in a device needs; or an empty text."""
        for task in tasks:
            process = self._pipeline.processes.get(task)
            if process is None or process.failed or not process.known:
                return f"{task} is not running: its device cannot be reached"
        return ""

    def owed(self, task: str) -> Collection[Key]:
        """What was written for a task that was just being made, and has not been sent to it yet."""
        return self._owed.get(task, {})

    async def _replace(self, changes: Changes, before: Changes) -> None:
        """Has tasks replaced of which some new values need a new process."""
        outdated: list[str] = []
        for task in changes.keys() & self._pipeline.processes.keys():
            old = {name: before[task][name, place] for name, place in changes[task]}
            new = {name: value for (name, _), value in changes[task].items()}
            if needs_new_process(type(self._pipeline.processes[task].task), new, old):
                outdated.append(task)
        if outdated:
            await self._pipeline.do(self._pipeline.replacing(outdated))

    async def deliver_owed(self, value_of: Callable[[Key], Any]) -> None:
        """Sends what was written while a task was being made, now that it is there."""
        owed, self._owed = self._owed, {}
        if changes := changes_of([key for keys in owed.values() for key in keys], value_of):
            await self._pipeline.do(applying(self._pipeline, changes, changes, self._patience))
            await self._replace(changes, {task: dict.fromkeys(of_task) for task, of_task in changes.items()})


def changes_of(keys: Iterable[Key], value_of: Callable[[Key], Any]) -> Changes:
    """Values by task and spot."""
    changes: Changes = {}
    for task, name, place in keys:
        changes.setdefault(task, {})[name, place] = value_of((task, name, place))
    return changes
