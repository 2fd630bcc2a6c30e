"""The files of an IOC's runs: each is what its sidecar says, and that is what the process variables say of the run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pixieioc.drill.drill import Violation
from pixieioc.drill.files import Files, how_it_ended
from tests.running_ioc import Ioc

#: Bytes of an event that is a header alone, as the simulated sources of the campaign make them.
_EVENT = 16


class RunFiles:
    """The files in `raw` and `events` of the IOC's folder that come from now on."""

    def __init__(self, ioc: Ioc, raw_task: str = "GatherData", events_task: str = "WriteEvents") -> None:
        self._ioc, self._raw_task, self._events_task = ioc, raw_task, events_task
        self._raw, self._events = Files(ioc.folder / "raw"), Files(ioc.folder / "events")

    def unfinished(self) -> int:
        """The number of raw files that were cut off."""
        return self._raw.unfinished()

    def ends(self) -> set[str]:
        """Why the raw files ended that were checked last."""
        return {about["end_reason"] for about in self._raw.sidecars.values()}

    def right(self, *, recorded: bool = True, counted: bool = True) -> None:
        """Raises Violation with the first thing that is wrong; what was checked before is not looked at again.

        `recorded`: the record of the last run is complete; `counted`: its counts are still in the process variables.
        """
        for text in (*self._raw.wrong(), *self._events.wrong()):
            raise Violation(text)
        run = self._ioc.get("RunId_RBV")
        raw, events = _of_run(self._raw, run), _of_run(self._events, run)
        if recorded:
            self._are_recorded([*raw, *events])
        if counted:
            self._are_counted([*raw.values()], [*events.values()])

    def _are_recorded(self, sidecars: Iterable[Path]) -> None:
        ended = self._ioc.get("RunEndReason_RBV"), self._ioc.get("DetectorState_RBV") == "Idle"
        for sidecar in sidecars:
            if (found := how_it_ended(sidecar, ended)) != ended:
                raise Violation(f"{sidecar} says that its run ended {found}, it was {ended}")

    def _are_counted(self, raw: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
        """What was handled is in the files; of a process that is lost, nobody knows how much it had handled last."""
        lost = {task for task in (self._raw_task, self._events_task) if self._ioc.get(f"{task}:Status") == "LOST"}
        size, count = sum(about["bytes"] for about in raw), sum(about["events"] for about in events)
        if raw and self._raw_task not in lost and size != (given := self._ioc.get("BytesWritten_RBV")):
            raise Violation(f"{size} bytes are in raw files, BytesWritten_RBV is {given}")
        if (
            events
            and self._events_task not in lost
            and count != (known := self._ioc.get(f"{self._events_task}:Events_RBV"))
        ):
            raise Violation(f"{count} events are in files, {self._events_task} has handled {known}")
        if raw and events and self._ioc.get("DetectorState_RBV") == "Idle" and size != count * _EVENT:
            raise Violation(f"{size / _EVENT} events are in raw files, {count} in files of events")


def _of_run(files: Files, run: int) -> dict[Path, dict[str, Any]]:
    return {
        sidecar: about
        for sidecar, about in files.sidecars.items()
        if run in (about.get("run_id"), (about.get("written") or {}).get("run_id"))
    }
