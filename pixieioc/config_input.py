"""What a configuration is made of: a TOML file, and options that override its values."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pixieioc.config_calibration import FILE, is_calibration
from pixieioc.config_lines import KeyPath, not_toml
from pixieioc.config_regions import IN_KEV
from pixieioc.config_run import RUN
from pixieioc.pipeline.declare import parameters_of
from pixieioc.pipeline.error import Refused
from pixieioc.tasks.calibration import CALIBRATION, KEYS
from pixieioc.tasks.crate import CRATE, is_crate_fact

if TYPE_CHECKING:
    from pixieioc.pipeline.task import Task


class ConfigError(Refused):
    """A configuration that cannot be used."""


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """A TOML file's text and content; ConfigError says why it is none, with line and column."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    try:
        text = raw.decode()
        return text, tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(not_toml(path, raw, error)) from None


def override(content: dict[str, Any], sets: Iterable[str], prefix: str | None) -> dict[KeyPath, str]:
    """Puts what `--set` says into the content of a file; returns which option each place has come from."""
    options: dict[KeyPath, str] = {} if prefix is None else {("pipeline", "prefix"): f"--prefix {prefix}"}
    for text in sets:
        task, name, value = parse_set(text)
        key_path = (task, name) if task in (RUN, CRATE, CALIBRATION) else ("tasks", task, name)
        table: Any = content
        for key in key_path[:-1]:
            table = cast("dict[str, Any]", table).setdefault(key, {}) if isinstance(table, dict) else None
        if isinstance(table, dict):  # otherwise the file is wrong there, which is told
            table[name] = value
            options[key_path] = f"--set {text}"
    return options


def parse_set(text: str) -> tuple[str, str, Any]:
    """The parts of a text `task.parameter=value`; the value is TOML, or a text as it stands. Raises ConfigError."""
    key, equals, value = text.partition("=")
    task, dot, name = key.strip().partition(".")
    if not (equals and dot and task and name):
        raise ConfigError(
            f"--set {text}: must be task.parameter=value, run.parameter=value, crate.name=value or "
            "calibration.name=value"
        )
    try:
        return task, name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return task, name, value


def given_by_options(options: Iterable[KeyPath], classes: Mapping[str, type[Task]]) -> frozenset[tuple[str, str]]:
    """The settings that options say, by task (`run`: of none) and parameter: also those that follow from their keys."""
    found: set[tuple[str, str]] = set()
    for key_path in options:
        match key_path:
            case (table, name) if table == RUN:
                found.add((RUN, name))
            case (table, name) if table == CRATE:
                found |= {(task, name) for task, cls in classes.items() if is_crate_fact(cls, name)}
            case (table, key) if table == CALIBRATION:
                names = KEYS.values() if key == FILE else [KEYS[key]]
                found |= {(task, name) for task, cls in classes.items() for name in names if is_calibration(cls, name)}
            case ("tasks", task, key):
                found |= _sharing(task, IN_KEV.get(key, key), classes)
            case _:  # the prefix is no setting
                pass
    return frozenset(found)


def _sharing(task: str, name: str, classes: Mapping[str, type[Task]]) -> set[tuple[str, str]]:
    """A setting, in all tasks that share it."""
    shared = {each for each, cls in classes.items() if (p := parameters_of(cls).get(name)) is not None and p.shared}
    return {(each, name) for each in (shared if task in shared else {task})}
