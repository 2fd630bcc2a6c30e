"""A task as the loop that drives it sees it, and how its parameters are set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pixieioc.pipeline.callbacks import Callbacks
from pixieioc.pipeline.declare import Value, parameters_of, reports_of
from pixieioc.pipeline.error import Refused
from pixieioc.pipeline.in_use import (
    InUse,
    changes_between,
    checked,
    checked_limits,
    completed,
    keep_in_use,
    packed,
    packed_limits,
)
from pixieioc.pipeline.standard import StandardReports
from pixieioc.pipeline.validate import validate

#: The parameter for which nobody waits: the pipeline keeps it itself, and it holds at once.
HANG_LIMIT = "hang_timeout"


class DrivenTask(Callbacks, StandardReports):
    """What the loop needs to know of a task."""

    name: str
    events_known: ClassVar[bool]
    run_id: int
    run_started: float
    run_settings: Mapping[str, Mapping[str, Value]]
    run_presets: Mapping[str, float]
    run_record: Mapping[str, Any]
    run_stop_timeout: float
    parameter_values: dict[str, Value]
    report_values: dict[str, Any]
    report_changed: set[str]


def set_parameters(task: DrivenTask, config: Mapping[str, Any], *, in_run: bool) -> InUse:
    """Sets all of `config` or, if anything in it is refused, nothing; returns what a task that answers uses then.

    Raises BadSetting if it answers with what its parameters cannot be.
    """
    cls = type(task)
    now = {task.name: task.parameter_values}
    accepted = validate({task.name: config}, {task.name: cls}, known=now).get(task.name, {})
    known = parameters_of(cls)
    if in_run and (locked := [name for name in accepted if not known[name].live]):
        commands = [known[name].pv for name in locked if known[name].command]
        what = f"{', '.join(commands)} is not possible" if commands else f"{', '.join(locked)} cannot be changed"
        raise Refused(f"{task.name}: {what} during a run", task=task.name)
    answers = type(task).do_apply is not Callbacks.do_apply
    before = {name: task.parameter_values[name] for name in accepted}
    changes = changes_between(known, before, accepted) if answers else {}
    task.parameter_values.update(accepted)
    try:
        if problems := [f"{task.name}.{name}: {text}" for name, text in task.do_check(dict(task.parameter_values))]:
            raise Refused("; ".join(problems), task=task.name, problems=tuple(problems))
        task.do_configure(accepted)
        answered = task.do_apply(changes) if changes else None
    except BaseException:  # whatever a hook raises, the old values stand
        task.parameter_values.update(before)
        raise
    commands = {name: False for name in accepted if known[name].command}
    task.parameter_values.update(commands)
    in_use = checked(task.name, known, task.parameter_values, {} if answered is None else answered)
    # What is fixed is used as it was given, and the limit for a hang by the pipeline, which waits for no answer.
    told = {
        name: value
        for name, value in changes.items()
        if not (name in commands or known[name].fixed or name == HANG_LIMIT)
    }
    in_use = completed(told, in_use)
    keep_in_use(task.parameter_values, in_use)
    return in_use


def take_in_use(
    task: DrivenTask, values: Mapping[str, Any], limits: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Takes over what has come into use in a task, and returns it and the limits as a message carries them."""
    known = parameters_of(type(task))
    in_use = checked(task.name, known, task.parameter_values, values)
    found = checked_limits(task.name, known, task.parameter_values, limits)
    keep_in_use(task.parameter_values, in_use)
    return packed(known, in_use), packed_limits(found)


def report_all(task: DrivenTask) -> None:
    """Has the next report be a whole one."""
    for name, report in reports_of(type(task)).items():
        task.report_values.setdefault(name, report.initial)
    task.report_changed.update(task.report_values)
