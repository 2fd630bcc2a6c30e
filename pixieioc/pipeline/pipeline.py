"""The pipeline: makes the tasks' processes, wires them as a chain, and drives them from run to run.

Everything that takes time is a procedure (see `procedure.py`), so that a script can call `start()` and wait while an
event loop follows `starting()` and watches `fileno()` and `sentinels()`. What a pipeline is at a moment is in
`pipeline_state.py`, its procedures in `life.py`, its messages in `incoming.py`, what goes wrong in `failures.py`.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

import zmq

from pixieioc.pipeline.error import Error
from pixieioc.pipeline.failures import WATCH_INTERVAL, Failures
from pixieioc.pipeline.graph import Branch, Graph
from pixieioc.pipeline.in_use import InUse, Limits
from pixieioc.pipeline.incoming import Incoming
from pixieioc.pipeline.life import Life, Tasks
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.pipeline_state import PipelineState
from pixieioc.pipeline.procedure import Call, Procedure, Wait
from pixieioc.pipeline.status import PIPELINE_RULES, Status, after
from pixieioc.pipeline.task_processes import ENDS_WITHIN

T = TypeVar("T")


class Pipeline(PipelineState):
    """Orchestrates tasks as a chain of processes; a context manager that leaves nothing behind.

    `task_kwargs` are initial values of parameters: a parameter's name, for every task that declares it, or a task's
    name with a dict. Override the handlers `handle_error`, `handle_print`, `handle_report`, `handle_starting` and
    `handle_in_use` to listen. All times are in seconds: `answer_timeout` for a task to begin (unless it has said what
    takes it longer), to be connected or configured; `watchdog` has those for the end of a run and of a process.
    """

    def __init__(self, task_kwargs: dict[str, Any] | None = None) -> None:
        super().__init__(task_kwargs)
        pipeline = weakref.proxy(self)  # without a cycle a forgotten pipeline ends at once, and its processes with it
        self._failures = Failures(pipeline, pipeline)
        self.incoming = Incoming(pipeline, self._failures, pipeline)
        self._life = Life(pipeline, self._failures, pipeline)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what a script calls ------------------------------------------------------------------------------------------

    def create_task(self, name: str, cls: str = "") -> None:
        """Starts the process of the task `name` of the class `cls` (by default the class of this name).

        Returns once it has said that it is ready. Raises ValueError with the known names if there is no such class,
        Error if its process fails to come up.
        """
        self.follow(self.creating({name: cls or name}))

    def connect(self, tasks_active: list[str], branches: Sequence[Branch] = ()) -> None:
        """Wires the named tasks as a chain, in that order, with its branches; others stay WAITING and receive no data.

        Raises RuntimeError that names the tasks that did not answer, ValueError for a name that is not there.
        """
        self.follow(self.connecting(Graph(tuple(tasks_active), tuple(branches))))

    def configure(self, config: dict[str, Any]) -> None:
        """Configures all tasks, or none: a key is a parameter's name or a task's name with a dict.

        Raises Refused that names task, parameter, value and allowed range.
        """
        self.follow(self.configuring(config))

    def start(self) -> None:
        """Begins a run in every connected task; failed processes are replaced first."""
        self.follow(self.starting())

    def stop(self) -> None:
        """Lets the run end: the first task stops, what was read flows to the last, all return to WAITING.

        Returns at once; `wait()` waits. After `watchdog.stop_timeout` what is still busy is killed.
        """
        self._end(Message.STOP)

    def abort(self) -> None:
        """Ends the run without drain: what the tasks hold is discarded, and counted; files are closed."""
        self._end(Message.ABORT)

    def wait(self, timeout: float | None = None) -> Status:
        """Handles messages until no run is in progress, or for `timeout` seconds; returns the pipeline's status."""
        self._block(Wait(lambda: self.at_rest, float("inf") if timeout is None else timeout))
        return self.status

    def quit(self) -> None:
        """Shuts the tasks down; what is still there after `watchdog.stop_timeout` is killed."""
        self.follow(self.quitting())

    def kill(self) -> None:
        """Kills all tasks at once, without drain."""
        self.follow(self.killing())

    def close(self) -> None:
        """Kills what still runs and removes the sockets; the pipeline cannot be used afterwards."""
        self.processes.close()

    def poll(self) -> bool:
        """Handles at most one message; True if there was one. Never blocks."""
        self._failures.check()
        received = self.processes.receive()
        if received is None:
            return False
        process, frames = received
        if process is not None:  # otherwise the last word of a process that has been replaced
            self.incoming.take(process, frames)
        return True

    # -- handlers: to be overridden -----------------------------------------------------------------------------------

    def handle_error(self, name: str, err: Error) -> None:
        """Handles `Message.ERROR`, and what the pipeline itself finds wrong with a task."""

    def handle_print(self, name: str, string: str) -> None:
        """Handles `Message.PRINT`: lines that a task printed."""
        print(f"{name}: {string}")

    def handle_report(self, name: str, report: dict[str, Any]) -> None:
        """Handles `Message.REPORT`: the values that changed; `processes[name].report_time` is its Unix time."""

    def handle_starting(self, name: str, what: str) -> None:
        """Handles a report of what takes a task long: before it is there, or in between, as to compile something."""

    def handle_in_use(self, name: str, values: InUse, limits: Limits, time: float) -> None:
        """Handles what has come into use in a task (`settings` has it already), and limits, at a Unix time."""

    # -- what an event loop watches -----------------------------------------------------------------------------------

    def fileno(self) -> int:
        """Readable when messages may have come: then call `poll()` until it says False (it is edge-triggered)."""
        return int(self.processes.socket.get(zmq.FD))

    def sentinels(self) -> dict[int, str]:
        """File descriptors that become readable when a task's process ends, with the task's name."""
        return {
            process.task.sentinel: name
            for name, process in self.processes.items()
            if process.known and not process.lost
        }

    def poll_now(self) -> None:
        """Has the next `poll()` look at the processes, although it did so just before."""
        self._failures.check_now()

    # -- procedures: what an event loop follows, and a script by the methods above ------------------------------------

    def creating(self, tasks: Tasks) -> Procedure[None]:
        """Starts the processes of several tasks side by side."""
        return self._life.creating(tasks)

    def connecting(self, tasks: Graph | Sequence[str]) -> Procedure[None]:
        """Wires tasks, as a graph or a chain; a pipeline that panicked and whose tasks all answer is WAITING again."""
        return self._life.connecting(tasks if isinstance(tasks, Graph) else Graph(tuple(tasks)))

    def configuring(self, config: Mapping[str, Any]) -> Procedure[None]:
        """Configures tasks, all or nothing; one that has failed gets its new settings when it is replaced."""
        return self._life.configuring(config)

    def starting(
        self,
        run_id: int | None = None,
        presets: Mapping[str, float] | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> Procedure[None]:
        """Begins a run: replaces what has failed, then starts the tasks behind the first, then the first."""
        return self._life.starting(run_id, presets or {}, record or {})

    def replacing(self, outdated: Iterable[str] | None = None) -> Procedure[None]:
        """Replaces processes that have died or panicked, with their accepted settings, and wires the chain again.

        With `outdated`: these, whose new settings need a new process, and no others.
        """
        return self._life.replacing(outdated)

    def quitting(self) -> Procedure[None]:
        """Shuts the tasks down, politely first."""
        return self._life.quitting()

    def killing(self, seconds: float = ENDS_WITHIN) -> Procedure[None]:
        """Ends all processes at once; the pipeline is as new afterwards. Error if one does not end in that time."""
        return self._life.killing(seconds)

    # -- small steps --------------------------------------------------------------------------------------------------

    def follow(self, procedure: Procedure[T]) -> T:
        """Goes through a procedure by blocking."""
        try:
            step = next(procedure)
            while True:
                wrong = self._carry_out(step)
                step = next(procedure) if wrong is None else procedure.throw(wrong)
        except StopIteration as end:
            return end.value

    def _carry_out(self, step: Call | Wait) -> Exception | None:
        """Carries out a step of a procedure; what goes wrong is the procedure's business."""
        try:
            if isinstance(step, Call):
                step.function()
            else:
                self._block(step)
        except Exception as error:
            return error
        return None

    def _block(self, step: Wait) -> None:
        end = time.monotonic() + step.seconds
        while not step.done() and (left := end - time.monotonic()) > 0:
            if not self.poll():
                self.processes.wait(min(left, WATCH_INTERVAL))

    def _end(self, how: str) -> None:
        self.status = after(self.status, how, PIPELINE_RULES)
        if self.status is not Status.DYING:
            return
        self.watchdog.end_by(time.monotonic())
        for process in self.chained:
            self.send(process.name, how, None)
