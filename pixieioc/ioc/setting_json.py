"""A whole configuration, or a part of it, as one JSON text: ConfigJSON, all or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pixieioc.config import absolute
from pixieioc.ioc.setting_store import Key, SettingStore
from pixieioc.pipeline import Refused, channel_values
from pixieioc.pipeline.validate import validate


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ValueError if it has a key twice: one of the two would be lost without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return found


def read_json(text: str, store: SettingStore, folder: Path) -> tuple[list[str], dict[Key, Any]]:
    """What a text names, and the values that it gives, each possible by itself and all fitting each other; or Refused.

    Relative names of files begin at `folder`.
    """
    try:
        config: Any = json.loads(text, object_pairs_hook=_each_once)
        if not isinstance(config, dict):
            raise TypeError("must be an object: task to parameters, or parameter to value")
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(f"not a configuration: {error}") from None
    accepted = validate(config, store.classes, commands=False, fixed=False, known=store.used)
    given = {task: absolute(store.classes[task], values, folder) for task, values in accepted.items()}
    if problems := store.problems(given):
        raise Refused("; ".join(problems))
    values = {
        key: channel_values.at(whole, key[2])
        for task, of_task in given.items()
        for name, whole in of_task.items()
        for key in store.keys(task, name)
    }
    for key, value in list(values.items()):
        for other in store.sharing(key):
            if values.setdefault(other, value) != value:
                raise Refused(
                    f"{store.named(key)}: these tasks share it, and two values are given: {value}, {values[other]}"
                )
    for key, value in values.items():
        try:
            if key in store.limits and not store.is_setpoint(key, value):
                store.check(key, value)
        except ValueError as error:
            raise Refused(f"{store.named(key)} = {value}: {error}") from None
    return list(config), values
