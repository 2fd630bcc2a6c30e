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
from pixieioc.pipeline.chain import ANYTHING, SAME, Kinds
from pixieioc.pipeline.contract import check_definition, check_returned
from pixieioc.pipeline.control import ControlLine, Printer, Wiring
from pixieioc.pipeline.data_plane import DataPlane
from pixieioc.pipeline.declare import Parameter, Report, Value, parameters_of, reports_of
from pixieioc.pipeline.error import Error, Refused
from pixieioc.pipeline.frames import Packet, UnsupportedType
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.payloads import Answered, Busy, Printed, Reported, clean, write
from pixieioc.pipeline.process import PROCESSES, die_with_parent, keep_memory, leave_signals_to_the_pipeline
from pixieioc.pipeline.registry import Registry
from pixieioc.pipeline.reporting import Reporting
from pixieioc.pipeline.standard import StandardReports, begin_counting, keep
from pixieioc.pipeline.status import Status, after
from pixieioc.pipeline.validate import defaults_for, validate

HEART_BEAT_INTERVAL = 1.0
#: `do_wait` is called so often, in seconds, while a task waits for data in a run.
WAIT_INTERVAL = 0.1

_CONFIGURE, _CONNECT = Message.CONFIGURE.emoji, Message.CONNECT.emoji
_ERROR, _PRINT, _REPORT = Message.ERROR.emoji, Message.PRINT.emoji, Message.REPORT.emoji
_BUSY = Message.BUSY.emoji
_ANSWER = Message.ANSWER.emoji


class Task(Callbacks, StandardReports, PROCESSES.Process):
    """Base class of all tasks: subclass it, declare parameters and reports, and fill in one or two callbacks.

    A subclass registers itself under its name, at the top level of a module that can be imported: the class, not an
    object, is what reaches the task's process. What it needs for itself it makes in `do_init`, not in `__init__`. Names
    that begin with `do_` are those of callbacks.
    """

    #: All tasks that there are, by name.
    class_registry: ClassVar[Registry] = Registry()
    #: Whether the task knows events: then it counts them in its report `events`, and its rate is that of events.
    events_known: ClassVar[bool] = False
    #: The items that it can handle: a kind such as "events", several, ANYTHING, or NOTHING for a source.
    takes: ClassVar[Kinds] = ANYTHING
    #: The items that it hands on: a kind, SAME (as what it takes), or NOTHING.
    gives: ClassVar[str] = SAME
    #: How long it may be silent, in seconds, before it counts as hanging: call `send_heart_beat()` in long loops.
    heart_beat_timeout: float = 10.0

    #: Number of the current or last run; 0 before the first.
    run_id: int = 0
    #: Unix time of the beginning of that run, in seconds.
    run_started: float = 0.0
    #: The settings of all tasks in that run, by task and parameter.
    run_settings: Mapping[str, Mapping[str, Value]] = MappingProxyType({})

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
        return self.__data_plane.allocate(size)

    def print(self, string: str) -> None:
        """Prints for the task: lines for the operator."""
        self.__printer.write(string + "\n")

    def report(self, report: dict[str, Any]) -> None:
        """Reports values by name, with the next report."""
        self.send_report(report)

    def finish(self) -> None:
        """For the first task of a chain: there will be no more data; the run ends once all tasks are through."""
        self.__data_plane.ending = True

    def idle(self, seconds: float) -> None:
        """For the first task of a chain: nothing to do for so long; `do_work` is called again then."""
        self.__idle_until = time.monotonic() + seconds

    @property
    def stopping(self) -> bool:
        """True once the run is to end; a `do_work` that takes long looks at it and returns."""
        if threading.get_ident() == self.__thread:
            self.__poll_control()
        return self.__data_plane.ending or self.__data_plane.discarding

    @property
    def running(self) -> bool:
        """True while a run is on."""
        return self.__status is Status.RUNNING

    @property
    def is_start(self) -> bool:
        """True for the first task of the chain."""
        return self.__data_plane.is_start

    @property
    def is_final(self) -> bool:
        """True for the last task of the chain."""
        return self.__data_plane.is_final

    # -- senders ------------------------------------------------------------------------------------------------------

    def send_data(self, data: Any) -> None:
        """Sends `Message.DATA`."""
        try:
            if threading.get_ident() != self.__thread:
                raise Error(f"{self.name}: data are sent by the callbacks only, not by a thread", task=self.name)
            sent = self.__data_plane.put(data)
        except UnsupportedType as error:
            raise UnsupportedType(f"{self.name}: {error}", task=self.name) from None
        if sent and self.is_start:
            keep(self, counter=self.counter + 1)

    def send_finished(self) -> None:
        """Sends `Message.FINISHED`: to the next task, behind all data, and to the pipeline, behind the final report."""
        self.__put_end()
        self.__to(after(self.__status, Message.FINISHED))
        self.__say_finished()

    def send_heart_beat(self) -> None:
        """Sends a heart beat every second; call it as often as you like."""
        now = time.monotonic()
        if now - self.__last_beat < HEART_BEAT_INTERVAL:
            return
        self.__last_beat = now
        memory = self.__process.memory_info().rss / 1e6
        keep(self, heart_beat=self.heart_beat + 1, cpu_load=self.__process.cpu_percent(None), mem_used=memory)
        self.send_report({})
        self.__send_printed()

    def send_starting(self, what: str) -> None:
        """Tells what will take long, as to load or to compile something; no other word is expected until it is done."""
        self.__control.say(_BUSY, write(Busy(what)), self.run_id)

    def send_report(self, report: dict[str, Any], force: bool = False) -> None:
        """Sends `Message.REPORT`: at most two a second, merged, the newest values win; with `force` at once.

        Raises BadReport, before anything is reported, if a value is not one that its report can have.
        """
        self.__reporting.add(report)
        if force or self.__reporting.due_in <= 0:
            self.flush_report()

    def flush_report(self) -> None:
        """Sends what is still to be reported to the pipeline, at once (from a thread, or from `do_report`: soon)."""
        if threading.get_ident() != self.__thread or self.__making_report:
            return
        self.__making_report = True
        try:
            if self.__status not in (Status.PANICKING, Status.DYING):
                self.do_report()
        finally:
            self.__making_report = False
        handled = self.events if self.events_known else self.counter
        self.__data_plane.measure(self, handled, running=self.__status is Status.RUNNING)
        values, links = self.__reporting.take(), self.__data_plane.links
        report = Reported(status=self.__status.name, time=time.time(), values=values, links=links)
        self.__control.say(_REPORT, write(report), self.run_id)

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
        keep(self, process_id=os.getpid())
        for name, report in type(self).reports().items():  # the first report is a whole one
            self.report_values.setdefault(name, report.initial)
        self.report_changed.update(self.report_values)
        self.flush_report()

    def poll(self) -> None:
        """Listens to sockets for the task, and does what is to be done."""
        self.__data_plane.wait(self.__patience())
        if self.__in_thread is not None:
            error, self.__in_thread = self.__in_thread, None
            raise error
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
        if not self.__reporting.empty and self.__reporting.due_in <= 0:
            self.flush_report()

    def connect(self, address_pull: str, is_start: bool, is_final: bool) -> None:
        """Connects the task: where it pulls data from, and whether it is the first or the last of the chain."""
        self.__data_plane.connect(address_pull, is_start, is_final)
        self.do_connect(address_pull, is_start, is_final)

    def configure(self, config: dict[str, Any]) -> None:
        """Configures the task: all of `config` or, if anything in it is refused, nothing."""
        now = {self.name: self.parameter_values}
        accepted = validate({self.name: config}, {self.name: type(self)}, known=now).get(self.name, {})
        known = type(self).parameters()
        if self.__status is not Status.WAITING and (locked := [n for n in accepted if not known[n].live]):
            raise Refused(f"{self.name}: {', '.join(locked)} cannot be changed during a run", task=self.name)
        before = dict(self.parameter_values)
        self.parameter_values.update(accepted)
        try:
            if problems := [f"{self.name}.{name}: {text}" for name, text in self.do_check(dict(self.parameter_values))]:
                raise Refused("; ".join(problems), task=self.name, problems=tuple(problems))
            self.do_configure(accepted)
        except BaseException:  # whatever the hook raises, the old values stand
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
        began, self.__data_plane.blocked = time.perf_counter(), 0.0
        datum, self.__datum = self.__datum, None
        check_returned(self.name, self.do_work(datum))
        took = 1e3 * (time.perf_counter() - began - self.__data_plane.blocked)
        keep(self, execution_time=took, execution_time_max=max(self.execution_time_max, took))
        if not self.is_start:
            keep(self, counter=self.counter + 1)

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
        except BaseException as error:  # a callback's: configuring and connecting are refused, a run fails
            refused = _text(error)
            if packet.kind not in (_CONFIGURE, _CONNECT):
                self.__panic(error)
            elif not isinstance(error, Error):  # a fault of the callback rather than its fault
                self.print(self.__trace(error))
        try:
            self.flush_report()  # what the answer is about is known before it
        except BaseException as error:  # `do_report`'s
            refused = refused or _text(error)
            self.__panic(error)
        self.__control.say(_ANSWER, write(Answered(ack=packet.number, refused=clean(refused))), self.run_id)

    def __handle_connect(self, place: dict[str, Any]) -> None:
        if "cut" in place:  # a task behind this one has failed: what would go there is not sent any more
            self.__data_plane.cut(place["cut"])
        elif self.__status is Status.WAITING:
            self.__data_plane.modes = place.get("modes", ())
            self.connect(place["address_pull"], place["is_start"], place["is_final"])
        else:
            self.__data_plane.cut(None)

    def __handle_start(self, run: dict[str, Any]) -> None:
        self.__data_plane.begin(run["run"])
        begin_counting(self)
        self.__idle_until = 0.0
        self.__owes_end, self.__end_is_sent, self.__input_ended = True, False, self.is_start
        self.run_id, self.run_started, self.run_settings = run["run"], run["time"], run["settings"]
        self.begin()

    def __handle_stop(self, _: None) -> None:
        self.__data_plane.ending = True

    def __handle_abort(self, _: None) -> None:
        self.__data_plane.ending = self.__data_plane.discarding = True

    def __handle_finished(self, _: None) -> None:
        self.__data_plane.orphaned_since = time.monotonic()

    def __handle_quit(self, _: None) -> None:
        self.__data_plane.discarding = self.__data_plane.quitting = True

    def __poll_control(self) -> None:
        """In the middle of some work: take in at once what ends it; everything else keeps its turn."""
        flow = self.__data_plane
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
        if self.__data_plane.ending:
            self.__end_run()
        elif time.monotonic() >= self.__idle_until:
            self.work()

    def __consume(self) -> None:
        packet = self.__data_plane.take()
        if packet is None:
            if self.__status is Status.RUNNING:
                self.__wait_if_due(WAIT_INTERVAL)
        elif packet.kind == Message.FINISHED:
            self.__input_ended = True
            if self.__status is Status.RUNNING:
                self.__end_run()
            else:  # what came after the error has been swallowed
                self.__say_finished()
        elif self.__data_plane.discarding or self.__status is Status.PANICKING:
            self.__data_plane.dropped += 1
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

    def __put_end(self) -> None:
        """Passes the end of the stream on, once a run."""
        if not self.__end_is_sent:
            self.__data_plane.put_end()
            self.__end_is_sent = True

    def __say_finished(self) -> None:
        """Tells the pipeline that this task is through with the run, behind the final report."""
        self.flush_report()
        self.__control.say(Message.FINISHED, None, self.run_id)
        self.__owes_end = False

    def __to(self, status: Status) -> None:
        if status is self.__status:
            return
        self.__status = status
        keep(self, status=status.name)
        self.__data_plane.listen(status in (Status.RUNNING, Status.PANICKING))

    def __guard(self, action: Callable[[], None]) -> None:
        """Does `action`; whatever a callback raises, also sys.exit() or ^C, becomes an error of the task."""
        try:
            action()
        except BaseException as error:
            self.__panic(error)

    def __panic(self, error: BaseException) -> None:
        """Tells the error, once, and ends this task's part of the run, wherever it has come to."""
        self.__to(after(self.__status, _ERROR))
        failure = Error(
            clean(_text(error)), task=self.name, traceback=self.__trace(error), time=time.time(), run=self.run_id
        )
        self.__send_printed(last=True)
        self.__control.say(_ERROR, failure.to_dict(), self.run_id)
        self.flush_report()
        if self.__owes_end:
            self.__put_end()
            if self.__input_ended:  # otherwise what still comes is swallowed first
                self.__say_finished()

    def __trace(self, error: BaseException) -> str:
        """The traceback of an error; of one that the frame raises it ends at the line of the task that was wrong."""
        told = traceback.TracebackException.from_exception(error)
        if isinstance(error, Error):
            while len(told.stack) > 1 and told.stack[-1].filename.startswith(_FRAME):
                told.stack.pop()
        return clean("".join(told.format()))

    # -- bookkeeping --------------------------------------------------------------------------------------------------

    def __open(self, wiring: Wiring) -> None:
        self.__status = Status.WAITING
        self.__datum: Any = None
        self.__inbox: deque[Packet] = deque()
        self.__last_beat = self.__last_wait = self.__idle_until = 0.0
        self.__owes_end = self.__end_is_sent = self.__input_ended = self.__making_report = False
        self.__thread = threading.get_ident()
        self.__in_thread: BaseException | None = None
        self.__process, self.__reporting, self.__printer = psutil.Process(), Reporting(self), Printer()
        threading.excepthook = self.__thread_failed
        sys.stdout = self.__printer  # pyright: ignore[reportAttributeAccessIssue]  # it has what print() needs of a file
        self.__context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.__control = ControlLine(self.__context, wiring)
        self.__data_plane = DataPlane(
            self.__context, wiring.endpoint, self.__control.socket, self.__poll_control, self.print
        )
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
        self.__data_plane.close()
        self.__control.close()
        self.__context.term()

    def __send_printed(self, *, last: bool = False) -> None:
        if threading.get_ident() != self.__thread:
            return
        while (text := self.__printer.take(last=last)) is not None:
            self.__control.say(_PRINT, write(Printed(text=text, time=time.time())), self.run_id)

    def __thread_failed(self, failed: threading.ExceptHookArgs) -> None:
        """A thread of the task has ended by an exception: that is the task's."""
        self.__in_thread = self.__in_thread or failed.exc_value

    def __patience(self) -> float:
        """How long the task may sleep on its sockets, in ms."""
        if self.__inbox:
            return 0
        now = time.monotonic()
        until = min(self.__last_beat + HEART_BEAT_INTERVAL, now + self.__printer.due_in)
        if not self.__reporting.empty:
            until = min(until, now + self.__reporting.due_in)
        if self.__status is Status.RUNNING and self.is_start:
            until = min(until, now if self.__data_plane.ending else self.__idle_until)
        elif self.__status is Status.RUNNING:
            until = min(until, self.__last_wait + WAIT_INTERVAL)
        return max(0.0, 1e3 * (until - now))


def _text(error: BaseException) -> str:
    try:
        return str(error) if isinstance(error, Error) else f"{type(error).__name__}: {error}".removesuffix(": ")
    except Exception as another:  # an exception whose text cannot be made
        return f"{type(error).__name__}, whose text cannot be shown: {type(another).__name__}"


#: Where the code of the frame is.
_FRAME = os.path.dirname(__file__) + os.sep  # noqa: PTH120


#: Names that a subclass must not define; the frame's own private ones are mangled (`__x`) and in nobody's way.
_RESERVED = {*dir(Task), *vars(Task())} - {"events_known", "heart_beat_timeout", "takes", "gives"}
