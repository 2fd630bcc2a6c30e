"""Configurations of tasks in any order, for tests of what is said about tasks: they could not run as a chain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixieioc.config import Config, ConfigError, IocTable, RunParameters, absolute, with_defaults
from pixieioc.config_tasks import class_names
from pixieioc.pipeline import Refused, Task
from pixieioc.pipeline.graph import Branch, Graph
from pixieioc.pipeline.validate import validate


def config_of(
    chain: tuple[str, ...],
    tasks: Mapping[str, Mapping[str, Any]],
    *,
    prefix: str = "PX16:",
    ioc: IocTable | None = None,
    branches: tuple[Branch, ...] = (),
) -> Config:
    """The configuration of these tasks; ConfigError for one that is not there."""
    named, tables = class_names(tasks, [])
    names = Graph(chain, branches).tasks
    if unknown := [name for name in names if named.get(name, name) not in Task.class_registry]:
        raise ConfigError(f"no task {unknown[0]!r}")
    classes = {name: Task.class_registry[named.get(name, name)] for name in names}
    try:
        given = validate(tables, classes, commands=False)
    except Refused as error:
        raise ConfigError("; ".join(f"tasks.{problem}" for problem in error.problems)) from None
    folder = Path("/data")
    return Config(
        graph=Graph(chain, branches),
        tasks=classes,
        prefix=prefix,
        settings={
            name: absolute(cls, with_defaults(cls, given.get(name, {})), folder) for name, cls in classes.items()
        },
        run=with_defaults(RunParameters, {}),
        ioc=ioc or IocTable(),
        folder=folder,
    )
