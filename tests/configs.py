"""Configurations of tasks in any order, for tests of what is said about tasks: they could not run as a chain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixieioc.config import Config, ConfigError, IocTable, RunParameters, with_defaults
from pixieioc.pipeline import Task
from pixieioc.pipeline.resolve import resolve


def config_of(
    chain: tuple[str, ...],
    tasks: Mapping[str, Mapping[str, Any]],
    *,
    prefix: str = "PX16:",
    ioc: IocTable | None = None,
) -> Config:
    """The configuration of these tasks; ConfigError for one that is not there."""
    if unknown := [name for name in chain if name not in Task.class_registry]:
        raise ConfigError(f"no task {unknown[0]!r}")
    classes = {name: Task.class_registry[name] for name in chain}
    given = resolve(tasks, classes, commands=False)
    return Config(
        chain=chain,
        prefix=prefix,
        settings={name: with_defaults(cls, given.get(name, {})) for name, cls in classes.items()},
        run=with_defaults(RunParameters, {}),
        ioc=ioc or IocTable(),
        folder=Path("/data"),
    )
