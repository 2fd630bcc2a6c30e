"""The pipeline: makes the tasks' processes, wires them as a chain, and drives them from run to run.

Everything that takes time is a procedure (see `procedure.py`), so that a script can call `start()` and wait while an
event loop follows `starting()` and watches `fileno()` and `sentinels()`.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

import zmq

from pixieioc.pipeline.contract import problems_in_use, problems_of_names
from pixieioc.pipeline.declare import BadReport, Value, settings_of
from pixieioc.pipeline.error import Cause, Error, Refused
from pixieioc.pipeline.frames import Buffer, MalformedMessage, Packet, unpack
from pixieioc.pipeline.message import KINDS, Message
from pixieioc.pipeline.payloads import Answered, Busy, Failed, Printed, Reported, clean, read
from pixieioc.pipeline.procedure import Call, Procedure, Wait
from pixieioc.pipeline.status import PIPELINE_RULES, Status, after
from pixieioc.pipeline.task import Task
from pixieioc.pipeline.task_process import TaskProcess
from pixieioc.pipeline.task_processes import TaskProcesses
from pixieioc.pipeline.validate import like, validate
from pixieioc.pipeline.watchdog import Watchdog

T = TypeVar("T")
#: Names of tasks, or names with the task's class or its name.
Tasks = Iterable[str] | Mapping[str, str | type[Task]]

_CONFIGURE, _CONNECT = Message.CONFIGURE.emoji, Message.CONNECT.emoji
_ERROR, _PRINT, _REPORT = Message.ERROR.emoji, Message.PRINT.emoji, Message.REPORT.emoji
_ANSWER, _BUSY = Message.ANSWER.emoji, Message.BUSY.emoji
#: How often the processes are looked at while messages are polled, in seconds.
_WATCH_INTERVAL = 0.05


class Pipeline:
    """Orchestrates tasks as a chain of processes; a context manager that leaves nothing behind.

    `task_kwargs` are initial values of parameters: a parameter's name, for every task that declares it, or a task's
    name with a dict. Override the handlers `handle_error`, `handle_print`, `handle_report` and `handle_starting` to
    listen. All times are in seconds: `answer_timeout` for a task to begin (unless it has said what takes it longer), to
    be connected or configured; `watchdog` has those for the end of a run and of a process.
    """

    def __init__(self, task_kwargs: dict[str, Any] | None = None) -> None:
        self.task_kwargs = dict(task_kwargs or {})
        self.answer_timeout = 60.0
        self.watchdog = Watchdog()
        self.status = Status.WAITING
        self.run_id = 0
        self.processes = TaskProcesses()
        self.chain: list[str] = []
        self.errors: list[Error] = []  #: of the current or last run, first cause first
        self._wired = False
        self._looked = 0.0

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

    def connect(self, tasks_active: list[str]) -> None:
        """Wires the named tasks as a chain, in that order; others stay WAITING and receive no data.

        Raises RuntimeError that names the tasks that did not answer, ValueError for a name that is not there.
        """
        self.follow(self.connecting(tasks_active))

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
        """Handles messages until no run is on, or for `timeout` seconds; returns the pipeline's status."""
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
        self._look()
        heard = self.processes.hear()
        if heard is None:
            return False
        process, frames = heard
        if process is not None:  # otherwise the last word of a process that has been replaced
            self._take(process, frames)
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

    # -- senders ------------------------------------------------------------------------------------------------------

    def send_connect(self, name: str, address_pull: str, is_start: bool, is_final: bool) -> None:
        """Sends `Message.CONNECT`: where the task pulls data from, whether it is the first and the last."""
        self._tell(name, _CONNECT, {"address_pull": address_pull, "is_start": is_start, "is_final": is_final})

    def send_kill(self, name: str) -> None:
        """Kills the given task: SIGKILL to its process, which is then noticed as lost."""
        task = self.processes[name].task
        if task.pid is not None:
            task.kill()

    # -- what an event loop follows and watches -----------------------------------------------------------------------

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

    def look_now(self) -> None:
        """Has the next `poll()` look at the processes, although it did so just before."""
        self._looked = 0.0

    @property
    def at_rest(self) -> bool:
        """True if no run is on and no task does anything for one any more."""
        return self.status not in (Status.RUNNING, Status.DYING) and all(m.at_rest for m in self._chained())

    @property
    def settings(self) -> dict[str, dict[str, Value]]:
        """The accepted value of every parameter that is a setting, by task."""
        return {name: settings_of(type(m.task), m.task.parameter_values) for name, m in self.processes.items()}

    def creating(self, tasks: Tasks) -> Procedure[None]:
        """Starts the processes of several tasks side by side: names, or names with their classes."""
        classes = {name: _task_class(cls) for name, cls in _with_classes(tasks).items()}
        wrong = [problem for cls in classes.values() for problem in problems_in_use(cls, cls.__name__)]
        if wrong := wrong or [problem for _, problem in problems_of_names(classes)]:
            raise ValueError("; ".join(wrong))
        if taken := [name for name in classes if name in self.processes]:
            raise ValueError(f"{', '.join(taken)}: this pipeline has such a task already")
        settings = self._initial_values(classes)
        processes = [self.processes.enrol(name, cls, settings.get(name, {})) for name, cls in classes.items()]
        yield from self.processes.bring_up(processes, self.answer_timeout)

    def connecting(self, names: list[str]) -> Procedure[None]:
        """Wires tasks as a chain; a pipeline that panicked and whose tasks all answer is WAITING again."""
        after(self.status, _CONNECT, PIPELINE_RULES)
        if missing := [name for name in names if name not in self.processes]:
            raise ValueError(
                f"{', '.join(missing)}: no such task in this pipeline; there are: {', '.join(self.processes)}"
            )
        if not names or len(set(names)) < len(names):
            raise ValueError(f"a chain is at least one task, each at most once, not: {', '.join(names)}")
        self._refuse_unknown_kwargs()
        self.chain, self._wired = list(names), False
        numbers: dict[str, int] = {}
        for i, name in enumerate(names):
            wiring = self.processes[names[i - 1]].task.wiring if i else None
            place = {
                "address_pull": wiring.endpoint if wiring else "",
                "is_start": i == 0,
                "is_final": name == names[-1],
            }
            numbers[name] = self._tell(name, _CONNECT, place)
        problems = yield from self.processes.answers(numbers, self.answer_timeout)
        if problems:
            raise RuntimeError("connect: " + "; ".join(problems))
        self._wired = True
        self.status = after(self.status, _CONNECT, PIPELINE_RULES)

    def configuring(self, config: Mapping[str, Any]) -> Procedure[None]:
        """Configures tasks, all or nothing; one that has failed gets its new settings when it is replaced."""
        after(self.status, _CONFIGURE, PIPELINE_RULES)
        now = self.settings
        accepted = validate(config, {name: type(process.task) for name, process in self.processes.items()}, known=now)
        well = {name: values for name, values in accepted.items() if not self.processes[name].failed}
        numbers = {name: self._tell(name, _CONFIGURE, values) for name, values in well.items()}
        refused = yield from self.processes.answers(numbers, self.answer_timeout)
        if refused:
            named = {problem.partition(":")[0] for problem in refused}
            back = {
                name: {key: now[name][key] for key in accepted[name] if key in now[name]}
                for name in numbers
                if name not in named
            }
            numbers = {name: self._tell(name, _CONFIGURE, values) for name, values in back.items()}
            refused += yield from self.processes.answers(numbers, self.answer_timeout)
            raise Refused("; ".join(map(_named_once, refused)), task=refused[0].partition(":")[0])
        for name, values in accepted.items():
            task = self.processes[name].task
            task.parameter_values.update(settings_of(type(task), values))

    def starting(self, run_id: int | None = None) -> Procedure[None]:
        """Begins a run: replaces what has failed, then starts the tasks behind the first, then the first."""
        after(self.status, Message.START, PIPELINE_RULES)
        if not self.chain:
            raise Refused("start: no tasks are connected")
        yield from self.replacing()
        self.run_id = self.run_id + 1 if run_id is None else run_id
        self.errors = []
        self.watchdog.begin()
        for process in self._chained():
            process.finished, process.error = False, None
        run = {"run": self.run_id, "time": time.time(), "settings": self.settings}
        self.status = after(self.status, Message.START, PIPELINE_RULES)
        for names in (self.chain[1:], self.chain[:1]):
            numbers = {name: self._tell(name, Message.START, run) for name in names}
            problems = yield from self.processes.answers(numbers, self.answer_timeout)
            if problems:
                self._fail_start(problems)
                raise Error("start: " + "; ".join(problems), run=self.run_id)

    def replacing(self) -> Procedure[None]:
        """Replaces processes that have died or panicked, with their accepted settings, and wires the chain again.

        If there is something to be connected, a process whose sockets somebody has removed is replaced, too.
        """
        failed = [process for process in self.processes.values() if process.failed]
        if failed or not self._wired or self.status is Status.PANICKING:
            failed = [m for m in self.processes.values() if m.failed or not self.processes.reachable(m)]
        if failed:
            self._wired = False
            fresh = [self.processes.enrol(m.name, type(m.task), m.task.parameter_values) for m in failed]
            yield from self.processes.put_away(failed)
            yield from self.processes.bring_up(fresh, self.answer_timeout)
        if not self._wired or self.status is Status.PANICKING:
            yield from self.connecting(self.chain)

    def quitting(self) -> Procedure[None]:
        """Shuts the tasks down, politely first."""
        self.status = after(self.status, Message.QUIT, PIPELINE_RULES)
        polite = [process for process in self.processes.values() if process.known and not process.lost]
        for process in polite:
            self._tell(process.name, Message.QUIT, None)
            process.status = Status.DYING
        yield Wait(lambda: not any(process.alive for process in polite), self.watchdog.stop_timeout)
        while self.poll():  # their last words, such as an error in do_quit
            pass
        yield from self.killing()

    def killing(self) -> Procedure[None]:
        """Ends all processes at once; the pipeline is as new afterwards."""
        yield from self.processes.put_away(list(self.processes.values()))
        self.chain, self._wired = [], False
        self.watchdog.begin()
        self.status = Status.WAITING  # a new life: the state diagram's beginning

    # -- messages that come in ----------------------------------------------------------------------------------------

    def _take(self, process: TaskProcess, frames: Sequence[Buffer]) -> None:
        """Handles a message of a task; whatever is wrong with it is the error of that task, and of nobody else."""
        try:
            self._receive(process, unpack(frames))
        except BadReport as error:
            self._fail_once(process, Error(str(error)))
        except MalformedMessage as error:
            self._fail_once(process, Error(f"{process.name}: {error}"))
        except Exception as error:  # a handler's: the process that serves everybody goes on
            trace = "".join(traceback.format_exception(error))
            what = f"{process.name}: its message could not be handled: {type(error).__name__}: {error}"
            self._fail_once(process, Error(what, traceback=trace))

    def _receive(self, process: TaskProcess, packet: Packet) -> None:
        try:
            after(process.status, packet.kind)
        except (Refused, TypeError) as error:
            raise MalformedMessage(f"said what it must not: {error}") from None
        process.heard = time.monotonic()
        if packet.kind == _BUSY:  # which may be said before the task is there
            process.starting = clean(read(packet.kind, packet.payload, Busy).what)
            self.handle_starting(process.name, process.starting)
            return
        if packet.kind != _PRINT:  # which may be said before the task is there, too
            process.known, process.starting = True, ""
        match packet.kind:
            case kind if kind == _REPORT:
                self._take_report(process, read(kind, packet.payload, Reported))
            case kind if kind == _ANSWER:
                answer = read(kind, packet.payload, Answered)
                process.answers[answer.ack] = answer.refused
            case kind if kind == _PRINT:
                self.handle_print(process.name, clean(read(kind, packet.payload, Printed).text))
            case kind if kind == _ERROR:
                self._fail(process, read(kind, packet.payload, Failed).error())
            case Message.FINISHED:
                if packet.run == self.run_id:
                    process.finished = True
                    self._look_whether_finished()
            case kind:
                raise MalformedMessage(f"said what only the pipeline says: {kind} {KINDS[kind]}")

    def _take_report(self, process: TaskProcess, report: Reported) -> None:
        values = process.accept(report.values)
        if not process.failed:
            process.status = Status[report.status]
        process.reports.update(values)
        process.report_time = report.time
        self.handle_report(process.name, values)

    def _fail_once(self, process: TaskProcess, error: Error) -> None:
        """A task that says what is wrong is taken for failed; what follows from that is not told again."""
        if process.error is None:
            self._fail(process, error)

    def _look_whether_finished(self) -> None:
        """Ends the run if all its tasks are through: those that finished go back to WAITING."""
        processes = self._chained()
        if self.status is Status.WAITING or not all(process.at_rest for process in processes):
            return
        for before, process in zip([None, *processes], processes, strict=False):
            if process.lost and before is not None:  # what was sent to it and that it did not say it has handled
                told = process.reports
                told["balance"] = before.reports["messages_out"] - told["counter"] - told["dropped"]
                process.report_time = time.time()
                self.handle_report(process.name, {"balance": told["balance"]})
            elif process.finished and not process.failed:
                self._tell(process.name, Message.STOP, None)
                process.status = Status.WAITING
        self.status = after(self.status, Message.FINISHED, PIPELINE_RULES)
        self.watchdog.begin()

    # -- failure ------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Looks after the processes, now and then."""
        if self.processes.calling or time.monotonic() - self._looked < _WATCH_INTERVAL:
            return
        self._looked = time.monotonic()
        self.processes.keep_folders()
        for fault in list(self.watchdog.faults(list(self.processes.values()), self._chained(), self.status)):
            fault.process.lost = True
            if fault.cause is not Cause.LOST:
                self.send_kill(fault.process.name)
            self._fail(fault.process, Error(f"{fault.process.name}: {fault.text}", cause=fault.cause))

    def _fail(self, process: TaskProcess, error: Error) -> None:
        """Something is wrong with a task: panic, stop the others, and let them flush what they hold."""
        in_run = not self.at_rest
        error.task = error.task or process.name
        error.time = error.time or time.time()
        error.run = error.run or (self.run_id if in_run else 0)
        process.error = error
        if not process.lost:
            process.status = after(process.status, _ERROR)
            process.finished |= not in_run
        self.errors.append(error)
        self.status = after(self.status, _ERROR, PIPELINE_RULES)
        if in_run and process.name in self.chain:
            self._cut_chain(process)
        self.handle_error(process.name, error)
        self._look_whether_finished()

    def _cut_chain(self, process: TaskProcess) -> None:
        """The chain's first part ends before `process`, its second begins behind it; a live one does this itself."""
        at = self.chain.index(process.name)
        self._tell(self.chain[0], Message.STOP, None)
        if process.lost and at:
            self.send_connect(self.chain[at - 1], "", at == 1, True)
        if process.lost and at + 1 < len(self.chain):
            self._tell(self.chain[at + 1], Message.FINISHED, None)
        self.watchdog.end_by()

    def _fail_start(self, problems: list[str]) -> None:
        """A run that could not begin in all tasks: no data have flowed, and the streams of the others end at once."""
        if self.status is not Status.PANICKING:
            name, _, text = problems[0].partition(": ")
            self._fail(self.processes[name], Error(text))
        for process in self._chained():
            if process.status is not Status.WAITING and not process.lost:
                self._tell(process.name, Message.STOP, None)
                self._tell(process.name, Message.FINISHED, None)
        self.watchdog.end_by()
        self._look_whether_finished()

    # -- small steps --------------------------------------------------------------------------------------------------

    def _end(self, how: str) -> None:
        self.status = after(self.status, how, PIPELINE_RULES)
        if self.status is not Status.DYING:
            return
        self.watchdog.end_by()
        for process in self._chained():
            self._tell(process.name, how, None)

    def _chained(self) -> list[TaskProcess]:
        return [self.processes[name] for name in self.chain if name in self.processes]

    def _tell(self, name: str, kind: str, payload: Any) -> int:
        return self.processes.tell(name, kind, payload, self.run_id)

    def _refuse_unknown_kwargs(self) -> None:
        """ValueError for initial values that no task has been made for."""
        known = {name: type(process.task) for name, process in self.processes.items()}
        for key, value in self.task_kwargs.items():
            if key not in known and key not in list(Task.class_registry) and _is_a_tasks(key, value, known):
                raise ValueError(f"{key}: no task of this pipeline has this name{like(key, list(known))}")

    def _initial_values(self, classes: Mapping[str, type[Task]]) -> dict[str, dict[str, Value]]:
        """The part of `task_kwargs` that is for these tasks; a key for a task that is not made yet waits for it."""
        known = {**{name: type(process.task) for name, process in self.processes.items()}, **classes}
        later = {k for k, v in self.task_kwargs.items() if k not in known and _is_a_tasks(k, v, known)}
        wanted = {k: v for k, v in self.task_kwargs.items() if k not in later}
        return validate(wanted, known, known=self.settings)

    def follow(self, procedure: Procedure[T]) -> T:
        """Goes through a procedure by blocking."""
        try:
            while True:
                step = next(procedure)
                if isinstance(step, Call):
                    step.function()
                else:
                    self._block(step)
        except StopIteration as end:
            return end.value

    def _block(self, step: Wait) -> None:
        end = time.monotonic() + step.seconds
        while not step.done() and (left := end - time.monotonic()) > 0:
            if not self.poll():
                self.processes.wait(min(left, _WATCH_INTERVAL))


def _is_a_tasks(key: str, value: object, known: Mapping[str, type[Task]]) -> bool:
    """Whether a key is the name of a task that is not there yet, rather than that of a parameter."""
    return key in Task.class_registry or (
        isinstance(value, Mapping) and not any(key in c.parameters() for c in known.values())
    )


def _with_classes(tasks: Tasks) -> Mapping[str, str | type[Task]]:
    return tasks if isinstance(tasks, Mapping) else {name: name for name in tasks}


def _task_class(name: str | type[Task]) -> type[Task]:
    if not isinstance(name, str):
        return name
    try:
        return Task.class_registry[name]
    except KeyError:
        raise ValueError(f"no task class {name!r}; there are: {', '.join(Task.class_registry)}") from None


def _named_once(problem: str) -> str:
    """`Task: Task.parameter: why` without its beginning."""
    task, _, why = problem.partition(": ")
    return why if why.startswith(f"{task}.") else problem
