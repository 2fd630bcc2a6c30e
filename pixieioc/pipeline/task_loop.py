"""The loop that drives a task in its process: messages in, callbacks called, data and reports out.

A task is an object of its own, which knows nothing of what is in here; what is done next says `task_rules.py`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import zmq

from pixieioc import account
from pixieioc.listmode import jit
from pixieioc.pipeline.activity import Activity, page_of
from pixieioc.pipeline.contract import check_returned
from pixieioc.pipeline.control import ControlLine, Wiring
from pixieioc.pipeline.data_plane import DataPlane
from pixieioc.pipeline.declare import parameters_of
from pixieioc.pipeline.driven_task import DrivenTask, report_all, set_parameters
from pixieioc.pipeline.error import Error, Refused, errno_of
from pixieioc.pipeline.failure_text import text_of, trace_of
from pixieioc.pipeline.frames import Packet, UnsupportedType
from pixieioc.pipeline.in_use import BadSetting, InUse, packed
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.outgoing import Outgoing
from pixieioc.pipeline.payloads import clean
from pixieioc.pipeline.pipeline_lost import PipelineLost
from pixieioc.pipeline.run_settings import RunSettings
from pixieioc.pipeline.standard import begin_counting, keep
from pixieioc.pipeline.status import Status, after
from pixieioc.pipeline.task_rules import Input, Situation, Step, ending_of, next_step, takes_input

#: `do_wait` is called so often, in seconds: while a task waits for data in a run, and without a run.
WAIT_INTERVAL, REST_INTERVAL = 0.1, 1.0

_CONFIGURE, _CONNECT, _ERROR = Message.CONFIGURE.emoji, Message.CONNECT.emoji, Message.ERROR.emoji


class TaskLoop:
    """Drives one task from the beginning of its process to its end."""

    def __init__(self, task: DrivenTask, wiring: Wiring) -> None:
        self._task = task
        self.status = Status.WAITING
        self._inbox: deque[Packet] = deque()
        self._last_wait = self._idle_until = 0.0
        #: In this run: the pipeline is still to be told of the end; the task before has said so.
        self._owes_end = self._input_ended = self._making_report = False
        self._in_thread: BaseException | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._control = ControlLine(self._context, wiring)
        self.out = Outgoing(task, self._control)
        self._activity, self.pipeline = Activity(page_of(wiring.endpoint)), PipelineLost(self._context)
        hear, waited = self.poll_control, self._activity.waited
        self.data_plane = DataPlane(self._context, wiring.endpoint, self._control.socket, hear, self.out.print, waited)
        self._handlers: dict[str, Callable[[Any], InUse | None]] = {
            _CONFIGURE: self.configure,
            _CONNECT: self._take_links,
            Message.START: self._start_run,
            **dict.fromkeys((Message.STOP, Message.ABORT, Message.QUIT), lambda _: None),  # see `_end_at_once`
            Message.FINISHED: self._lose_sender,
        }

    # -- the life of the process --------------------------------------------------------------------------------------

    def run(self) -> None:
        """Goes on until the pipeline says that the process is to end."""
        threading.excepthook = self._thread_failed
        sys.stdout = self.out.printer  # pyright: ignore[reportAttributeAccessIssue]  # it has what print() needs
        jit.listener = self._announce_compiling
        threading.Thread(target=self.pipeline.watch, args=(self._activity,), name="pipeline", daemon=True).start()
        try:
            self._guard(self.init)
            while self.status is not Status.DYING:
                self._guard(self.poll)
                if self.pipeline.gone and not self._owes_end:
                    self._to(after(self.status, Message.QUIT))
            self._guard(self._task.do_quit)
        finally:
            self.out.printed(last=True)
            self.data_plane.close(self.pipeline.drain_time if self.pipeline.gone else 0.0)
            self._control.close(nobody_listens=self.pipeline.gone)
            self._context.term()

    def init(self) -> None:
        """Makes the task ready and tells the pipeline that it is there."""
        self._activity.start()
        self._task.do_init()
        keep(self._task, process_id=os.getpid())
        report_all(self._task)
        self.flush_report()

    def poll(self) -> None:
        """Sleeps until there is something to do, and does it."""
        self._activity.sleep()
        self.data_plane.wait(self._patience())
        self._activity.work()
        if self._in_thread is not None:
            error, self._in_thread = self._in_thread, None
            raise error
        while (packet := self._inbox.popleft() if self._inbox else self._control.receive()) is not None:
            self._handle(packet)
        self._do_next()
        self.beat()
        self.out.printed()
        self.out.flush()
        if self.out.waits and self.out.report_due:
            self.flush_report()

    def _do_next(self) -> None:
        plane = self.data_plane
        packet = plane.take() if takes_input(self.status, plane.is_start) else None
        came = Input.NONE if packet is None else Input.END if packet.kind == Message.FINISHED else Input.ITEM
        self._input_ended |= came is Input.END
        idle = time.monotonic() < self._idle_until
        match next_step(Situation(self.status, plane.is_start, plane.ending, plane.discarding, idle, came)):
            case Step.WORK:
                self.work(packet.payload if packet is not None else None)
            case Step.WAIT:
                interval = WAIT_INTERVAL if self.status is Status.RUNNING else REST_INTERVAL
                if time.monotonic() - self._last_wait >= interval:
                    self.wait()
            case Step.END:
                self._task.do_stop()
                self.out.printed(last=True)
                self.send_finished()
            case Step.FINISH:
                self._finish()
            case Step.DISCARD:
                plane.dropped += 1
            case Step.SLEEP:
                pass

    def wait(self) -> None:
        """Calls `do_wait`."""
        self._last_wait = time.monotonic()
        self._task.do_wait()

    def work(self, datum: Any) -> None:
        """Calls `do_work`, timed."""
        began, self.data_plane.blocked = time.perf_counter(), 0.0
        try:
            check_returned(self._task.name, self._task.do_work(datum))
        except BaseException:  # whatever it is, it goes on from here
            self.data_plane.dropped += not self.data_plane.is_start  # the item is not handled as it should be
            raise
        took = 1e3 * (time.perf_counter() - began - self.data_plane.blocked)
        keep(self._task, execution_time=took, execution_time_max=max(self._task.execution_time_max, took))
        if not self.data_plane.is_start:
            keep(self._task, counter=self._task.counter + 1)

    # -- messages of the pipeline -------------------------------------------------------------------------------------

    def _handle(self, packet: Packet) -> None:
        """Answers one message of the pipeline: with what is in use now that it is done, or with why it is refused."""
        refused, in_use = "", InUse()
        try:
            then = after(self.status, packet.kind)
            self._end_at_once(packet.kind)
            in_use = self._handlers[packet.kind](packet.payload) or in_use
            if packet.kind != Message.FINISHED:  # which comes true only when the stream has run dry
                self._to(then)
        except Refused as error:
            refused = str(error)
        except BaseException as error:  # a callback's: configuring and connecting are refused, a run fails
            refused = text_of(error)
            if packet.kind not in (_CONFIGURE, _CONNECT) or isinstance(error, BadSetting):
                self._panic(error)
            elif not isinstance(error, Error):  # a fault of the callback rather than its refusal
                self.out.print(trace_of(error))
        try:
            self.flush_report()  # what the answer is about is known before it
        except BaseException as error:  # `do_report`'s
            refused = refused or text_of(error)
            self._panic(error)
        self.out.answer(packet.number, refused, packed(parameters_of(type(self._task)), in_use))

    def poll_control(self) -> None:
        """In the middle of some work: take in at once what ends it; everything else keeps its turn."""
        while (packet := self._control.receive()) is not None:
            if packet.kind == _CONNECT and self.status is not Status.WAITING:
                self._handle(packet)
                continue
            self._end_at_once(packet.kind)
            self._inbox.append(packet)
        self.beat()

    def _end_at_once(self, kind: str) -> None:
        plane, (ending, discarding, quitting) = self.data_plane, ending_of(kind)
        plane.alone = self.pipeline.gone
        plane.ending |= ending
        plane.discarding |= discarding
        plane.quitting |= quitting

    def connect(self, address_pull: str, is_start: bool, is_final: bool) -> None:
        """Takes a place in a chain."""
        self.data_plane.connect(address_pull, is_start, is_final)
        self._task.do_connect(address_pull, is_start, is_final)

    def _take_links(self, links: dict[str, Any]) -> None:
        if "cut" in links:  # a task behind this one has failed: what would go there is not sent any more
            self.data_plane.cut(links["cut"])
        elif self.status is Status.WAITING:
            self.data_plane.modes = links.get("modes", ())
            self.connect(links["address_pull"], links["is_start"], links["is_final"])
        else:
            self.data_plane.cut(None)

    def configure(self, config: dict[str, Any]) -> InUse:
        """Sets parameters: all of `config` or, if anything in it is refused, none."""
        return set_parameters(self._task, config, in_run=self.status is not Status.WAITING)

    def _start_run(self, run: dict[str, Any]) -> None:
        self.pipeline.drain_time = self._task.run_stop_timeout = run["stop_timeout"]
        self.data_plane.begin(run["run"])
        begin_counting(self._task)
        self._idle_until = 0.0
        self._owes_end, self._input_ended = True, self.data_plane.is_start
        self.out.run = self._task.run_id = run["run"]
        self._task.run_started, self._task.run_settings = run["time"], RunSettings(run["settings"])
        self._task.run_presets, self._task.run_record = run["presets"], run["record"]
        self._activity.start()
        self._task.do_start()

    def _lose_sender(self, _: None) -> None:
        self.data_plane.orphaned_since = time.monotonic()

    # -- what callbacks ask for ---------------------------------------------------------------------------------------

    def send_data(self, data: Any, *, wait: bool = True) -> bool:
        """Hands data to the next task; without `wait`, False if it would have to wait for that."""
        task = self._task
        try:
            self.out.check_thread("data")
            sent = self.data_plane.put(data, wait=wait)
        except UnsupportedType as error:
            raise UnsupportedType(f"{task.name}: {error}", task=task.name) from None
        if sent and self.data_plane.is_start:
            keep(task, counter=task.counter + 1)
        return sent is not None

    def end_stream(self) -> None:
        """Says to the next task that the stream has ended, while this one has still something to do."""
        self.out.check_thread("ends of streams")
        if not self._input_ended or (self.data_plane.is_start and not self.data_plane.ending):
            raise Error(f"{self._task.name}: end_stream() is for do_stop", task=self._task.name)
        self.data_plane.put_end()

    def send_finished(self) -> None:
        """Says that the stream has ended: to the next task behind all data, to the pipeline behind the final report."""
        self.data_plane.put_end()
        self._to(after(self.status, Message.FINISHED))
        self._finish()

    def flush_report(self) -> None:
        """Sends what is still to be reported, unless this is another thread, or `do_report`."""
        if not self.out.in_thread or self._making_report:
            return
        task = self._task
        self._making_report = True
        try:
            if self.status not in (Status.PANICKING, Status.DYING):
                task.do_report()
        finally:
            self._making_report = False
        handled = task.events if task.events_known else task.counter
        self.data_plane.measure(task, handled, running=self.status is Status.RUNNING)
        self.out.report(self.status.name, self.data_plane.links)

    def beat(self) -> None:
        """Gives a sign of life; reports load and memory, and sends what was printed, if that is due."""
        self._activity.sign()
        if self.out.usage():
            self.flush_report()
            self.out.printed()

    def announce(self, what: str) -> None:
        """Says what takes long from now on."""
        self._activity.start()
        self.out.starting(what)

    def idle(self, seconds: float) -> None:
        """Calls the source's `do_work` no earlier than in `seconds`."""
        self._idle_until = time.monotonic() + seconds

    @property
    def stopping(self) -> bool:
        """True once the run is to end."""
        if self.out.in_thread:
            self.poll_control()
        return self.data_plane.ending or self.data_plane.discarding

    # -- the end of a run, and errors ---------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Tells the pipeline that this task is through with the run, behind the final report."""
        self.flush_report()
        self.out.finished()
        self._owes_end = False

    def _to(self, status: Status) -> None:
        if status is not self.status:
            self.status = status
            keep(self._task, status=status.name)
            self.data_plane.listen(status in (Status.RUNNING, Status.PANICKING))

    def _guard(self, action: Callable[[], None]) -> None:
        """Does `action`; whatever a callback raises, also sys.exit() or ^C, becomes an error of the task."""
        try:
            action()
        except BaseException as error:
            self._panic(error)

    def _panic(self, error: BaseException) -> None:
        """Tells the error, once, and ends this task's part of the run, wherever it has come to."""
        self._to(after(self.status, _ERROR))
        task = self._task
        text, trace = clean(text_of(error)), trace_of(error)
        failure = Error(text, task=task.name, traceback=trace, time=time.time(), run=task.run_id, errno=errno_of(error))
        self.out.printed(last=True)
        self.out.failed(failure)
        self.flush_report()
        if self._owes_end:
            self.data_plane.put_end()
            if self._input_ended:  # otherwise what still comes is discarded first
                self._finish()

    def _thread_failed(self, failed: threading.ExceptHookArgs) -> None:
        self._in_thread = self._in_thread or failed.exc_value  # that of a thread is the task's

    def _announce_compiling(self, loop: str) -> None:
        self.announce(f"compiling {loop} ({'once' if account.code_folder() else 'at every start'})")

    def _patience(self) -> float:
        """How long the task may sleep on its sockets, in ms."""
        if self._inbox:
            return 0
        now = time.monotonic()
        until = self.out.due_at(now)
        if self.status is Status.RUNNING and self.data_plane.is_start:
            until = min(until, now if self.data_plane.ending else self._idle_until)
        elif self.status is Status.RUNNING:
            until = min(until, self._last_wait + WAIT_INTERVAL)
        return max(0.0, 1e3 * (until - now))
