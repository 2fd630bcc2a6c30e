"""What a pipeline is at a moment: its processes, its chain, its status, its run. Shared by all that drives it."""

from __future__ import annotations

from typing import Any

from pixieioc.pipeline.declare import Value, settings_of
from pixieioc.pipeline.error import Error
from pixieioc.pipeline.graph import Graph, Link
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.status import Status
from pixieioc.pipeline.task_process import TaskProcess
from pixieioc.pipeline.task_processes import TaskProcesses
from pixieioc.pipeline.watchdog import Watchdog


class PipelineState:
    """The state of a pipeline, and how its tasks are sent messages."""

    def __init__(self, task_kwargs: dict[str, Any] | None = None) -> None:
        self.task_kwargs = dict(task_kwargs or {})
        self.answer_timeout = 60.0
        self.watchdog = Watchdog()
        self.status = Status.WAITING
        self.run_id = 0
        self.processes = TaskProcesses()
        self.graph = Graph()
        self.wired = False  #: every task of the chain has taken its place in it
        self.errors: list[Error] = []  #: of the current or last run, first cause first

    @property
    def chain(self) -> list[str]:
        """The tasks of the chain, without those of its branches."""
        return list(self.graph.chain)

    @property
    def chained(self) -> list[TaskProcess]:
        """The processes that are connected: those of the chain from source to sink, then those of the branches."""
        return [self.processes[name] for name in self.graph.tasks if name in self.processes]

    @property
    def at_rest(self) -> bool:
        """True if no run is in progress and no task does anything for one any more."""
        return self.status not in (Status.RUNNING, Status.DYING) and all(m.at_rest for m in self.chained)

    @property
    def settings(self) -> dict[str, dict[str, Value]]:
        """The accepted value of every parameter that is a setting, by task."""
        return {name: settings_of(type(m.task), m.task.parameter_values) for name, m in self.processes.items()}

    def send_connect(self, name: str, address_pull: str, is_start: bool, is_final: bool) -> None:
        """Sends `Message.CONNECT`: where the task pulls data from, whether it is the first and the last."""
        self.send(
            name, Message.CONNECT.emoji, {"address_pull": address_pull, "is_start": is_start, "is_final": is_final}
        )

    def send_cut(self, link: Link) -> None:
        """Tells the task before a link that nothing can go there any more, because of a failure behind it."""
        self.send(link.source, Message.CONNECT.emoji, {"cut": link.output})

    def send_kill(self, name: str) -> None:
        """Kills the given task: SIGKILL to its process, which is then noticed as lost."""
        task = self.processes[name].task
        if task.pid is not None:
            task.kill()

    def send(self, name: str, kind: str, payload: Any) -> int:
        """Sends a message of this run to a task and returns its number, by which the answer will be known."""
        return self.processes.send(name, kind, payload, self.run_id)
