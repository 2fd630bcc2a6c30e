"""The values of a configuration: with defaults, with whole file names, and as the text of ConfigJSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixieioc.config_tables import name_from
from pixieioc.pipeline import channel_values
from pixieioc.pipeline.declare import Parameter, Value, parameters_of, settings_of
from pixieioc.pipeline.validate import defaults_for


def with_defaults(cls: type, values: Mapping[str, Value]) -> dict[str, Value]:
    """A value for every setting that `cls` declares."""
    return settings_of(cls, defaults_for(cls, values))


def absolute(cls: type, values: Mapping[str, Value], folder: Path) -> dict[str, Value]:
    """The same values, with relative file names starting from `folder`."""
    parameters = parameters_of(cls)
    made = dict(values)
    for name, value in values.items():
        if parameters[name].path and isinstance(value, str) and value:
            made[name] = name_from(folder, value)
        elif parameters[name].path and isinstance(value, list):
            made[name] = [name_from(folder, text) for text in value if isinstance(text, str)]
    return made


def to_json(settings: Mapping[str, Mapping[str, Value]], classes: Mapping[str, type]) -> str:
    """All values as one JSON text, the form of ConfigJSON; those of channels in the short form."""
    short = {task: _short(values, parameters_of(classes[task])) for task, values in settings.items()}
    return json.dumps(short, ensure_ascii=False)


def _short(values: Mapping[str, Any], parameters: Mapping[str, Parameter[Any]]) -> dict[str, Any]:
    return {n: channel_values.gathered(v) if parameters[n].per != "task" else v for n, v in values.items()}
