"""A pixieioc as a detector for ophyd, by Channel Access with pyepics. ophyd has no PVAccess."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar

from ophyd import Component, Device, EpicsSignalRO, EpicsSignalWithRBV, Kind
from ophyd.status import DeviceStatus

from pixieioc.devices.classic_ca import PyepicsLink
from pixieioc.devices.classic_taking import Taking, check_staging, stop
from pixieioc.devices.documents import Assets, event_of
from pixieioc.devices.link import split_protocol
from pixieioc.devices.point import GOOD_ENDS, STOPPED, GivenUp, Point, RunFailed, chosen_of
from pixieioc.devices.rates import Rates


def reading(suffix: str, kind: str = "normal", **options: Any) -> Component[EpicsSignalRO]:
    """A value that is read in each event, from its monitor: it is as new as the answer to the run's put."""
    return Component(EpicsSignalRO, suffix, kind=kind, auto_monitor=True, **options)


def unread(suffix: str) -> Component[EpicsSignalRO]:
    """A value of the moment, or an array, which is read on wish only."""
    return Component(EpicsSignalRO, suffix, kind="omitted")


def setting(suffix: str, **options: Any) -> Component[EpicsSignalWithRBV]:
    """A setting, which is part of the configuration."""
    return Component(EpicsSignalWithRBV, suffix, kind="config", **options)


class PixieDetector(Device):
    """What every pixieioc has; `pixieioc generate --devices` adds the channels and files of a configuration.

    A trigger takes one run, whose preset ends it, and fails with the IOC's reason unless it was a good one. With
    `kickoff` and `complete` a run goes on until its preset ends it or, without one, `complete` does.
    """

    run_id = reading("RunId_RBV")
    end_reason = reading("RunEndReason_RBV", string=True)
    elapsed_real = reading("ElapsedReal_RBV", "hinted")
    elapsed_live = reading("ElapsedLive_RBV")
    dead_time = reading("DeadTime_RBV", "hinted")
    preset_mode = setting("PresetMode", string=True)
    preset_real = setting("PresetReal")
    preset_live = setting("PresetLive")
    preset_events = setting("PresetEvents")
    preset_triggers = setting("PresetTriggers")
    simulated = Component(EpicsSignalRO, "SimMode_RBV", string=True, kind="config")

    #: The components that list the files of a run, by the kind of these files.
    file_lists: ClassVar[Mapping[str, str]] = {}
    #: The names of the channels.
    channels: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        prefix: str = "",
        *,
        name: str,
        documents: bool = True,
        host: str = "localhost",
        take_over: bool = True,
        **options: Any,
    ) -> None:
        """`prefix` may begin with `ca://`.

        With `documents` the files of each point become StreamResources, at `host`. To stage it stops a run that is in
        progress; without `take_over` it is refused as long as there is one.
        """
        scheme, bare = split_protocol(prefix)
        if scheme != "ca":
            raise ValueError(f"prefix {prefix!r}: ophyd has no PVAccess, ophyd-async does (pixieioc.devices.aio)")
        self._documents, self._take_over, self._host = documents, take_over, host
        self._taking: Taking | None = None
        self._values: dict[str, Any] | None = None  # of the run of the last point
        self._unreadable = ""  # why there are none, if there was a point
        self._flight: DeviceStatus | None = None
        self._flown: list[dict[str, Any]] = []
        super().__init__(bare, name=name, **options)
        self._link = PyepicsLink(bare)
        self._assets = Assets(self.name, host)
        self._rates = Rates(self.name, (), "_")

    def choose(self, read: Collection[str] | None, arrays: Collection[str] = ()) -> None:
        """Has those of `channels` that `read` names, all if it is None, in each event, with these arrays of them."""
        chosen = chosen_of(self.channels, read)
        for name in self.channels:
            channel = getattr(self, name)
            channel.kind = Kind.normal if name in chosen else Kind.omitted
            for array in arrays:
                getattr(channel, array).kind = Kind.normal
        rated = [name for name in chosen if "counts" in getattr(self, name).component_names]
        self._rates = Rates(self.name, rated, "_")

    # -- stage ---------------------------------------------------------------------------------------------------------

    def stage(self) -> list[object]:
        """Ends a run that is in progress; the next point is the first one."""
        self._assets = Assets(self.name, self._host)
        self._forget()
        check_staging(self._link, take_over=self._take_over)
        return super().stage()

    def unstage(self) -> list[object]:
        """Ends the run if it is that of a point, which is given up then: its trigger ends well, but has no values."""
        self._forget()
        if (taking := self._taking) is not None:
            taking.give_up()
        return super().unstage()

    def stop(self, *, success: bool = False) -> None:
        """Ends the run if it is that of a point."""
        self._stop_own()
        super().stop(success=success)

    def _stop_own(self) -> None:
        if self._taking is not None:
            stop(self._link)

    # -- one run per point ---------------------------------------------------------------------------------------------

    def trigger(self) -> DeviceStatus:
        """Takes a run; it fails with the IOC's reason, a RunFailed, unless it was a good one."""
        return self._take(GOOD_ENDS)

    def _take(self, good: tuple[str, ...], then: Callable[[], None] = lambda: None) -> DeviceStatus:
        if self._taking is not None:
            raise RunFailed("a run of this device is in progress")
        values: dict[str, Any] = {}
        status, taking = DeviceStatus(self), Taking(self._link, Point(good), lambda: values.update(self._read_now()))
        self._taking = taking
        self._forget("the point has no values: it was given up, or is none")

        def work() -> None:
            try:
                run_id = taking.take()
                self._taking, self._values = None, values
                self._add_documents(run_id)
                then()
            except GivenUp:  # who has ended it knows that; a failure would come in the place of their own reason
                self._taking = None
                status.set_finished()
            except Exception as error:  # it is the status that fails
                self._taking = None
                status.set_exception(error)
            else:
                status.set_finished()

        threading.Thread(target=work, name=f"{self.name} takes a point", daemon=True).start()
        return status

    def _forget(self, unreadable: str = "") -> None:
        self._values, self._unreadable = None, unreadable

    def _add_documents(self, run_id: int) -> None:
        if self._documents and self.file_lists:
            self._assets.add(run_id, {kind: getattr(self, name).get() for kind, name in self.file_lists.items()})

    # -- one run of a flight -------------------------------------------------------------------------------------------

    def kickoff(self) -> DeviceStatus:
        """Starts a run; its status is done when that is in progress."""
        status = DeviceStatus(self)
        flight = self._flight = self._take((*GOOD_ENDS, STOPPED), self._add_event)
        taking = self._taking

        def work() -> None:
            if taking is not None:
                taking.started.wait()
            if flight.done and not flight.success:
                status.set_exception(flight.exception() or RunFailed("the run has failed"))
            else:
                status.set_finished()

        threading.Thread(target=work, name=f"{self.name} starts a run", daemon=True).start()
        return status

    def complete(self) -> DeviceStatus:
        """Ends the run, unless it has a preset; then it waits for that. It fails unless the run was a good one."""
        if self._flight is None:
            raise RunFailed("kickoff comes first")
        flight, self._flight = self._flight, None
        if self.preset_mode.get() == "No preset":
            threading.Thread(target=self._stop_own, name=f"{self.name} ends a run", daemon=True).start()
        return flight

    def _add_event(self) -> None:
        self._flown.append(event_of(self.read()))

    def describe_collect(self) -> Any:
        """The same as that of a point."""
        return self.describe()

    def collect(self) -> Iterator[dict[str, Any]]:
        """An event for each run of a flight."""
        flown, self._flown = self._flown, []
        yield from flown

    # -- data ----------------------------------------------------------------------------------------------------------

    @property
    def hints(self) -> dict[str, list[str]]:
        """The rates, too."""
        return {"fields": [*super().hints["fields"], *self._rates.keys]}

    def read(self) -> Any:
        """The values of the run that was taken last, and its rates; without one, those of the moment."""
        if self._unreadable and self._values is None:
            raise RunFailed(self._unreadable)
        readings = self._read_now() if self._values is None else self._values
        return {**readings, **self._rates.read(readings)}

    def _read_now(self) -> Any:
        return super().read()

    def describe(self) -> Any:
        """What is read, and the content of files."""
        kinds = tuple(self.file_lists) if self._documents else ()
        described = super().describe()
        return {
            **described,
            **self._rates.describe(described),
            **self._assets.describe(kinds, f"ca://{self.prefix}RunId_RBV"),
        }

    def collect_asset_docs(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The files of the points that were taken since the last time."""
        yield from self._assets.collect()
