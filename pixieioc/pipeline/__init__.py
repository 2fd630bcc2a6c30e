"""Tasks as processes, wired as a chain over ZeroMQ: the pipeline's public names.

Pipeline and Task, which need sockets and processes, are loaded when they are first asked for: who imports one of the
pure modules here does not load them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pixieioc.pipeline.chain import ANYTHING, NOTHING, SAME
from pixieioc.pipeline.declare import BadReport, Parameter, Report
from pixieioc.pipeline.error import Cause, Error, Refused, errno_of
from pixieioc.pipeline.graph import Branch, Graph
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.status import Status
from pixieioc.presentation import AlarmHandling

if TYPE_CHECKING:
    from pixieioc.pipeline.pipeline import Pipeline
    from pixieioc.pipeline.task import Task
else:

    def __getattr__(name: str) -> Any:
        """Pipeline and Task."""
        if name not in ("Pipeline", "Task"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{name.lower()}"), name)
        return found


__all__ = [
    "ANYTHING",
    "NOTHING",
    "SAME",
    "AlarmHandling",
    "BadReport",
    "Branch",
    "Cause",
    "Error",
    "Graph",
    "Message",
    "Parameter",
    "Pipeline",
    "Refused",
    "Report",
    "Status",
    "Task",
    "errno_of",
]
