"""The rules of run control: what each event does in each phase of a run.

No event loop, no Channel Access, no clock: `handle` takes an event and the time, changes the state and returns
instructions, which `run_control.py` carries out. The table is printed into `docs/reference/states.md`.

Every step that takes time has a deadline. When one passes, the machine stops waiting: it kills the tasks, answers the
puts and ends the run with a failure. So whatever a task, a file system or our own code does, each put is answered once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pixieioc.ioc import run_ending as ending
from pixieioc.ioc import run_events as ev
from pixieioc.ioc import run_steps as steps
from pixieioc.ioc.run_events import Command, Event, Instruction
from pixieioc.ioc.run_state import MachineState, Phase


def handle(m: MachineState, event: Event, now: float) -> list[Instruction]:
    """Does what an event does at a time (s, of a clock that never goes back); returns what is to be done, in order."""
    m.now, m.out = max(m.now, now), []
    if isinstance(event, ev.Put) and event.number:
        m.open_puts.add(event.number)
    rule_of(m.phase, event)(m, event)
    _go_on(m)
    return m.out


def _go_on(m: MachineState) -> None:
    """Begins what comes next, if nothing is going on."""
    if m.work is None and m.queue and m.phase in (Phase.IDLE, Phase.ACCEPTED, Phase.RUNNING):
        m.work = m.queue.pop(0)
        steps.advance(m, m.work)


# -- the table ---------------------------------------------------------------------------------------------------------

Rule = Callable[[MachineState, Any], None]

_EVERYWHERE: dict[str, Rule] = {
    "Begin": steps.nothing,
    "START": steps.refuse,
    "STOP": ending.end,
    "ABORT": ending.end,
    "ERASE": steps.queue,
    "CONFIGURE": steps.refuse,
    "RESET": steps.refuse,
    "BOOT": steps.refuse,
    "QUIT": steps.refuse,
    "KILL": ending.kill,
    "Done": steps.step_done,
    "Failed": steps.step_failed,
    "SourceDone": steps.nothing,
    "AtRest": steps.nothing,
    "PresetReached": steps.nothing,
    "TaskFailed": steps.nothing,
    "OwnFault": steps.nothing,
    "Signal": ending.prepare_to_leave,
    "Tick": steps.check_deadlines,
    "Options": steps.set_options,
}

RULES: dict[Phase, dict[str, Rule]] = {
    Phase.IDLE: {
        **_EVERYWHERE,
        "Begin": steps.begin,
        "START": steps.start,
        "STOP": ending.nothing_to_stop,
        "ABORT": ending.nothing_to_stop,
        "CONFIGURE": steps.queue,
        "RESET": steps.queue,
        "BOOT": steps.queue,
        "QUIT": steps.queue,
        "TaskFailed": steps.show_error,
    },
    Phase.ACCEPTED: {
        **_EVERYWHERE,
        "STOP": ending.stop_unstarted,
        "ABORT": ending.stop_unstarted,
        "OwnFault": ending.fail_unstarted,
    },
    Phase.STARTING: {**_EVERYWHERE, "OwnFault": ending.fail_run},
    Phase.RUNNING: {
        **_EVERYWHERE,
        "SourceDone": ending.source_done,
        "AtRest": ending.at_rest,
        "PresetReached": ending.end_at_preset,
        "TaskFailed": ending.task_failed,
        "OwnFault": ending.fail_run,
    },
    Phase.ENDING: {
        **_EVERYWHERE,
        "SourceDone": ending.source_done,
        "AtRest": ending.at_rest,
        "TaskFailed": ending.task_failed,
        "OwnFault": ending.fail_run,
    },
    Phase.CLOSING: {
        **_EVERYWHERE,
        "STOP": ending.join,
        "ABORT": ending.join,
        "OwnFault": ending.fail_closing,
    },
    Phase.KILLING: {
        **_EVERYWHERE,
        "STOP": ending.stop_killed,
        "ABORT": ending.stop_killed,
        "ERASE": steps.refuse,
        "KILL": ending.join_kill,
    },
    Phase.LEAVING: {
        **_EVERYWHERE,
        "STOP": ending.nothing_to_stop,
        "ABORT": ending.nothing_to_stop,
        "ERASE": steps.refuse,
        "KILL": ending.kill_instead,
    },
    Phase.LEFT: dict.fromkeys(_EVERYWHERE, steps.nothing)
    | {command.name: steps.refuse for command in Command}
    | {"Signal": ending.prepare_to_leave},
}


def rule_of(phase: Phase, event: Event) -> Rule:
    """What an event does in a phase."""
    return RULES[phase][event.command.name if isinstance(event, ev.Put) else type(event).__name__]


def table() -> str:
    """The rules as a Markdown table: a row for each event, a column for each phase."""
    lines = ["| event | " + " | ".join(phase.name for phase in Phase) + " |", "|---" * (len(Phase) + 1) + "|"]
    for event in _EVERYWHERE:
        cells = [RULES[phase][event] for phase in Phase]
        lines.append(f"| {event} | " + " | ".join("" if c is steps.nothing else c.__name__ for c in cells) + " |")
    return "\n".join(lines)


def meanings() -> str:
    """What the names in the table mean, as a Markdown list."""
    rules = {rule.__name__: rule for of_phase in RULES.values() for rule in of_phase.values()}
    del rules[steps.nothing.__name__]
    phases = [f"- **{phase.name}**: {phase.value}." for phase in Phase]
    return "\n".join([*phases, "", *(f"- `{name}`: {rule.__doc__}" for name, rule in sorted(rules.items()))])
