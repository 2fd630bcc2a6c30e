"""A task as the loop that drives it sees it, and how its parameters are set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pixieioc.pipeline.callbacks import Callbacks
from pixieioc.pipeline.declare import Value, parameters_of
from pixieioc.pipeline.error import Refused
from pixieioc.pipeline.standard import StandardReports
from pixieioc.pipeline.validate import validate


class DrivenTask(Callbacks, StandardReports):
    """What the loop needs to know of a task."""

    name: str
    events_known: ClassVar[bool]
    run_id: int
    run_started: float
    run_settings: Mapping[str, Mapping[str, Value]]
    run_presets: Mapping[str, float]
    parameter_values: dict[str, Value]
    report_values: dict[str, Any]
    report_changed: set[str]


def set_parameters(task: DrivenTask, config: Mapping[str, Any], *, in_run: bool) -> None:
    """Sets all of `config` or, if anything in it is refused, nothing."""
    cls = type(task)
    now = {task.name: task.parameter_values}
    accepted = validate({task.name: config}, {task.name: cls}, known=now).get(task.name, {})
    known = parameters_of(cls)
    if in_run and (locked := [name for name in accepted if not known[name].live]):
        raise Refused(f"{task.name}: {', '.join(locked)} cannot be changed during a run", task=task.name)
    before = dict(task.parameter_values)
    task.parameter_values.update(accepted)
    try:
        if problems := [f"{task.name}.{name}: {text}" for name, text in task.do_check(dict(task.parameter_values))]:
            raise Refused("; ".join(problems), task=task.name, problems=tuple(problems))
        task.do_configure(accepted)
    except BaseException:  # whatever the hook raises, the old values stand
        task.parameter_values = before
        raise
    task.parameter_values.update({name: False for name in accepted if known[name].command})
