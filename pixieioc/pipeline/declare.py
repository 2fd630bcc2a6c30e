"""What a class declares: its parameters and reports, found by name.

From these declarations follow the checks of every value, the process variables, screens, alarms and documents.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, TypeVar

from pixieioc.pipeline.declaration import (
    CHANNELS,
    DOUBLE_EXACT,
    LONG_HIGH,
    LONG_LOW,
    LONGEST_TEXT,
    MODULES,
    Per,
    Value,
    pv_name,
)
from pixieioc.pipeline.parameter import Parameter
from pixieioc.pipeline.parameter_values import Kind
from pixieioc.pipeline.report import BadReport, FrameReport, Report
from pixieioc.presentation import Severity

__all__ = [
    "CHANNELS",
    "DOUBLE_EXACT",
    "LONGEST_TEXT",
    "LONG_HIGH",
    "LONG_LOW",
    "MODULES",
    "BadReport",
    "FrameReport",
    "Kind",
    "Parameter",
    "Per",
    "Report",
    "Severity",
    "Value",
    "parameters_of",
    "pv_name",
    "reports_of",
    "settings_of",
]

T = TypeVar("T")


def parameters_of(cls: type) -> dict[str, Parameter[Any]]:
    """The parameters that a class declares, by name; inherited ones first, in the order of their declaration."""
    return dict(_declared(cls, Parameter))


def reports_of(cls: type) -> dict[str, Report[Any]]:
    """The reports that a class declares, by name; inherited ones first, in the order of their declaration."""
    return dict(_declared(cls, Report))


def settings_of(cls: type, values: Mapping[str, Value]) -> dict[str, Value]:
    """Those of `values` that are settings: commands are not."""
    parameters = parameters_of(cls)
    return {name: value for name, value in values.items() if not parameters[name].command}


@functools.cache  # it is asked for each tick and each put, and a class stays as it was made
def _declared(cls: type, of: type[T]) -> dict[str, T]:
    found: dict[str, T] = {}
    for owner in reversed(cls.__mro__):
        for name, attribute in vars(owner).items():
            if isinstance(attribute, of):
                found.pop(name, None)
                found[name] = attribute
    return found
