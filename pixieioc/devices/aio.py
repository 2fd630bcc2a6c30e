"""A pixieioc as a detector for ophyd-async, by Channel Access or PVAccess."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Annotated, Any, ClassVar

from bluesky.protocols import EventCollectable, Flyable, Hints, Stageable, Stoppable, Triggerable
from event_model import DataKey, PartialEvent
from ophyd_async.core import AsyncStatus, SignalR, SignalRW, StandardReadable
from ophyd_async.core import StandardReadableFormat as Format
from ophyd_async.epics.core import EpicsDevice, PvSuffix

from pixieioc.devices.documents import Assets, event_of
from pixieioc.devices.link import Link, split_protocol, with_protocol
from pixieioc.devices.point import GOOD_ENDS, STOPPED, GivenUp, Point, RunFailed, chosen_of
from pixieioc.devices.rates import Rates
from pixieioc.devices.taking import Taking, check_staging, stop


def link_to(prefix: str) -> Link:
    """The link for a prefix such as `ca://PX16:` or `pva://PX16:`."""
    scheme, bare = split_protocol(prefix)
    if scheme == "pva":
        from pixieioc.devices.aio_pva import PvaLink

        return PvaLink(bare)
    from pixieioc.devices.aio_ca import CaLink

    return CaLink(bare)


class PixieDetector(StandardReadable, EpicsDevice, Triggerable, Stageable, Stoppable, Flyable, EventCollectable):
    """What every pixieioc has; `pixieioc generate --devices` adds the channels and files of a configuration.

    A trigger takes one run, whose preset ends it, and fails with the IOC's reason unless it was a good one. With
    `kickoff` and `complete` a run goes on until its preset ends it or, without one, `complete` does.
    """

    run_id: Annotated[SignalR[int], PvSuffix("RunId_RBV"), Format.UNCACHED_SIGNAL]
    end_reason: Annotated[SignalR[str], PvSuffix("RunEndReason_RBV"), Format.UNCACHED_SIGNAL]
    elapsed_real: Annotated[SignalR[float], PvSuffix("ElapsedReal_RBV"), Format.HINTED_UNCACHED_SIGNAL]
    elapsed_live: Annotated[SignalR[float], PvSuffix("ElapsedLive_RBV"), Format.UNCACHED_SIGNAL]
    dead_time: Annotated[SignalR[float], PvSuffix("DeadTime_RBV"), Format.HINTED_UNCACHED_SIGNAL]
    preset_mode: Annotated[SignalRW[str], PvSuffix.rbv("PresetMode"), Format.CONFIG_SIGNAL]
    preset_real: Annotated[SignalRW[float], PvSuffix.rbv("PresetReal"), Format.CONFIG_SIGNAL]
    preset_live: Annotated[SignalRW[float], PvSuffix.rbv("PresetLive"), Format.CONFIG_SIGNAL]
    preset_events: Annotated[SignalRW[int], PvSuffix.rbv("PresetEvents"), Format.CONFIG_SIGNAL]
    preset_triggers: Annotated[SignalRW[int], PvSuffix.rbv("PresetTriggers"), Format.CONFIG_SIGNAL]
    simulated: Annotated[SignalR[str], PvSuffix("SimMode_RBV"), Format.CONFIG_SIGNAL]

    #: The signals that list the files of a run, by the kind of these files.
    file_lists: ClassVar[Mapping[str, str]] = {}
    #: The names of the channels.
    channels: ClassVar[tuple[str, ...]] = ()
    _rated: Collection[str] = ()

    def __init__(
        self, prefix: str, name: str = "", *, documents: bool = True, host: str = "localhost", take_over: bool = True
    ) -> None:
        """`prefix` has the protocol, `ca://PX16:`.

        With `documents` the files of each point become StreamResources, at `host`. To stage it stops a run that is in
        progress; without `take_over` it is refused as long as there is one.
        """
        prefix = with_protocol(prefix)
        self._link = link_to(prefix)
        self._documents, self._take_over = documents, take_over
        self._host = host
        self._mocked = False
        self._taking: Taking | None = None
        self._values: dict[str, Any] | None = None  # of the run of the last point
        self._unreadable = ""  # why there are none, if there was a point
        self._flight: asyncio.Task[bool] | None = None
        self._flown: list[PartialEvent] = []
        super().__init__(prefix, name=name)
        self._assets = Assets(self.name, host)

    def choose(self, read: Collection[str] | None, arrays: Collection[str] = ()) -> None:
        """Has those of `channels` that `read` names, all if it is None, in each event, with these arrays of them."""
        chosen = [getattr(self, name) for name in chosen_of(self.channels, read)]
        self.add_readables(chosen)
        self.add_readables([getattr(channel, name) for channel in chosen for name in arrays], Format.UNCACHED_SIGNAL)
        self._rated = [name for name in chosen_of(self.channels, read) if hasattr(getattr(self, name), "counts")]

    async def connect(self, mock: Any = False, *arguments: Any, **options: Any) -> None:
        """Connects; a device that is mocked takes no runs, so that its points are always good."""
        self._mocked = bool(mock)
        await super().connect(mock, *arguments, **options)

    # -- stage -----------------------------------------------------------------------------------------------------

    @AsyncStatus.wrap
    async def stage(self) -> None:
        """Ends a run that is in progress; the next point is the first one."""
        self._assets = Assets(self.name, self._host)
        self._forget()
        if not self._mocked:
            await check_staging(self._link, take_over=self._take_over)
        await super().stage()

    @AsyncStatus.wrap
    async def unstage(self) -> None:
        """Ends the run if it is that of a point, which is given up then: its trigger ends well, but has no values."""
        self._forget()
        if self._taking is not None:
            await self._taking.give_up()
        await super().unstage()

    async def stop(self, success: bool = True) -> None:
        """Ends the run if it is that of a point."""
        await self._stop_own()

    async def _stop_own(self) -> None:
        if self._taking is not None:
            await stop(self._link)

    # -- one run per point -----------------------------------------------------------------------------------------

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        """Takes a run; RunFailed with the IOC's reason unless it was a good one."""
        await self._take(GOOD_ENDS)

    async def _take(self, good: tuple[str, ...]) -> bool:
        """Whether there is a point; not if it was given up."""
        if self._mocked:
            return True
        if self._taking is not None:
            raise RunFailed("a run of this device is in progress")
        self._forget("the point has no values: it was given up, or is none")
        values: dict[str, Any] = {}

        async def gather() -> None:
            values.update(await super(PixieDetector, self).read())

        self._taking = Taking(self._link, Point(good), gather)
        try:
            run_id = await self._taking.take()
        except GivenUp:  # who has ended it knows that; a failure would come in the place of their own reason
            return False
        finally:
            self._taking = None
        self._values = values
        self._add_documents(run_id)
        return True

    def _forget(self, unreadable: str = "") -> None:
        self._values, self._unreadable = None, unreadable

    def _add_documents(self, run_id: int) -> None:
        if self._documents and self.file_lists and self._values is not None:
            lists = {kind: self._values[getattr(self, name).name]["value"] for kind, name in self.file_lists.items()}
            self._assets.add(run_id, lists)

    # -- one run of a flight ---------------------------------------------------------------------------------------

    @AsyncStatus.wrap
    async def kickoff(self) -> None:
        """Starts a run; returns when it is in progress."""
        self._flight = asyncio.create_task(self._take((*GOOD_ENDS, STOPPED)))
        await asyncio.sleep(0)
        begun = self._taking.started.wait() if self._taking is not None else asyncio.sleep(0)
        await begun
        if self._flight.done():
            self._flight.result()

    @AsyncStatus.wrap
    async def complete(self) -> None:
        """Ends the run, unless it has a preset; then it waits for that. RunFailed unless the run was a good one."""
        assert self._flight is not None, "kickoff comes first"
        flight, self._flight = self._flight, None
        if await self.preset_mode.get_value() == "No preset":
            await self._stop_own()
        if await flight:
            self._flown.append(event_of(await self.read()))

    async def describe_collect(self) -> dict[str, DataKey]:
        """The same as that of a point."""
        return await self.describe()

    async def collect(self) -> AsyncIterator[PartialEvent]:
        """An event for each run of a flight."""
        flown, self._flown = self._flown, []
        for event in flown:
            yield event

    # -- data ------------------------------------------------------------------------------------------------------

    @property
    def _rates(self) -> Rates:
        return Rates(self.name, self._rated, "-")

    @property
    def hints(self) -> Hints:
        """The rates, too."""
        return {**super().hints, "fields": [*super().hints.get("fields", []), *self._rates.keys]}

    async def read(self) -> dict[str, Any]:
        """The values of the run that was taken last, and its rates; without one, those of the moment."""
        if self._unreadable and self._values is None:
            raise RunFailed(self._unreadable)
        readings = await super().read() if self._values is None else self._values
        return {**readings, **self._rates.read(readings)}

    async def describe(self) -> dict[str, DataKey]:
        """What is read, and the content of files."""
        kinds = tuple(self.file_lists) if self._documents else ()
        described = await super().describe()
        return {**described, **self._rates.describe(described), **self._assets.describe(kinds, self.run_id.source)}

    async def collect_asset_docs(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """The files of the points that were taken since the last time."""
        for document in self._assets.collect():
            yield document


__all__ = ["PixieDetector", "with_protocol"]
