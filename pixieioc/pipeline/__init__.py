"""Tasks as processes, wired as a chain over ZeroMQ: the pipeline's public names."""

from pixieioc.pipeline.chain import ANYTHING, NOTHING, SAME
from pixieioc.pipeline.declare import BadReport, Parameter, Report
from pixieioc.pipeline.error import Cause, Error, Refused
from pixieioc.pipeline.graph import Branch, Graph
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.pipeline import Pipeline
from pixieioc.pipeline.status import Status
from pixieioc.pipeline.task import Task

__all__ = [
    "ANYTHING",
    "NOTHING",
    "SAME",
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
]
