"""A task: one process of the pipeline. What its author reads: what a class declares and what its callbacks may call.

A subclass declares parameters and reports and fills in one or two of the callbacks (`do_...`, see `callbacks.py`). The
loop that calls them in the task's process is another object, see `task_loop.py`: its names are not those of the task.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pixieioc.pipeline.activity import page_of
from pixieioc.pipeline.chain import ANYTHING, SAME, Kinds
from pixieioc.pipeline.contract import LEAST_HANG_TIMEOUT, check_definition
from pixieioc.pipeline.control import Wiring
from pixieioc.pipeline.declare import Parameter, Report, Value, parameters_of, reports_of
from pixieioc.pipeline.driven_task import DrivenTask, take_in_use
from pixieioc.pipeline.error import Error
from pixieioc.pipeline.forked import Forked
from pixieioc.pipeline.process import go_first, keep_memory, parent_has_ended
from pixieioc.pipeline.registry import TASKS, Registry
from pixieioc.pipeline.status import Status
from pixieioc.pipeline.task_lock import hold
from pixieioc.pipeline.task_loop import TaskLoop
from pixieioc.pipeline.validate import defaults_for, validate
from pixieioc.signals import leave_to_the_first


class Task(DrivenTask, Forked):
    """Base class of all tasks: subclass it, declare parameters and reports, and fill in one or two callbacks.

    A subclass registers itself under its name, at the top level of a module that can be imported: the class, not an
    object, is what reaches the task's process. What it needs for itself it makes in `do_init`, not in `__init__`. Names
    that begin with `do_` are those of callbacks.
    """

    #: All tasks that there are, by name.
    class_registry: ClassVar[Registry] = TASKS
    #: Whether the task knows events: then it counts them in its report `events`, and its rate is that of events.
    events_known: ClassVar[bool] = False
    #: The items that it can handle: a kind such as "events", several, ANYTHING, or NOTHING for a source.
    takes: ClassVar[Kinds] = ANYTHING
    #: The items that it hands on: a kind, SAME (as what it takes), or NOTHING.
    gives: ClassVar[str] = SAME
    #: How long `do_init` or `do_start` may take, in seconds, without a heart beat or a word of what takes them long.
    start_timeout: ClassVar[float] = 60.0
    #: Whether its process goes before ordinary ones, where the system allows that: for a source that cannot wait.
    urgent: ClassVar[bool] = False

    #: The presets by which a source ends its run itself, to the millisecond: REAL_TIME, LIVE_TIME (see `presets.py`).
    ends_by: ClassVar[tuple[str, ...]] = ()

    #: Number of the current or last run; 0 before the first.
    run_id: int = 0
    #: Unix time of the beginning of that run, in seconds.
    run_started: float = 0.0
    #: The settings of all tasks in that run, by task and parameter.
    run_settings: Mapping[str, Mapping[str, Value]] = MappingProxyType({})
    #: What that run is to have, by the preset's name: seconds of REAL_TIME or LIVE_TIME; empty without a preset.
    run_presets: Mapping[str, float] = MappingProxyType({})
    #: What is known of that run at its beginning beside the settings, such as its title; see `do_sidecars`.
    run_record: Mapping[str, Any] = MappingProxyType({})
    #: How long the end of that run may take after a Stop, in seconds, before what is still busy is killed.
    run_stop_timeout: float = math.inf
    #: Where a task can keep what must survive a restart of the IOC; None if nobody has named a folder.
    state_folder: Path | None = None
    #: Whether this pipeline had a process of this task before: then its settings are those that were written last.
    is_successor: bool = False

    hang_timeout = Parameter(
        60.0,
        unit="s",
        low=LEAST_HANG_TIMEOUT,
        high=1e7,
        unset=0,
        live=True,
        doc="Time that one do_work may take, without a heart beat, before the process is killed; 0: no limit.",
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_definition(cls, Task, _RESERVED)
        if not cls.__name__.startswith("_"):
            Task.class_registry[cls.__name__] = cls

    def __init__(self, **kwargs: Any) -> None:
        """Keyword arguments are initial values of parameters; Refused if one is unknown or not allowed."""
        cls = type(self)
        super().__init__(name=cls.__name__, daemon=True)
        accepted = validate({cls.__name__: kwargs}, {cls.__name__: cls}).get(cls.__name__, {})
        self.parameter_values: dict[str, Value] = defaults_for(cls, accepted)
        self.report_values: dict[str, Any] = {}
        self.report_changed: set[str] = set()
        self.wiring: Wiring | None = None

    @classmethod
    def parameters(cls) -> dict[str, Parameter[Any]]:
        """What the task can be configured with, by name."""
        return parameters_of(cls)

    @classmethod
    def reports(cls) -> dict[str, Report[Any]]:
        """What the task tells about itself, by name; those of every task first."""
        return reports_of(cls)

    # -- what callbacks call ------------------------------------------------------------------------------------------

    def send(self, report: Any) -> None:
        """Hands data to the next task; waits while the link is full. The last task of a chain has nobody to hand to.

        Raises UnsupportedType that names the type and this task. Do not change arrays after sending them.
        """
        self.__loop.send_data(report)

    def offer(self, data: Any) -> bool:
        """Hands data to the next task as `send` does, unless a link is full: then False, and nothing has happened.

        For a source that must not wait, and that keeps the data until it offers them again.
        """
        return self.__loop.send_data(data, wait=False)

    def allocate(self, size: int) -> NDArray[np.uint8]:
        """Memory of `size` bytes, uninitialised, for arrays that will be sent: they need not be copied on their way.

        The memory that a task shares with the next is limited: this waits while the next task has not taken what is in
        it. What does not fit in it, or has nobody to go to, gets memory like any other.
        """
        return self.__loop.data_plane.allocate(size)

    def print(self, string: str) -> None:
        """Prints for the task: lines for the operator."""
        self.__loop.out.print(string)

    def report(self, report: dict[str, Any]) -> None:
        """Reports values by name, with the next report."""
        self.send_report(report)

    def finish(self) -> None:
        """For the first task of a chain: there will be no more data; the run ends once all tasks are through."""
        self.__loop.data_plane.ending = True

    def end_stream(self) -> None:
        """For `do_stop`: no more data will be sent; the tasks behind end their part of the run while this one goes on.

        For a task that has something slow to do then, as to bring files to the disk. The run ends when all are through.
        """
        self.__loop.end_stream()

    def idle(self, seconds: float) -> None:
        """For the first task of a chain: nothing to do for so long; `do_work` is called again then."""
        self.__loop.idle(seconds)

    @property
    def stopping(self) -> bool:
        """True once the run is to end; a `do_work` that takes long asks for it now and then, and returns."""
        return self.__loop.stopping

    @property
    def pipeline_lost(self) -> bool:
        """True once the pipeline's process is gone: the run ends as by Stop, and then this process."""
        # A task before this one may have noticed, and ended the run, before the thread here that watches has.
        return self.__loop.pipeline.gone or parent_has_ended()

    @property
    def running(self) -> bool:
        """True while a run is in progress."""
        return self.__loop.status is Status.RUNNING

    @property
    def is_start(self) -> bool:
        """True for the first task of the chain."""
        return self.__loop.data_plane.is_start

    @property
    def is_final(self) -> bool:
        """True for the last task of the chain."""
        return self.__loop.data_plane.is_final

    def send_heart_beat(self) -> None:
        """Gives a sign of life in a callback that takes long, so that it does not count as hanging; call it often."""
        self.__loop.beat()

    def send_starting(self, what: str) -> None:
        """Tells what will take long, as to load, compile or boot something: no alarm until the callback returns."""
        self.__loop.announce(what)

    def send_in_use(self, values: Mapping[str, Any], limits: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Tells which values of parameters are in use although nobody has written them, as after a boot; also limits.

        `values`: by parameter; of one per channel or module all values, in lists or an array, or a mapping of places.
        `limits`: the lowest and the highest value that may be written from now on, a pair, or a mapping of places (a
        module's are those of its channels) to pairs, within what is declared. Only callbacks may call it. Raises
        BadSetting that names parameter and value, before anything is taken over.
        """
        out = self.__loop.out
        out.check_thread("values in use")
        out.in_use(*take_in_use(self, values, limits))

    def send_report(self, report: dict[str, Any], force: bool = False) -> None:
        """Sends `Message.REPORT`: at most two a second, merged, the newest values win; with `force` at once.

        Raises BadReport, before anything is reported, if a value is not one that its report can have.
        """
        out = self.__loop.out
        out.add(report)
        if force or out.report_due:
            self.flush_report()

    def flush_report(self) -> None:
        """Sends what is still to be reported to the pipeline, at once (from a thread, or from `do_report`: soon)."""
        self.__loop.flush_report()

    # -- what the loop does, for those who drive a task by hand -------------------------------------------------------

    def run(self) -> None:
        """The life of the task's process."""
        if self.wiring is None:
            raise Error(f"{self.name}: a task is started by Pipeline.create_task()", task=self.name)
        if self.state_folder is not None:
            hold(self.state_folder)
        leave_to_the_first()
        keep_memory()
        if self.urgent:
            go_first()
        try:
            loop = TaskLoop(self, self.wiring)
        except FileNotFoundError:
            if page_of(self.wiring.endpoint).parent.is_dir():
                raise
            return  # the pipeline has ended, and removed its files, before this process had begun
        self.drive_by(loop)
        loop.run()

    def drive_by(self, loop: TaskLoop) -> None:
        """Has a loop drive the task, that of its process or what stands in for one, as in `pixieioc.testing`."""
        self.__loop = loop

    def init(self) -> None:
        """Makes the task ready and tells the pipeline that it is there."""
        self.__loop.init()

    def poll(self) -> None:
        """Listens to sockets for the task, and does what is to be done."""
        self.__loop.poll()

    def connect(self, address_pull: str, is_start: bool, is_final: bool) -> None:
        """Connects the task: where it pulls data from, and whether it is the first or the last of the chain."""
        self.__loop.connect(address_pull, is_start, is_final)

    def configure(self, config: dict[str, Any]) -> None:
        """Configures the task: all of `config` or, if anything in it is refused, nothing."""
        self.__loop.configure(config)

    def begin(self) -> None:
        """Starts the task: a run begins."""
        self.do_start()

    def wait(self) -> None:
        """Waits for the task."""
        self.__loop.wait()

    def work(self) -> None:
        """Works for the task: one item, timed; that of a source, which gets none."""
        self.__loop.work(None)

    def stop(self) -> None:
        """Stops the task: what it holds goes on, its files are closed."""
        self.do_stop()

    def quit(self) -> None:
        """Quits the task."""
        self.do_quit()

    def send_data(self, data: Any) -> None:
        """Sends `Message.DATA`."""
        self.__loop.send_data(data)

    def send_finished(self) -> None:
        """Sends `Message.FINISHED`: to the next task, behind all data, and to the pipeline, behind the final report."""
        self.__loop.send_finished()


#: What a class sets for itself, and what the loop does without asking the task: a subclass may have such names.
_FREE = {
    *("events_known", "takes", "gives", "start_timeout", "hang_timeout", "ends_by", "urgent"),
    *("init", "poll", "connect", "configure", "begin", "wait", "work", "stop", "quit", "send_data", "send_finished"),
}
#: Names that a subclass must not define: those of its process, and what callbacks use.
_RESERVED = {*dir(Task), *vars(Task())} - _FREE
