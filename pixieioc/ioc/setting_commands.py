"""Commands that tasks declare as parameters: each is carried out at once, and whoever gives it waits for that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.records import Client, Put, PutRefused, Pvs
from pixieioc.ioc.setting_delivery import Delivery
from pixieioc.ioc.setting_display import SettingDisplay
from pixieioc.pipeline import Refused

#: Makes the refusal of a put: its process variable, why, and whose it is.
Refusal = Callable[[str, str, Client], PutRefused]


class SettingCommands:
    """What a put of a command does; `busy`, then `refuse` or `done` get how it goes."""

    def __init__(
        self, pvs: Pvs, pipeline: LivePipeline, delivery: Delivery, display: SettingDisplay, refuse: Refusal,
        done: Callable[[str, Client], None], busy: Callable[[str, Client], None],
    ) -> None:  # fmt: skip
        self._pvs = pvs
        self._pipeline = pipeline
        self._delivery = delivery
        self._display = display
        self._refuse = refuse
        self._done, self._busy = done, busy
        #: What is being carried out, by task: the process variable of the command.
        self.under_way: dict[str, str] = {}

    def putter(self, pv: str, task: str, name: str, *, device: bool) -> Put:
        """What a put to the process variable of a command does; one for a `device` needs the task to be there."""

        def put(value: Any, client: Client) -> Awaitable[None] | None:
            return (
                self._give(pv, task, name, client, device) if value and (device or self._pipeline.processes) else None
            )

        return put

    async def _give(self, pv: str, task: str, name: str, client: Client, device: bool) -> None:
        if device and (absent := self._delivery.absent([task])):
            raise self._refuse(pv, absent, client)
        self._pvs.post(pv, 1)
        self._busy(pv, client)
        self.under_way[task] = pv
        try:
            await self._pipeline.do(self._pipeline.configuring({task: {name: True}}))
            await self._display.shown()
        except Refused as error:
            raise self._refuse(pv, str(error), client) from None
        finally:
            self._pvs.post(pv, 0)
            self.under_way.pop(task, None)
        self._done(pv, client)
