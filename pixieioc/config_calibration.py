"""The table [calibration]: what energies mean, said once for all tasks, in the table itself or in a CSV file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixieioc.config_calibration_file import as_written, read_file
from pixieioc.config_lines import KeyPath
from pixieioc.config_tables import Problem, name_from, name_of
from pixieioc.pipeline import channel_values
from pixieioc.pipeline.declaration import shorten
from pixieioc.pipeline.declare import Value, parameters_of
from pixieioc.pipeline.error import Refused
from pixieioc.pipeline.validate import defaults_for, like, validate
from pixieioc.tasks.calibration import CALIBRATION, KEYS, ChannelCalibration
from pixieioc.tasks.crate import CrateFacts

if TYPE_CHECKING:
    from pixieioc.pipeline.task import Task

FILE = "file"


class _Table(ChannelCalibration):
    """The parameters, with the facts from which it follows how many channels there are."""

    modules, channels = CrateFacts.modules, CrateFacts.channels


def calibration_of(
    given: Mapping[str, Any], crate: Mapping[str, Value], folder: Path, problems: list[Problem]
) -> dict[str, Value]:
    """The values of all channels, by the names of parameters; what is wrong is added to `problems`."""
    table = {KEYS[key]: value for key, value in given.items() if key in KEYS}
    for key in given:
        if key not in KEYS and key != FILE:
            text = f"{name_of((CALIBRATION, key))}: there is no such key{like(key, [*KEYS, FILE])}"
            problems.append(Problem((CALIBRATION, key), text))
    facts = {name: crate[name] for name in ("modules", "channels")}
    if (name := given.get(FILE, "")) != "":
        if not isinstance(name, str):
            text = f"{CALIBRATION}.{FILE} = {shorten(name)}: must be a text, the name of a CSV file"
            problems.append(Problem((CALIBRATION, FILE), text))
        else:
            _add(table, read_file(Path(name_from(folder, name)), facts, problems), name, problems)
    return _accepted(table, facts, problems)


def _add(table: dict[str, Any], of_file: Mapping[str, Any], file: str, problems: list[Problem]) -> None:
    """What a file has; the table itself must not say the same."""
    for key, parameter in KEYS.items():
        if parameter in of_file and parameter in table:
            text = f"{CALIBRATION}.{key}: {file} has this column, too; it must stand in one of them only"
            problems.append(Problem((CALIBRATION, key), text))
        elif parameter in of_file:
            table[parameter] = of_file[parameter]


def _accepted(table: dict[str, Any], facts: Mapping[str, Value], problems: list[Problem]) -> dict[str, Value]:
    """The values that are possible; what is not, each and together, becomes a problem."""
    wrong: set[str] = set()
    accepted: Mapping[str, Value] = {}
    try:
        accepted = validate({CALIBRATION: {**facts, **table}}, {CALIBRATION: _Table})[CALIBRATION]
    except Refused as error:
        for text, (_, name) in zip(error.problems, error.about, strict=True):
            problems.append(Problem(_path(name), as_written(text)))
            wrong.add(name)
    all_of_them = defaults_for(_Table, {**facts, **accepted})
    return {name: all_of_them[name] for name in KEYS.values()}


def _path(parameter: str) -> KeyPath:
    return (CALIBRATION, next((key for key, name in KEYS.items() if name == parameter), parameter))


# -- to the tasks -----------------------------------------------------------------------------------------------------


def is_calibration(cls: type, name: str) -> bool:
    """Whether the parameter `name` of a task is one that this table gives."""
    return name in KEYS.values() and parameters_of(cls).get(name) is parameters_of(ChannelCalibration)[name]


def with_calibration(
    classes: Mapping[str, type[Task]],
    tables: Mapping[str, Mapping[str, Any]],
    calibration: Mapping[str, Value],
    problems: list[Problem],
) -> dict[str, dict[str, Any]]:
    """The tables with the calibration for tasks that need it; in the tables themselves it must not be."""
    filled = {task: dict(table) for task, table in tables.items()}
    for task, cls in classes.items():
        for key, name in KEYS.items():
            if is_calibration(cls, name):
                if name in tables.get(task, {}):
                    text = f"tasks.{task}.{name}: it belongs in [{CALIBRATION}] as {key}, once for all tasks"
                    problems.append(Problem(("tasks", task, name), text))
                if name in calibration:
                    filled.setdefault(task, {})[name] = by_channel(calibration[name])
    return filled


def by_channel(value: Any) -> dict[str, Value]:
    """Values by module and channel as a table of the channels that have another than none."""
    return {
        channel_values.channel_name(module, channel): one
        for module, row in enumerate(value)
        for channel, one in enumerate(row)
        if one
    }
