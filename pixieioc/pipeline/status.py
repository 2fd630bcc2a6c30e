"""Everything that changes a Status is in this file: which message is legal when, and what comes after it.

No sockets, no clock, no processes: the tables are plain data, and the documentation is printed from them.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal

from pixieioc.pipeline.error import Refused
from pixieioc.pipeline.message import KINDS, Message, kind


class Status(Enum):
    """The states of a task; a pipeline has all of them but FINISHED."""

    DYING = "⏏️"
    FINISHED = "🏁"
    PANICKING = "🆘"
    RUNNING = "▶️"
    WAITING = "⏸️"

    def __str__(self) -> str:
        return self.value


#: Their names, in the order in which a process variable has them.
StatusName = Literal["WAITING", "RUNNING", "FINISHED", "DYING", "PANICKING"]
Rules = dict[tuple[Status, str], Status]

_W, _R, _F, _D, _P = Status.WAITING, Status.RUNNING, Status.FINISHED, Status.DYING, Status.PANICKING
_CONFIGURE, _CONNECT, _DATA = Message.CONFIGURE.emoji, Message.CONNECT.emoji, Message.DATA.emoji
_ERROR, _PRINT, _REPORT = Message.ERROR.emoji, Message.PRINT.emoji, Message.REPORT.emoji
_ANSWER, _BUSY, _IN_USE = Message.ANSWER.emoji, Message.BUSY.emoji, Message.IN_USE.emoji
#: What a task may say in every status, and what changes none.
_ALWAYS = (_REPORT, _PRINT, _ANSWER, _BUSY, _IN_USE)
_FINISHED, _QUIT, _START = Message.FINISHED, Message.QUIT, Message.START
_STOP, _ABORT = Message.STOP, Message.ABORT

#: What a task may hear or say in a status, and its status afterwards; a pair that is not here is illegal.
TASK_RULES: Final[Rules] = {
    (_W, _CONFIGURE): _W,
    (_W, _CONNECT): _W,
    (_W, _START): _R,
    (_W, _STOP): _W,  # stop while stopped does nothing
    (_W, _ABORT): _W,
    (_W, _QUIT): _D,
    (_R, _CONFIGURE): _R,  # parameters declared live, the task refuses others
    (_R, _CONNECT): _R,  # the chain is cut behind this task: it becomes the final one
    (_R, _DATA): _R,
    (_R, _STOP): _R,  # a source begins to end; the others go on until FINISHED comes down the chain
    (_R, _ABORT): _R,  # the same, but what is held is discarded
    (_R, _FINISHED): _F,
    (_R, _QUIT): _D,
    (_F, _CONFIGURE): _F,
    (_F, _STOP): _W,  # the pipeline has seen all tasks finish
    (_F, _ABORT): _F,
    (_F, _CONNECT): _F,
    (_F, _FINISHED): _F,  # said twice when the task before was lost just after it had finished
    (_F, _QUIT): _D,
    (_P, _DATA): _P,  # swallowed and counted, so that the tasks before can drain
    (_P, _FINISHED): _P,
    (_P, _CONNECT): _P,
    (_P, _STOP): _P,
    (_P, _ABORT): _P,
    (_P, _QUIT): _D,
    (_D, _QUIT): _D,
    **{(status, said): status for status in Status for said in _ALWAYS},
    **{(status, _ERROR): _P for status in (_W, _R, _F, _P)},
    (_D, _ERROR): _D,
}

#: The same for the pipeline as a whole. FINISHED: the last task has finished. QUIT ends in a pipeline without tasks.
PIPELINE_RULES: Final[Rules] = {
    (_W, _CONFIGURE): _W,
    (_W, _CONNECT): _W,
    (_W, _START): _R,
    (_W, _STOP): _W,
    (_W, _ABORT): _W,
    (_W, _QUIT): _D,
    (_R, _CONFIGURE): _R,
    (_R, _STOP): _D,
    (_R, _ABORT): _D,
    (_R, _FINISHED): _W,
    (_R, _QUIT): _D,
    (_D, _STOP): _D,
    (_D, _ABORT): _D,
    (_D, _FINISHED): _W,
    (_D, _QUIT): _D,
    (_P, _CONFIGURE): _P,
    (_P, _CONNECT): _W,  # the failed processes have been replaced and all tasks are connected again
    (_P, _START): _R,
    (_P, _STOP): _P,
    (_P, _ABORT): _P,
    (_P, _FINISHED): _P,
    (_P, _QUIT): _D,
    **{(status, said): status for status in (_W, _R, _D, _P) for said in _ALWAYS},
    **{(status, _ERROR): _P for status in (_W, _R, _D, _P)},
}


class IllegalMessage(Refused):
    """A message that is not allowed in the status that its receiver is in."""


def after(status: Status, message: object, rules: Rules = TASK_RULES) -> Status:
    """The status after `message` in `status`; IllegalMessage that names both if the table does not have the pair."""
    said = kind(message)
    try:
        return rules[status, said]
    except KeyError:
        raise IllegalMessage(f"{said} {KINDS[said]} is illegal while {status} {status.name}") from None


def table(rules: Rules) -> str:
    """The rules as a Markdown table: a row per message, a column per status."""
    statuses = [status for status in Status if any(status is row for row, _ in rules)]
    lines = ["| message | " + " | ".join(f"{s} {s.name}" for s in statuses) + " |", "|---" * (len(statuses) + 1) + "|"]
    for said, name in KINDS.items():
        cells = [rules.get((status, said)) for status in statuses]
        lines.append(f"| {said} {name} | " + " | ".join(cell.name if cell else "illegal" for cell in cells) + " |")
    return "\n".join(lines)


def diagram(rules: Rules) -> str:
    """The rules as a Mermaid state diagram, without the messages that change nothing."""
    arrows: dict[tuple[Status, Status], list[str]] = {}
    for (status, said), then in rules.items():
        if status is not then:
            arrows.setdefault((status, then), []).append(KINDS[said])
    lines = [f"    {a.name} --> {b.name}: {', '.join(names)}" for (a, b), names in arrows.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> WAITING", *lines, "    DYING --> [*]"])
