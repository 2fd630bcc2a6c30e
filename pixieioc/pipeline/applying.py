"""Has tasks use new values of parameters that were checked before: those of single channels, too, and at a small cost.

`Pipeline.configure` takes anything, checks it and makes whole parameters of it. This is for who has done that already,
and for whom a channel's value is one of thousands.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pixieioc.pipeline import channel_values
from pixieioc.pipeline.declare import parameters_of
from pixieioc.pipeline.driven_task import HANG_LIMIT
from pixieioc.pipeline.error import Refused
from pixieioc.pipeline.fitting import Spot
from pixieioc.pipeline.in_use import InUse, keep_in_use
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.patience import Patience
from pixieioc.pipeline.pipeline_state import PipelineState
from pixieioc.pipeline.procedure import Procedure, Wait
from pixieioc.pipeline.task_process import TaskProcess

#: New values by task and spot.
Changes = Mapping[str, Mapping[Spot, Any]]
_CONFIGURE = Message.CONFIGURE.emoji
#: The limit for a hang is the pipeline's to keep: it holds at once, also for a task that is busy just now.
_LIMIT: Spot = (HANG_LIMIT, ())


def applying(
    state: PipelineState, changes: Changes, before: Changes, patience: float | None = None
) -> Procedure[dict[str, InUse]]:
    """Sends each task its changes, and returns what they answer that they use; Refused, and all as `before`, if one
    refuses.

    What is answered is also handled as it comes, by `handle_in_use`, so that what has changed with what was sent is
    known even if another task refuses.

    A task that has failed, or fails meanwhile, or is not there, gets the values when it is made (again), but what is
    kept in its device is refused, as nobody knows whether the device has it. One that does not answer for `patience`
    (s) refuses, and until it has answered it refuses at once: nobody waits for it again.
    """
    seconds = state.answer_timeout if patience is None else patience
    if silent := [process.name for process in _reached(state, changes) if process.owes_answer]:
        raise Refused("; ".join(f"{name}: has not answered what it was sent before" for name in silent), task=silent[0])
    reached = {process.name for process in _reached(state, changes)}
    devices = {name for name in changes if _of_device(state, name, changes[name])}
    if absent := [name for name in devices if name not in reached]:
        raise Refused(f"{absent[0]} is not running: its device cannot be reached", task=absent[0])
    sent = [(process, _send(state, process, changes[process.name])) for process in _reached(state, changes)]
    for name, of_task in changes.items():
        if _LIMIT in of_task and name in state.processes:
            _keep(state.processes[name].task.parameter_values, {_LIMIT: of_task[_LIMIT]})
    sent = [(process, number) for process, number in sent if changes[process.name].keys() != {_LIMIT}]

    left = {number: Patience(time.monotonic(), seconds) for _, number in sent}

    def over(process: TaskProcess, number: int) -> bool:
        # One that has said what takes it long, as to compile, has more time.
        late = left[number].is_over(time.monotonic(), starting=bool(process.starting))
        return _decided(state, process, number) or late

    yield Wait(lambda: all(over(*each) for each in sent), max(seconds, state.answer_timeout))
    silent = [process.name for process, number in sent if not _decided(state, process, number)]
    in_use = {process.name: answer.in_use for process, number in sent if (answer := process.answers.get(number))}
    refused = {
        process.name: why
        for process, number in sent
        if (why := _refusal(state, process, number, seconds, process.name in devices))
    }
    if refused:
        for name, of_task in before.items():
            if _LIMIT in of_task and name in state.processes:
                _keep(state.processes[name].task.parameter_values, {_LIMIT: of_task[_LIMIT]})
        well = [p for p, _ in sent if p.name not in refused and not _has_gone(state, p)]
        for process, _ in sent:
            if process.name in silent and not _has_gone(state, process):  # it comes to that after what it has not done
                process.owed = _send(state, process, before[process.name])
        back = [(process, _send(state, process, before[process.name])) for process in well]
        yield Wait(lambda: all(_decided(state, *each) for each in back), seconds)
        for process, number in back:
            process.answers.pop(number, None)
        raise Refused("; ".join(refused.values()), task=next(iter(refused)))
    for name, of_task in changes.items():
        if name in state.processes:
            _keep(state.processes[name].task.parameter_values, of_task)
            keep_in_use(state.processes[name].task.parameter_values, in_use.get(name, {}))
    return in_use


def _reached(state: PipelineState, changes: Changes) -> list[TaskProcess]:
    found = [state.processes[name] for name in changes if name in state.processes]
    return [process for process in found if process.known and not process.failed]


def _send(state: PipelineState, process: TaskProcess, changes: Mapping[Spot, Any]) -> int:
    number = state.send(process.name, _CONFIGURE, message(changes))
    process.answers[number] = None
    return number


def message(changes: Mapping[Spot, Any]) -> dict[str, Any]:
    """The changes of one task as CONFIGURE carries them: a table of places where there is a value for each channel."""
    whole = {name: value for (name, place), value in changes.items() if not place}
    tables: dict[str, dict[channel_values.Place, Any]] = {}
    for (name, place), value in changes.items():
        if place:
            tables.setdefault(name, {})[place] = value
    return {**whole, **{name: channel_values.table_of(table) for name, table in tables.items()}}


def _decided(state: PipelineState, process: TaskProcess, number: int) -> bool:
    return _has_gone(state, process) or process.answers.get(number) is not None


def _has_gone(state: PipelineState, process: TaskProcess) -> bool:
    return process.failed or state.processes.get(process.name) is not process


def _of_device(state: PipelineState, name: str, changes: Mapping[Spot, Any]) -> bool:
    """Whether some of these values of a task are kept in its device."""
    parameters = parameters_of(type(state.processes[name].task)) if name in state.processes else {}
    return any(parameters[parameter].device for parameter, _ in changes if parameter in parameters)


def _refusal(state: PipelineState, process: TaskProcess, number: int, seconds: float, device: bool) -> str:
    answer = process.answers.pop(number, None)
    if answer is None and _has_gone(state, process):
        why = f"it has failed: {process.error}" if process.error is not None else "its process has ended"
        return f"{process.name}: {why}" if device else ""
    if answer is None:
        return f"{process.name}: no answer within {seconds:g} s"
    text = answer.refused.removeprefix(f"{process.name}: ")
    return text if text.startswith(f"{process.name}.") or not text else f"{process.name}: {text}"


def _keep(values: dict[str, Any], changes: Mapping[Spot, Any]) -> None:
    """Has a process that replaces this one begin with these values."""
    for (name, place), value in changes.items():
        if place:
            channel_values.put_at(values[name], place, value)
        else:
            values[name] = value
