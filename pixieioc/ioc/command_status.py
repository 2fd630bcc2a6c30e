"""How commands went, and what is going on."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable
from datetime import datetime
from typing import Any

from pixieioc.ioc.records import RESTORING, Client, PutRefused, Pvs, stamp
from pixieioc.pvinfo.run_control import COMMANDS_KEPT
from pixieioc.pvinfo.states import DetectorState, Outcome

#: How much of the message of each command is kept.
_LONGEST = 300


class CommandLog:
    """The last commands, a line each; what a command has become replaces that it was begun."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=COMMANDS_KEPT)
        self._begun = ""  # by whom, if the last line tells of a command that has no outcome yet

    def add(self, when: datetime, status: Outcome, message: str, user: str) -> str:
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
        #: If the last command was about a run, whose end is its outcome: the run, whose command, and what was written.
        self._last: tuple[int, object, str] | None = None
        #: Commands are numbered: the one that `_last` is, and those that have no outcome yet, by what was written.
        self._count = self._last_number = 0
        self._begun: dict[str, int] = {}

    def state(self, state: DetectorState, message: str) -> None:
        """The state of the run, one of areaDetector's, and what it means now."""
        when = stamp()
        self._pvs.post("StatusMessage_RBV", message, when)
        self._pvs.post("DetectorState_RBV", state, when)

    def command(self, status: Outcome, message: str, client: object, pv: str = "", run: int = 0) -> None:
        """The outcome of a command; the end of `run` will be its outcome in the end. `pv` was written.

        What was begun before the run that is awaited is not the last command, however late it ends: it is in the log.
        """
        if client is RESTORING:  # nobody's command: what is refused is told with what was restored
            return
        self._count += 1
        begun = self._begun.pop(pv, self._count)
        if status == "Busy":
            self._begun[pv] = self._count
        elif self._last is not None and begun < self._last_number:
            self._pvs.post("CmdLog_RBV", self._log.add(datetime.now().astimezone(), status, message, str(client)))
            return
        self._last, self._last_number = ((run, client, pv), self._count) if run else (None, 0)
        when = stamp()
        self._pvs.post("CmdUser_RBV", str(client), when)
        self._pvs.post("CmdPv_RBV", pv, when)
        self._pvs.post("CmdMessage_RBV", message, when)
        self._pvs.post("CmdStatus_RBV", status, when)
        self._pvs.post("CmdLog_RBV", self._log.add(datetime.now().astimezone(), status, message, str(client)), when)

    def of_run(self, run: int, status: Outcome, message: str, client: object | None = None) -> None:
        """News of a run: the outcome of the last command, if that was about it (and, if given, by this client).

        The command that started a run has not ended when the run has begun.
        """
        if self._last is not None and self._last[0] == run and client in (None, self._last[1]):
            self.command(status, message, self._last[1], self._last[2], run if client is not None else 0)


def show_outcomes(status: CommandStatus, pvs: Pvs, name: str) -> None:
    """Has puts to a process variable shown as commands: whatever carries them out only raises what is against it."""
    put = pvs[name].put
    assert put is not None

    def told(value: Any, client: Client) -> Awaitable[None] | None:
        if not value:
            return put(value, client)
        try:
            going_on = put(value, client)
        except PutRefused as error:
            status.command("Refused", f"{name}: {error}", client, name)
            raise
        if going_on is None:
            status.command("OK", f"{name} done", client, name)
            return None
        status.command("Busy", f"{name} is in progress", client, name)
        return ended(going_on, client)

    async def ended(going_on: Awaitable[None], client: Client) -> None:
        try:
            await going_on
        except PutRefused as error:
            status.command("Refused", f"{name}: {error}", client, name)
            raise
        status.command("OK", f"{name} done", client, name)

    pvs.on_put(name, told)
