"""A server with the same process variables twice, for test_hazards.py: ours, and caproto 1.3.0 as it is.

python served.py ours|caproto PREFIX
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable
from typing import Any

import numpy as np

ELEMENTS = 10_000


def refuse(value: Any, client: Any = None) -> None:
    """The hook of `Refusing`."""
    raise ValueError("not now")


async def ours(prefix: str) -> None:
    """The process variables as records of ours."""
    from pixieioc.ioc.ca.server import Server
    from pixieioc.ioc.records import Client, Record
    from pixieioc.ioc.records.rights import ALL, READ_ONLY, Rights, Security
    from pixieioc.pvinfo.model import PvInfo, text_pv

    nan = float("nan")
    infos = [
        PvInfo(
            "Number",
            "ao",
            "A number with one limit.",
            0.0,
            "mm",
            3,
            limits=(nan, nan, nan, 10.0),
            hysteresis=1.0,
            access="EN",
        ),
        PvInfo("Switch", "bo", "", labels=("Off", "On"), severities=("NO_ALARM", "MAJOR")),
        PvInfo("Other", "bo", "", labels=("Off", "On")),
        PvInfo("Mode", "mbbo", "", labels=("Soft", "Hard")),
        PvInfo("Count", "longout", ""),
        text_pv("Refusing", "", 40),
        PvInfo("Slow", "ao", "", 0.0),
        PvInfo("Clock", "ai", "", 0.0),
        PvInfo("Array", "waveform", "", [0.0], length=ELEMENTS),
        PvInfo("Flood", "longout", ""),
        PvInfo("Hooked", "longout", ""),
        PvInfo("Hooks", "longin", ""),
        PvInfo("Inside", "longout", ""),
        PvInfo("Ramp", "longout", ""),
        PvInfo("Deadband", "ai", "", 0.0, mdel=1.0),
        PvInfo("Driven", "ao", "", 0.0, drive=(-10.0, 10.0)),
        PvInfo("Steps", "longout", "", drive=(-10, 10)),
        PvInfo("Lock", "bo", "", labels=("No", "Yes")),
    ]
    records = {info.name: Record(info, prefix + info.name) for info in infos}

    class Guarded(Server):
        def rights(self, security: Security, client: Client) -> Rights:
            return READ_ONLY if security.writing == "EN" and records["Lock"].value else ALL

    server = Guarded(records.values())

    def plain(name: str) -> None:
        records[name].put = lambda value, client: records[name].post(value)

    def slow(value: Any, client: Client) -> Awaitable[None]:
        records["Slow"].post(value)
        return asyncio.sleep(value)

    async def flood(value: Any) -> None:
        for i in range(value):
            records["Array"].post(np.full(ELEMENTS, i))
            await asyncio.sleep(0)

    def hooked(value: Any, client: Client) -> None:
        records["Hooks"].post(records["Hooks"].value + 1)
        records["Hooked"].post(value)

    def ramp(value: Any, client: Client) -> None:
        for i in range(value):
            records["Deadband"].post(i / 10)

    def lock(value: Any, client: Client) -> None:
        records["Lock"].post(value)
        server.review_rights()

    for name in ("Number", "Switch", "Other", "Mode", "Count", "Driven", "Steps"):
        plain(name)
    records["Refusing"].put = refuse
    records["Slow"].put = slow
    records["Flood"].put = lambda value, client: flood(value)
    records["Hooked"].put = hooked
    records["Inside"].put = lambda value, client: records["Hooked"].post(value)
    records["Ramp"].put = ramp
    records["Lock"].put = lock
    async with server:
        while True:
            records["Clock"].post(time.time())
            await asyncio.sleep(0.005)


async def stock(prefix: str) -> None:
    """The same with caproto's server."""
    import caproto.server
    from caproto import AccessRights, ChannelType
    from caproto.asyncio.server import Context

    made: Any = caproto.server  # its decorators have no types
    pvproperty = made.pvproperty

    class Group(made.PVGroup):
        Number = pvproperty(value=0.0, upper_alarm_limit=10.0, units="mm", precision=3)
        Switch = pvproperty(
            value="Off", enum_strings=["Off", "On"], dtype=ChannelType.ENUM, record="bo", alarm_group="S"
        )
        Other = pvproperty(value="Off", enum_strings=["Off", "On"], dtype=ChannelType.ENUM)
        Mode = pvproperty(value="Soft", enum_strings=["Soft", "Hard"], dtype=ChannelType.ENUM)
        Count = pvproperty(value=0, dtype=ChannelType.LONG)
        Refusing = pvproperty(value="a", dtype=ChannelType.CHAR, max_length=40, alarm_group="Refusing")
        Slow = pvproperty(value=0.0, alarm_group="Slow")
        Clock = pvproperty(value=0.0, alarm_group="Clock")
        Array = pvproperty(value=np.zeros(ELEMENTS), max_length=ELEMENTS, dtype=ChannelType.DOUBLE)
        Flood = pvproperty(value=0)
        Hooked = pvproperty(value=0)
        Hooks = pvproperty(value=0)
        Inside = pvproperty(value=0)
        Ramp = pvproperty(value=0)
        Deadband = pvproperty(value=0.0, alarm_group="Deadband")
        Driven = pvproperty(value=0.0, record="ao", alarm_group="Driven")
        Steps = pvproperty(value=0, record="longout", alarm_group="Steps")
        Lock = pvproperty(value=0)

        locked = False

        @Refusing.putter
        async def _refuse(self, instance: Any, value: Any) -> None:
            refuse(value)

        @Slow.putter
        async def _slow(self, instance: Any, value: Any) -> None:
            await asyncio.sleep(value)

        @Flood.putter
        async def _flood(self, instance: Any, value: Any) -> None:
            for i in range(value):
                await self.Array.write(np.full(ELEMENTS, float(i)))

        @Hooked.putter
        async def _hooked(self, instance: Any, value: Any) -> None:
            await self.Hooks.write(self.Hooks.value + 1)

        @Inside.putter
        async def _inside(self, instance: Any, value: Any) -> None:
            await self.Hooked.write(value)

        @Ramp.putter
        async def _ramp(self, instance: Any, value: Any) -> None:
            for i in range(value):
                await self.Deadband.write(i / 10)

        @Lock.putter
        async def _lock(self, instance: Any, value: Any) -> None:
            Group.locked = bool(value)

        @Clock.startup
        async def _clock(self, instance: Any, async_lib: Any) -> None:
            while True:
                await instance.write(time.time())
                await asyncio.sleep(0.005)

    group = Group(prefix=prefix)
    number = group.pvdb[f"{prefix}Number"]

    def check_access(host: str, user: str) -> AccessRights:
        return AccessRights.READ if Group.locked else AccessRights.READ | AccessRights.WRITE

    number.check_access = check_access  # pyright: ignore[reportAttributeAccessIssue]
    await Context(group.pvdb).run(log_pv_names=False)


if __name__ == "__main__":
    from pixieioc.ioc.loop import run

    {"ours": lambda prefix: run(ours(prefix)), "caproto": lambda prefix: asyncio.run(stock(prefix))}[sys.argv[1]](
        sys.argv[2]
    )
