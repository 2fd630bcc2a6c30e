"""What a configuration is made of: a TOML file, and options that override its values."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from pixieioc.config_lines import KeyPath, not_toml
from pixieioc.config_run import RUN
from pixieioc.pipeline.error import Refused
from pixieioc.tasks.calibration import CALIBRATION
from pixieioc.tasks.crate import CRATE


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
