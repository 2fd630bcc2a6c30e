"""How screens, alarm handlers and archivers are to treat a value: words of whoever declares it.

Tasks declare it of their reports and parameters, the IOC of its own process variables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["NO_ALARM", "MINOR", "MAJOR", "INVALID"]
#: All severities, by their numbers on Channel Access.
SEVERITIES: tuple[Severity, ...] = ("NO_ALARM", "MINOR", "MAJOR", "INVALID")

#: Groups of those who may write: operators, experts, engineers; empty: nobody.
Access = Literal["", "OP", "EX", "EN"]
#: Where screens, the alarm tree and the reference have it.
Section = Literal["run", "files", "crate", "modules", "errors", "task", "channel", "ioc"]
#: Sections of what is the whole pipeline's, which a task may choose for what it shares.
SharedSection = Literal["run", "files", "crate", "modules"]
#: When an archiver keeps it: always, only during a run, never.
Archive = Literal["always", "running", ""]


@dataclass(frozen=True)
class AlarmHandling:
    """How alarm handlers, and the IOC's own list of alarms, treat a value that is in alarm."""

    #: "alive" stands above all others of its IOC; "error" is a cause of others, latched until it is acknowledged.
    rank: Literal["alive", "error", "disk", ""] = ""
    #: Why the alarm tree leaves it out although it has severities; empty: it does not.
    omitted: str = ""
    #: A severity that it has by circumstances rather than by its value, and in which: "while the task waits".
    besides: tuple[Severity, str] | None = None
    #: Whether it comes and goes, so that it must last for a while before an alarm handler hears of it. What declares a
    #: hysteresis does so anyway.
    flickers: bool = False
    #: Whether it is shown, and neither announced nor latched: the error that may become of it is.
    silent: bool = False
    #: Whether it is over when it has gone, however bad it was: it is announced, and nobody has to acknowledge it.
    passes: bool = False
    #: Whether a task behind this one that takes long, and has an alarm for that, can be the reason.
    waits: bool = False
    #: Whether its own value says what has happened.
    explains: bool = False
    #: The process variable with the text that says what has happened; where a report is declared, without its task.
    message: str = ""
    #: Whether it says only what others say, so that the list of alarms leaves it out.
    repeats: bool = False


#: What has nothing special about its alarms.
PLAIN = AlarmHandling()
