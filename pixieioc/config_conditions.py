"""`[run.conditions]`: the site's own process variables that are kept with each run, checked beyond their types."""

from __future__ import annotations

from typing import Any

from pixieioc.config_run import RUN
from pixieioc.config_schema import ConditionsTable
from pixieioc.config_tables import Problem, read_table
from pixieioc.pipeline.declaration import shorten
from pixieioc.site_pvs.names import BadName, parse

#: Its name among the keys of `[run]`.
CONDITIONS = "conditions"


def read_conditions(run: dict[str, Any], problems: list[Problem]) -> ConditionsTable:
    """Takes the table out of those of `[run]`; what is wrong with it is added to `problems`."""
    key_path = (RUN, CONDITIONS)
    table = read_table(ConditionsTable, run.pop(CONDITIONS, {}), key_path, problems)
    if table is None:
        return ConditionsTable()
    key = (*key_path, "pvs")
    for name in table.pvs:
        try:
            parse(name)
        except BadName as error:
            problems.append(Problem(key, f"run.conditions.pvs: {shorten(name)}: {error}"))
    if twice := sorted({name for name in table.pvs if table.pvs.count(name) > 1}):
        problems.append(Problem(key, f"run.conditions.pvs: {', '.join(twice)}: named twice"))
    return table
