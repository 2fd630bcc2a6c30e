"""A task: one process of the pipeline, driven by messages.

Four kinds of methods: *handlers* (private, one a message) turn what comes in into actions; *actions* (`begin`,
`configure`, `work` ...) are what the task does, *senders* (`send_...`) what it says; *callbacks* (`do_...`) are the
small hooks that a subclass fills in. The frame calls the callbacks; a subclass needs one or two of them.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import psutil
import zmq
from numpy.typing import NDArray

from pixieioc import account
from pixieioc.listmode import jit
from pixieioc.pipeline.callbacks import Callbacks
from pixieioc.pipeline.control import ControlLine, Printer, Reports, Wiring
from pixieioc.pipeline.declare import Parameter, Report, Value, parameters_of, reports_of
from pixieioc.pipeline.error import Error, Refused
from pixieioc.pipeline.flow import Flow
from pixieioc.pipeline.frames import Packet, UnsupportedType
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.process import PROCESSES, die_with_parent, keep_memory, leave_signals_to_the_pipeline
from pixieioc.pipeline.registry import Registry
from pixieioc.pipeline.resolve import defaults_for, resolve
from pixieioc.pipeline.standard import StandardReports
from pixieioc.pipeline.status import Status, after

HEART_BEAT_INTERVAL = 1.0
#: `do_wait` is called so often, in seconds, while a task waits for data in a run.
WAIT_INTERVAL = 0.1

_CONFIGURE, _CONNECT = Message.CONFIGURE.emoji, Message.CONNECT.emoji
_ERROR, _PRINT, _REPORT = Message.ERROR.emoji, Message.PRINT.emoji, Message.REPORT.emoji


class Task(Callbacks, StandardReports, PROCESSES.Process):
    """Base class of all tasks: subclass it, declare parameters and reports, and fill in one or two callbacks.

    A subclass registers itself under its name. `events_known` says that the task knows events, so that it has a count
    and a rate of them; `heart_beat_timeout` is how long it may be silent, in seconds, before it counts as hanging
    (call `send_heart_beat()` in long loops).
    """

    class_registry: ClassVar[Registry] = Registry()
    events_known: ClassVar[bool] = False
    heart_beat_timeout: float = 10.0

    #: Number and Unix time of the current or last run, and the settings of all tasks in it; before the first, nothing.
    run_id: int = 0
    run_started: float = 0.0
    run_settings: Mapping[str, Mapping[str, Value]] = MappingProxyType({})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        clashes = [name for name in vars(cls) if name in _RESERVED and not name.startswith(("do_", "__"))]
        if clashes:
            raise TypeError(f"task {cls.__name__} cannot define {', '.join(clashes)}: every task has that already")
        if not cls.__name__.startswith("_"):
            Task.class_registry[cls.__name__] = cls

    def __init__(self, **kwargs: Any) -> None:
        """Keyword arguments are initial values of parameters; Refused if one is unknown or not allowed."""
        cls = type(self)
        super().__init__(name=cls.__name__, daemon=True)
        accepted = resolve({cls.__name__: kwargs}, {cls.__name__: cls}).get(cls.__name__, {})
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

    # -- actions for callbacks ----------------------------------------------------------------------------------------

    def send(self, report: Any) -> None:
        """Hands data to the next task; waits while the link is full. The last task of a chain has nobody to hand to.

        Raises UnsupportedType that names the type and this task. Do not change arrays after sending them.
        """
        self.send_data(report)

    def allocate(self, size: int) -> NDArray[np.uint8]:
        """Memory of `size` bytes, uninitialised, for arrays that will be sent: they need not be copied on their way.

        The memory that a task shares with the next is limited; when it is used up, this is memory like any other.
        """
        return self.__flow.allocate(size)

    def print(self, string: str) -> None:
        """Prints for the task: lines for the operator."""
        self.__printer.write(string + "\n")

    def report(self, report: dict[str, Any]) -> None:
        """Reports values by name, with the next report."""
        self.send_report(report)

    def finish(self) -> None:
        """For the first task of a chain: there will be no more data; the run ends once all tasks are through."""
        self.__flow.ending = True

    def idle(self, seconds: float) -> None:
        """For the first task of a chain: nothing to do for so long; `do_work` is called again then."""
        self.__idle_until = time.monotonic() + seconds

    @property
    def stopping(self) -> bool:
        """True once the run is to end; a `do_work` that takes long looks at it and returns."""
        self.__heed()
        return self.__flow.ending or self.__flow.discarding

    @property
    def running(self) -> bool:
        """True while a run is on."""
        return self.__status is Status.RUNNING

    @property
    def is_start(self) -> bool:
        """True for the first task of the chain."""
        return self.__flow.is_start

    @property
    def is_final(self) -> bool:
        """True for the last task of the chain."""
        return self.__flow.is_final

    # -- senders ------------------------------------------------------------------------------------------------------

    def send_data(self, data: Any) -> None:
        """Sends `Message.DATA`."""
        try:
            self.counter += self.__flow.put(data) and self.is_start
        except UnsupportedType as error:
            raise UnsupportedType(f"{self.name}: {error}", task=self.name) from None

    def send_finished(self) -> None:
        """Sends `Message.FINISHED`: to the next task, behind all data, and to the pipeline, behind the final report."""
        self.__flow.put_end()
        self.__to(after(self.__status, Message.FINISHED))
        self.__say_finished()

    def send_heart_beat(self) -> None:
        """Sends a heart beat every second; call it as often as you like."""
        now = time.monotonic()
        if now - self.__last_beat < HEART_BEAT_INTERVAL:
            return
        self.__last_beat = now
        self.heart_beat += 1
        self.cpu_load = self.__process.cpu_percent(None)
        self.mem_used = self.__process.memory_info().rss / 1e6
        self.send_report({})
        self.__send_printed()

    def send_starting(self, what: str) -> None:
        """Tells what will take long, as to load or to compile something; no other word is expected until it is done."""
        self.__control.say(_REPORT, {"starting": what}, self.run_id)

    def send_report(self, report: dict[str, Any], force: bool = False) -> None:
        """Sends `Message.REPORT`: at most two a second, merged, the newest values win; with `force` at once."""
        self.__reports.add(report)
        if force or self.__reports.due_in <= 0:
            self.flush_report()

    def flush_report(self) -> None:
        """Sends what is still to be reported to the pipeline, at once."""
        if self.__status is not Status.PANICKING:
            self.do_report()
        handled = self.events if self.events_known else self.counter
        self.__flow.measure(self, handled, running=self.__status is Status.RUNNING)
        self.__reports.add({name: self.report_values[name] for name in self.report_changed})
        self.report_changed.clear()
        self.__control.say(_REPORT, {**self.__reports.take(), "time": time.time()}, self.run_id)

    # -- actions of the frame -----------------------------------------------------------------------------------------

    def run(self) -> None:
        """The life of the task's process."""
        if self.wiring is None:
            raise Error(f"{self.name}: a task is started by Pipeline.create_task()", task=self.name)
        leave_signals_to_the_pipeline()
        keep_memory()
        self.__open(self.wiring)
        jit.listener = self.__tell_of_compiling
        try:
            self.__guard(self.init)
            while self.__status is not Status.DYING:
                self.__guard(self.poll)
            self.__guard(self.quit)
        finally:
            self.__close()

    def init(self) -> None:
        """Makes the task ready and tells the pipeline that it is there."""
        self.do_init()
        self.process_id = os.getpid()
        for name, report in type(self).reports().items():  # the first report is a whole one
            self.report_values.setdefault(name, report.initial)
        self.report_changed.update(self.report_values)
        self.flush_report()

    def poll(self) -> None:
        """Listens to sockets for the task, and does what is to be done."""
        self.__flow.wait(self.__patience())
        while (packet := self.__inbox.popleft() if self.__inbox else self.__control.hear()) is not None:
            self.__handle(packet)
        if self.__status is Status.RUNNING and self.is_start:
            self.__produce()
        elif self.__status in (Status.RUNNING, Status.PANICKING):
            self.__consume()
        elif self.__status is Status.WAITING:
            self.__wait_if_due(HEART_BEAT_INTERVAL)
        self.send_heart_beat()
        self.__send_printed()
        self.__control.flush()
        if self.__something_to_report and self.__reports.due_in <= 0:
            self.flush_report()

    def connect(self, address_pull: str, is_start: bool, is_final: bool) -> None:
        """Connects the task: where it pulls data from, and whether it is the first or the last of the chain."""
        self.__flow.connect(address_pull, is_start, is_final)
        self.do_connect(address_pull, is_start, is_final)

    def configure(self, config: dict[str, Any]) -> None:
        """Configures the task: all of `config` or, if anything in it is refused, nothing."""
        now = {self.name: self.parameter_values}
        accepted = resolve({self.name: config}, {self.name: type(self)}, known=now).get(self.name, {})
        known = type(self).parameters()
        if self.__status is not Status.WAITING and (locked := [n for n in accepted if not known[n].live]):
            raise Refused(f"{self.name}: {', '.join(locked)} cannot be changed during a run", task=self.name)
        before = dict(self.parameter_values)
        self.parameter_values.update(accepted)
        try:
            self.do_configure(accepted)
        except Exception:  # whatever the hook raises, the old values stand
            self.parameter_values = before
            raise
        self.parameter_values.update({name: False for name in accepted if known[name].command})

    def begin(self) -> None:
        """Starts the task: a run begins."""
        self.do_start()

    def wait(self) -> None:
        """Waits for the task."""
        self.__last_wait = time.monotonic()
        self.do_wait()

    def work(self) -> None:
        """Works for the task: one item, timed."""
        began, self.__flow.blocked = time.perf_counter(), 0.0
        datum, self.__datum = self.__datum, None
        self.do_work(datum)
        self.counter += not self.is_start
        self.execution_time = 1e3 * (time.perf_counter() - began - self.__flow.blocked)
        self.execution_time_max = max(self.execution_time_max, self.execution_time)

    def stop(self) -> None:
        """Stops the task: what it holds goes on, its files are closed."""
        self.do_stop()

    def quit(self) -> None:
        """Quits the task."""
        self.do_quit()

    # -- handlers -----------------------------------------------------------------------------------------------------

    def __handle(self, packet: Packet) -> None:
        """Answers one message of the pipeline: with a report that it is done, or with why it is refused."""
        refused = ""
        try:
            then = after(self.__status, packet.kind)
            self.__handlers[packet.kind](packet.payload)
            if packet.kind != Message.FINISHED:  # which comes true only when the stream has run dry
                self.__to(then)
        except Refused as error:
            refused = str(error)
        except (Exception, SystemExit) as error:  # a callback's: configuring and connecting are refused, a run fails
            refused = _text(error)
            if packet.kind not in (_CONFIGURE, _CONNECT):
                self.__panic(error)
        self.send_report({"ack": packet.number, "refused": refused}, force=True)

    def __handle_connect(self, place: dict[str, Any]) -> None:
        if self.__status is Status.WAITING:
            self.connect(place["address_pull"], place["is_start"], place["is_final"])
        else:  # the task behind this one is lost: what would go there is dropped and counted from now on
            self.__flow.is_final = self.__flow.cut = True

    def __handle_start(self, run: dict[str, Any]) -> None:
        self.__flow.begin(run["run"])
        self.begin_counting()
        self.__idle_until = 0.0
        self.run_id, self.run_started, self.run_settings = run["run"], run["time"], run["settings"]
        self.begin()

    def __handle_stop(self, _: None) -> None:
        self.__flow.ending = True

    def __handle_abort(self, _: None) -> None:
        self.__flow.ending = self.__flow.discarding = True

    def __handle_finished(self, _: None) -> None:
        self.__flow.orphaned_since = time.monotonic()

    def __handle_quit(self, _: None) -> None:
        self.__flow.discarding = self.__flow.quitting = True

    def __heed(self) -> None:
        """In the middle of some work: take in at once what ends it; everything else keeps its turn."""
        flow = self.__flow
        while (packet := self.__control.hear()) is not None:
            if packet.kind == _CONNECT and self.__status is not Status.WAITING:
                self.__handle(packet)
                continue
            flow.ending |= packet.kind in (Message.ABORT, Message.STOP)
            flow.discarding |= packet.kind in (Message.ABORT, Message.QUIT)
            flow.quitting |= packet.kind == Message.QUIT
            self.__inbox.append(packet)
        self.send_heart_beat()

    # -- how a run goes -----------------------------------------------------------------------------------------------

    def __produce(self) -> None:
        if self.__flow.ending:
            self.__end_run()
        elif time.monotonic() >= self.__idle_until:
            self.work()

    def __consume(self) -> None:
        packet = self.__flow.take()
        if packet is None:
            if self.__status is Status.RUNNING:
                self.__wait_if_due(WAIT_INTERVAL)
        elif packet.kind == Message.FINISHED:
            if self.__status is Status.RUNNING:
                self.__end_run()
            else:  # what came after the error has been swallowed
                self.__say_finished()
        elif self.__flow.discarding or self.__status is Status.PANICKING:
            self.__flow.dropped += 1
        else:
            self.__datum = packet.payload
            self.work()

    def __wait_if_due(self, interval: float) -> None:
        if time.monotonic() - self.__last_wait >= interval:
            self.wait()

    def __end_run(self) -> None:
        self.stop()
        self.__send_printed(last=True)
        self.send_finished()

    def __say_finished(self) -> None:
        """Tells the pipeline that this task is through with the run, behind the final report."""
        self.flush_report()
        self.__control.say(Message.FINISHED, None, self.run_id)

    def __to(self, status: Status) -> None:
        if status is self.__status:
            return
        self.__status = status
        self.status = status.name
        self.__flow.listen(status in (Status.RUNNING, Status.PANICKING))

    def __guard(self, action: Callable[[], None]) -> None:
        """Does `action`; whatever a callback raises, also sys.exit(), becomes an error of the task."""
        try:
            action()
        except (Exception, SystemExit) as error:
            self.__panic(error)

    def __panic(self, error: BaseException) -> None:
        in_run = self.__status is Status.RUNNING or (self.__status is Status.WAITING and self.run_id > 0)
        self.__to(after(self.__status, _ERROR))
        trace = "".join(traceback.format_exception(error))
        failure = Error(_text(error), task=self.name, traceback=trace, time=time.time(), run=self.run_id)
        self.__send_printed(last=True)
        self.__control.say(_ERROR, failure.to_dict(), self.run_id)
        self.flush_report()
        if in_run:
            self.__flow.put_end()
            if self.is_start:
                self.__say_finished()

    # -- bookkeeping --------------------------------------------------------------------------------------------------

    def __open(self, wiring: Wiring) -> None:
        self.__status = Status.WAITING
        self.__datum: Any = None
        self.__inbox: deque[Packet] = deque()
        self.__last_beat = self.__last_wait = self.__idle_until = 0.0
        self.__process, self.__reports, self.__printer = psutil.Process(), Reports(), Printer()
        sys.stdout = self.__printer  # pyright: ignore[reportAttributeAccessIssue]  # it has what print() needs of a file
        self.__context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.__control = ControlLine(self.__context, wiring)
        self.__flow = Flow(self.__context, wiring.endpoint, self.__control.socket, self.__heed, self.print)
        self.__handlers: dict[str, Callable[[Any], None]] = {
            _CONFIGURE: self.configure,
            _CONNECT: self.__handle_connect,
            Message.START: self.__handle_start,
            Message.STOP: self.__handle_stop,
            Message.ABORT: self.__handle_abort,
            Message.FINISHED: self.__handle_finished,
            Message.QUIT: self.__handle_quit,
        }
        threading.Thread(target=die_with_parent, name="parent", daemon=True).start()

    def __tell_of_compiling(self, loop: str) -> None:
        self.send_starting(f"compiling {loop} ({'once' if account.code_folder() else 'at every start'})")

    def __close(self) -> None:
        self.__send_printed(last=True)
        self.__flow.close()
        self.__control.close()
        self.__context.term()

    def __send_printed(self, *, last: bool = False) -> None:
        while (text := self.__printer.take(last=last)) is not None:
            self.__control.say(_PRINT, {"text": text, "time": time.time()}, self.run_id)

    @property
    def __something_to_report(self) -> bool:
        return bool(self.report_changed) or not self.__reports.empty

    def __patience(self) -> float:
        """How long the task may sleep on its sockets, in ms."""
        if self.__inbox:
            return 0
        now = time.monotonic()
        until = self.__last_beat + HEART_BEAT_INTERVAL
        if self.__something_to_report:
            until = min(until, now + self.__reports.due_in)
        if self.__status is Status.RUNNING and self.is_start:
            until = min(until, now if self.__flow.ending else self.__idle_until)
        elif self.__status is Status.RUNNING:
            until = min(until, self.__last_wait + WAIT_INTERVAL)
        return max(0.0, 1e3 * (until - now))


def _text(error: BaseException) -> str:
    return str(error) if isinstance(error, Error) else f"{type(error).__name__}: {error}"


#: Names that a subclass must not define; the frame's own private ones are mangled (`__x`) and in nobody's way.
_RESERVED = {*dir(Task), *vars(Task())} - {"events_known", "heart_beat_timeout"}
