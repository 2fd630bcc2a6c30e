"""What run control says: how commands went, and what is going on."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from pixieioc.ioc.records import Client, PutRefused, Pvs, stamp
from pixieioc.ioc.run import Run

#: Commands that are kept, and how much of the message of each.
_LINES, _LONGEST = 20, 300


class CommandLog:
    """The last commands, a line each; what a command has become replaces that it was begun."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._begun = ""  # by whom, if the last line tells of a command that has no outcome yet

    def add(self, when: datetime, status: str, message: str, user: str) -> str:
        """All lines, this one first."""
        if self._begun == user and status != "Busy":
            self._lines.pop()
        self._begun = user if status == "Busy" else ""
        short = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}..."
        self._lines.append(f"{when:%m-%d %H:%M:%S} {status:8} {user}: {' '.join(short.split())}")
        return "\n".join(reversed(self._lines))


class CommandStatus:
    """Posts the outcome of the last command, and the state of the run in a word and in a sentence."""

    def __init__(self, pvs: Pvs) -> None:
        self._pvs = pvs
        self._log = CommandLog()
        #: If the last command was about a run, whose end is its outcome: whose it was, and what it wrote.
        self._last: tuple[Run, Client, str] | None = None

    def state(self, state: str, message: str) -> None:
        """The state of the run, one of areaDetector's, and what it means now."""
        when = stamp()
        self._pvs.post("StatusMessage_RBV", message, when)
        self._pvs.post("DetectorState_RBV", state, when)

    def command(self, status: str, message: str, client: Client, *, about: Run | None = None, pv: str = "") -> None:
        """The outcome of a command; one `about` a run is told again at the run's end. `pv` was written."""
        self._last = (about, client, pv) if about is not None else None
        when = stamp()
        self._pvs.post("CmdUser_RBV", str(client), when)
        self._pvs.post("CmdPv_RBV", pv, when)
        self._pvs.post("CmdMessage_RBV", message, when)
        self._pvs.post("CmdStatus_RBV", status, when)
        self._pvs.post("CmdLog_RBV", self._log.add(datetime.now().astimezone(), status, message, str(client)), when)

    def refuse(self, why: str, client: Client, pv: str) -> PutRefused:
        """A command that is refused: told, and to be raised."""
        self.command("Refused", why, client, pv=pv)
        return PutRefused(why)

    def run_began(self, run: Run) -> None:
        """A run has begun; the command that started it has not ended, unless there was another one since."""
        if self._last is not None and self._last[:2] == (run, run.client):
            self.command("OK", f"run {run.id} has started", run.client, about=run, pv=self._last[2])

    def run_ended(self, run: Run, why: str) -> None:
        """The outcome of the last command, if it was about this run."""
        if self._last is not None and self._last[0] is run:
            outcome = "OK" if not run.failure else "Timeout" if run.reason == "Timeout" else "Failed"
            self.command(outcome, why, self._last[1], pv=self._last[2])
