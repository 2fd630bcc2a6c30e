"""The procedures of a pipeline's life: making tasks, wiring, configuring, starting, replacing, and the two ends."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from pixieioc.pipeline.contract import problems_in_use, problems_of_names
from pixieioc.pipeline.declare import Value, parameters_of, settings_of
from pixieioc.pipeline.driven_task import HANG_LIMIT
from pixieioc.pipeline.error import Cause, Error, NotConnected, Refused
from pixieioc.pipeline.failures import Failures
from pixieioc.pipeline.graph import Graph, shape_problems
from pixieioc.pipeline.in_use import InUse, keep_in_use
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.output import endpoint_of
from pixieioc.pipeline.pipeline_state import PipelineState
from pixieioc.pipeline.procedure import Procedure, Wait
from pixieioc.pipeline.run_settings import packed_settings
from pixieioc.pipeline.status import PIPELINE_RULES, Status, after
from pixieioc.pipeline.task import Task
from pixieioc.pipeline.task_processes import ENDS_WITHIN
from pixieioc.pipeline.unanswered import Unanswered
from pixieioc.pipeline.validate import like, validate

_CONFIGURE, _CONNECT = Message.CONFIGURE.emoji, Message.CONNECT.emoji
_LIMIT = HANG_LIMIT

#: Names of tasks, or names with the task's class or its name.
Tasks = Iterable[str] | Mapping[str, str | type[Task]]


class Polled(Protocol):
    """Where messages come in."""

    def poll(self) -> bool:
        """Handles one message, if there is one."""
        ...


class Life:
    """Each method is a procedure (see `procedure.py`): a script waits for it by blocking, an event loop by awaiting."""

    def __init__(self, state: PipelineState, failures: Failures, messages: Polled) -> None:
        self._state = state
        self._failures = failures
        self._messages = messages

    def creating(self, tasks: Tasks) -> Procedure[None]:
        """Starts the processes of several tasks side by side: names, or names with their classes."""
        classes = {name: _task_class(cls) for name, cls in _with_classes(tasks).items()}
        wrong = [problem for cls in classes.values() for problem in problems_in_use(cls, cls.__name__)]
        if wrong := wrong or [problem for _, problem in problems_of_names(classes)]:
            raise ValueError("; ".join(wrong))
        if taken := [name for name in classes if name in self._state.processes]:
            raise ValueError(f"{', '.join(taken)}: this pipeline has such a task already")
        settings = self._initial_values(classes)
        processes = [self._state.processes.enrol(name, cls, settings.get(name, {})) for name, cls in classes.items()]
        yield from self._state.processes.bring_up(processes, self._state.answer_timeout)

    def connecting(self, graph: Graph) -> Procedure[None]:
        """Wires tasks; a pipeline that panicked and whose tasks all answer is WAITING again."""
        after(self._state.status, _CONNECT, PIPELINE_RULES)
        if missing := [name for name in graph.tasks if name not in self._state.processes]:
            raise ValueError(
                f"{', '.join(missing)}: no such task in this pipeline; there are: {', '.join(self._state.processes)}"
            )
        if wrong := list(shape_problems(graph)):
            raise ValueError("; ".join(fault.text for fault in wrong) + f", not: {graph}")
        self._refuse_unknown_kwargs()
        self._state.graph, self._state.wired = graph, False
        # A link's sending end must be there before the receiving one; the first of each task always is.
        branching = [name for name in graph.by_depth if len(graph.behind(name)) > 1]
        others = [name for name in graph.tasks if name not in branching]
        for names in (*([name] for name in branching), others):
            numbers = {name: self._state.send(name, _CONNECT, self._links(graph, name)) for name in names}
            if problems := (yield from self._state.processes.answers(numbers, self._state.answer_timeout)):
                first = next((each for each in problems if self._has_failed(each.task)), problems[0])
                raise self._because(NotConnected("connect: " + "; ".join(map(str, problems)), task=first.task), first)
        self._state.wired = True
        self._state.status = after(self._state.status, _CONNECT, PIPELINE_RULES)

    def _links(self, graph: Graph, name: str) -> dict[str, Any]:
        """What a task is told of its place in the graph."""
        link, behind, address = graph.before(name), graph.behind(name), ""
        if link is not None:
            wiring = self._state.processes[link.source].task.wiring
            address = endpoint_of(wiring.endpoint, link.output) if wiring else ""
        self._state.processes[name].outputs = max(1, len(behind))
        modes = [link.mode for link in behind]
        return {"address_pull": address, "is_start": link is None, "is_final": not behind, "modes": modes}

    def configuring(self, config: Mapping[str, Any]) -> Procedure[None]:
        """Configures tasks, all or nothing; one that has failed gets its new settings when it is replaced."""
        after(self._state.status, _CONFIGURE, PIPELINE_RULES)
        now = self._state.settings
        accepted = validate(
            config, {name: type(process.task) for name, process in self._state.processes.items()}, known=now
        )
        well = {name: values for name, values in accepted.items() if not self._state.processes[name].failed}
        numbers = {name: self._state.send(name, _CONFIGURE, values) for name, values in well.items()}
        # Its limit for a hang is the pipeline's to keep: it holds at once, also for a task that is busy just now.
        self._limit({name: values[_LIMIT] for name, values in accepted.items() if _LIMIT in values})
        asked = {name: number for name, number in numbers.items() if accepted[name].keys() != {_LIMIT}}
        in_use: dict[str, InUse] = {}
        refused = yield from self._state.processes.answers(asked, self._state.answer_timeout, in_use)
        if refused:
            self._limit({name: now[name][_LIMIT] for name in accepted})
            named = {problem.task for problem in refused}
            back = {
                name: {key: now[name][key] for key in accepted[name] if key in now[name]}
                for name in numbers
                if name not in named and name in self._state.processes
            }
            numbers = {name: self._state.send(name, _CONFIGURE, values) for name, values in back.items()}
            refused += yield from self._state.processes.answers(numbers, self._state.answer_timeout)
            raise self._because(Refused("; ".join(map(str, refused)), task=refused[0].task), refused[0])
        outdated: list[str] = []
        for name, values in accepted.items():
            if name in self._state.processes:  # it may have been killed just now
                task = self._state.processes[name].task
                outdated += [name] if needs_new_process(type(task), values, now.get(name, {})) else []
                task.parameter_values.update(settings_of(type(task), values))
                keep_in_use(task.parameter_values, in_use.get(name, {}))
        yield from self.replacing(outdated)

    def _limit(self, timeouts: Mapping[str, Value]) -> None:
        for name, timeout in timeouts.items():
            if name in self._state.processes:  # it may have been killed just now
                self._state.processes[name].task.parameter_values[_LIMIT] = timeout

    def starting(self, run_id: int | None, presets: Mapping[str, float], record: Mapping[str, Any]) -> Procedure[None]:
        """Begins a run: replaces what has failed, then starts the tasks behind the first, then the first."""
        after(self._state.status, Message.START, PIPELINE_RULES)
        if not self._state.chain:
            raise Refused("start: no tasks are connected")
        yield from self.replacing()
        self._state.run_id = self._state.run_id + 1 if run_id is None else run_id
        self._state.errors = []
        self._state.watchdog.begin()
        for process in self._state.chained:
            process.finished, process.error = False, None
            self._failures.begin_counting(process)  # also one that will not begin, as the end of the run is asked for
        run = {
            "run": self._state.run_id,
            "time": time.time(),
            "settings": packed_settings(self._state.settings),
            "presets": dict(presets),
            "record": dict(record),
            "stop_timeout": self._state.watchdog.stop_timeout,
        }
        self._state.processes.note(self._state.watchdog.stop_timeout)
        self._state.status = after(self._state.status, Message.START, PIPELINE_RULES)
        for names in (self._state.graph.tasks[1:], self._state.graph.tasks[:1]):
            problems = yield from self._sending_start(names, run)
            if problems:
                text = "start: " + "; ".join(map(str, problems))
                failure = self._because(Error(text, run=self._state.run_id), problems[0])
                self._failures.fail_start(problems[0])
                raise failure
            if not self._may_go_on():
                self._failures.end_without_data()
                return

    def _has_failed(self, name: str) -> bool:
        """Whether a task has failed itself, rather than missed one that has."""
        process = self._state.processes.get(name)
        return process is not None and process.failed

    def _because(self, failure: Error, first: Unanswered) -> Error:
        """A failure of a procedure, whose cause is that of the task if that has failed itself: it was lost, say."""
        process = self._state.processes.get(first.task)
        if process is not None and process.error is not None:
            failure.cause, failure.errno = process.error.cause, process.error.errno
        return failure

    def _may_go_on(self) -> bool:
        """False if the end of the run was asked for while its tasks were starting: no source for a dead chain."""
        return self._state.status is Status.RUNNING

    def _sending_start(self, names: Sequence[str], run: dict[str, Any]) -> Procedure[list[Unanswered]]:
        """Has some tasks begin a run; returns what went wrong. Until a task has answered, it is not at rest."""
        begun = [self._state.processes[name] for name in names if name in self._state.processes]
        for process in begun:
            process.beginning, process.run = True, self._state.run_id
        try:
            numbers = {name: self._state.send(name, Message.START, run) for name in names}
            return (yield from self._state.processes.answers(numbers, self._state.answer_timeout))
        finally:
            for process in begun:
                process.beginning = False

    def replacing(self, outdated: Iterable[str] | None = None) -> Procedure[None]:
        """Replaces processes that have died or panicked, with their accepted settings, and wires the chain again.

        If there is something to be connected, a process whose sockets somebody has removed is replaced, too. With
        `outdated` these tasks are replaced, and nothing else: some of their new settings need a new process.
        """
        processes = self._state.processes
        if outdated is None:
            failed, wire = [process for process in processes.values() if process.failed], True
            if failed or not self._state.wired or self._state.status is Status.PANICKING:
                failed = [m for m in processes.values() if m.failed or not processes.reachable(m)]
        else:
            there = [processes[name] for name in outdated if name in processes]
            failed = [process for process in there if not process.failed]
            # What has panicked is replaced, and wired, by the next start.
            wire = self._state.wired and self._state.status is not Status.PANICKING
        if failed:
            self._state.wired = False
            fresh = [processes.enrol(m.name, type(m.task), m.task.parameter_values) for m in failed]
            yield from processes.put_away(failed)
            yield from processes.bring_up(fresh, self._state.answer_timeout)
        if wire and (not self._state.wired or self._state.status is Status.PANICKING):
            yield from self.connecting(self._state.graph)

    def quitting(self) -> Procedure[None]:
        """Shuts the tasks down, politely first."""
        self._state.status = after(self._state.status, Message.QUIT, PIPELINE_RULES)
        polite = [process for process in self._state.processes.values() if process.known and not process.lost]
        for process in polite:
            self._state.send(process.name, Message.QUIT, None)
            process.status = Status.DYING
        yield Wait(lambda: not any(process.alive for process in polite), self._state.watchdog.stop_timeout)
        while self._messages.poll():  # their last words, such as an error in do_quit
            pass
        yield from self.killing()

    def killing(self, seconds: float = ENDS_WITHIN) -> Procedure[None]:
        """Ends all processes at once; the pipeline is as new afterwards. Error if one does not end in time."""
        self._state.graph, self._state.wired = Graph(), False
        self._state.watchdog.begin()
        self._state.status = Status.WAITING  # a new life: the state diagram's beginning
        names = list(self._state.processes)
        yield from self._state.processes.put_away(list(self._state.processes.values()), seconds)
        if problem := self._state.processes.undying.problem(names):
            raise Error(problem, cause=Cause.TIMEOUT)

    def _refuse_unknown_kwargs(self) -> None:
        """ValueError for initial values that no task has been made for."""
        known = {name: type(process.task) for name, process in self._state.processes.items()}
        for key, value in self._state.task_kwargs.items():
            if key not in known and key not in list(Task.class_registry) and _is_a_tasks(key, value, known):
                raise ValueError(f"{key}: no task of this pipeline has this name{like(key, list(known))}")

    def _initial_values(self, classes: Mapping[str, type[Task]]) -> dict[str, dict[str, Value]]:
        """The part of `task_kwargs` that is for these tasks; a key for a task that is not made yet waits for it."""
        known = {**{name: type(process.task) for name, process in self._state.processes.items()}, **classes}
        later = {k for k, v in self._state.task_kwargs.items() if k not in known and _is_a_tasks(k, v, known)}
        wanted = {k: v for k, v in self._state.task_kwargs.items() if k not in later}
        return validate(wanted, known, known=self._state.settings)


def _is_a_tasks(key: str, value: object, known: Mapping[str, type[Task]]) -> bool:
    """Whether a key is the name of a task that is not there yet, rather than that of a parameter."""
    is_parameter = any(key in cls.parameters() for cls in known.values())
    return key in Task.class_registry or (isinstance(value, Mapping) and not is_parameter)


def needs_new_process(cls: type, values: Mapping[str, Value], before: Mapping[str, Value]) -> bool:
    """Whether a task needs a new process for some of these values, which are not those that it had before."""
    known = parameters_of(cls)
    return any(known[name].new_process and value != before.get(name) for name, value in values.items())


def _with_classes(tasks: Tasks) -> Mapping[str, str | type[Task]]:
    return tasks if isinstance(tasks, Mapping) else {name: name for name in tasks}


def _task_class(name: str | type[Task]) -> type[Task]:
    if not isinstance(name, str):
        return name
    try:
        return Task.class_registry[name]
    except KeyError:
        raise ValueError(f"no task class {name!r}; there are: {', '.join(Task.class_registry)}") from None
