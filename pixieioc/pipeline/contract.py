"""What a task's class must be like, so that a slip of its author is told before it costs data.

Two sets of rules: those that a class must keep to be defined at all, and those that it must keep to be in a chain (a
class that others derive from need not have a `do_work`).
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from pixieioc.pipeline.callbacks import Callbacks
from pixieioc.pipeline.chain import Kinds
from pixieioc.pipeline.declaration import CHANNELS, MODULES, Declaration, shorten
from pixieioc.pipeline.declare import Parameter, Report, parameters_of, reports_of
from pixieioc.pipeline.error import Error
from pixieioc.pipeline.payloads import PROTOCOL_WORDS

#: The callbacks that the frame calls.
HOOKS = tuple(name for name in vars(Callbacks) if name.startswith("do_"))
#: Names of tasks that process variables of the IOC or the configuration file have already.
_TAKEN = re.compile(r"IOC|run|crate|M\d\d|C\d\d")
#: What a value may be compared with, beside values of its own kind and those of the whole task.
_WIDER: Mapping[str, tuple[str, ...]] = {"channel": ("module",)}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: The longest name of a task, in characters: it is a part of process variables, which have at most 60.
LONGEST_TASK_NAME = 32
#: The shortest limit for a hang, in seconds: with less, a task would be killed that only waits for the computer.
LEAST_HANG_TIMEOUT = 1.0
#: From here up two names are so alike that the one may be a slip for the other.
_ALIKE = 0.8


def check_definition(cls: type, base: type, reserved: Set[str]) -> None:
    """TypeError that says everything that is wrong with a new task class; `reserved` are the names of the frame."""
    owners = cls.__mro__[: cls.__mro__.index(base)]
    problems = [
        *(problem for owner in owners for problem in _names(cls, owner, issubclass(owner, base), reserved)),
        *_hooks(cls),
        *_declarations(cls),
    ]
    if problems:
        raise TypeError(f"task {cls.__name__} " + "; ".join(dict.fromkeys(problems)))


def _names(cls: type, owner: type, is_task: bool, reserved: Set[str]) -> Iterator[str]:
    """What a class, or one that it derives from, must not define."""
    where = "" if owner is cls else f" (in {owner.__name__})"
    clashes = [name for name in vars(owner) if name in reserved and not name.startswith(("do_", "__"))]
    if clashes:
        yield f"cannot define {', '.join(clashes)}{where}: every task has that already"
    for name in vars(owner):
        if name.startswith("do_") and name not in HOOKS:
            # A class from elsewhere may have such methods of its own, unless one looks like a slip.
            close = difflib.get_close_matches(name, HOOKS, n=1, cutoff=0.0 if is_task else _ALIKE)
            likely = difflib.get_close_matches(name, HOOKS, n=1)
            if close:
                meant = f"did you mean {likely[0]}?" if likely else f"they are {', '.join(HOOKS)}"
                yield f"has {name}{where}, which is no callback; {meant}"
    for name, attribute in vars(owner).items():
        declared = isinstance(attribute, Declaration)
        if declared and name in PROTOCOL_WORDS:
            yield f"cannot declare {name}{where}: the pipeline's messages use this word; give it another name"
        if declared and not (name.isascii() and _PLAIN.fullmatch(name)):
            yield f"cannot declare {name}{where}: its process variable needs a name of letters, digits and _"
        above = next((vars(up)[name] for up in owner.__mro__[1:] if name in vars(up)), None)
        if isinstance(above, Declaration) and not declared:
            kind = "parameter" if isinstance(above, Parameter) else "report"
            yield f"has {name} = {shorten(attribute)}{where}, which hides the {kind} of this name: declare it again"


def _hooks(cls: type) -> Iterator[str]:
    """Callbacks that the frame could not call, or whose work would be lost."""
    for name in HOOKS:
        hook = inspect.getattr_static(cls, name)
        if hook is vars(Callbacks)[name]:
            continue
        function = getattr(hook, "__func__", hook)
        if name in ("do_check", "do_ready", "do_sidecars"):
            if not isinstance(hook, classmethod | staticmethod):
                yield f"has a {name} that is no classmethod: it is called without an object"
        elif inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            yield f"has an async {name}: callbacks are plain functions, a task may block"
        elif inspect.isgeneratorfunction(function):
            yield f"has a {name} that yields: nobody takes what it yields; hand each item on with self.send()"
        elif not callable(getattr(cls, name)):
            yield f"has {name} = {shorten(hook)}, which cannot be called"
        elif (wrong := _arguments(cls, name)) is not None:
            yield wrong


def _arguments(cls: type, name: str) -> str | None:
    wanted = list(inspect.signature(vars(Callbacks)[name]).parameters)
    hook = inspect.getattr_static(cls, name)
    given = wanted[1:] if isinstance(hook, classmethod | staticmethod) else wanted
    try:
        inspect.signature(getattr(cls, name)).bind(*given)
    except TypeError:
        return f"has a {name} that cannot be called as {name}({', '.join(wanted)})"
    except ValueError:  # a callable that tells nothing about its arguments
        return None
    return None


def _declarations(cls: type) -> Iterator[str]:
    """Declarations that name parameters which are not there."""
    parameters, reports = parameters_of(cls), reports_of(cls)
    declared: list[Parameter[Any] | Report[Any]] = [*parameters.values(), *reports.values()]
    for one in declared:
        length = one.length if isinstance(one, Report) else ""
        per: dict[str, tuple[str, ...]] = {"channel": (MODULES, CHANNELS), "module": (MODULES,)}
        counts = [*per.get(one.per, ()), one.times, length]
        for name in filter(None, counts):
            parameter = parameters.get(name)
            if parameter is None:
                yield f"declares {one.name} per {one.per}, which needs a fixed parameter {name}"
            elif not (parameter.fixed and parameter.kind == "int"):
                yield f"declares {one.name} per {one.per}, so its parameter {name} must be a whole number and fixed"
        if isinstance(one, Parameter):
            for name in one.partners:
                if name in parameters and parameters[name].per not in ("task", one.per, *_WIDER.get(one.per, ())):
                    yield f"declares {one.name} per {one.per} with a limit {name}, which is per {parameters[name].per}"
                if name not in parameters or parameters[name].kind not in ("int", "float"):
                    yield f"declares {one.name} with a limit {name}, which is no parameter with a number"


def problems_of_names(
    tasks: Mapping[str, type], class_names: Mapping[str, str] | None = None, registered: Iterable[str] = ()
) -> Iterator[tuple[str, str]]:
    """What is wrong with the names of tasks: pairs of name and sentence.

    `class_names` are those that were given for tasks, `registered` the names of all classes.
    """
    class_names, registered = class_names or {}, set(registered)
    for name in tasks:
        for problem in _problems_of_name(name):
            yield name, problem
        if class_names.get(name, name) != name and name in registered:
            yield name, f"a task of class {class_names[name]} cannot be named {name}: another class has this name"
        if having := [other for other, cls in tasks.items() if _is_of_the_task(parameters_of(cls).get(name))]:
            yield name, f"a task cannot be named {name}: a parameter of {having[0]} has this name"


def _is_of_the_task(parameter: Parameter[Any] | None) -> bool:
    """Whether a key with this parameter's name could be meant for it: those of modules and channels need their task."""
    # XIA has a module setting SortEvents; a chain with TakeData and SortEvents must be possible.
    return parameter is not None and parameter.per == "task"


def _problems_of_name(name: str) -> Iterator[str]:
    if not _PLAIN.fullmatch(name):
        allowed = "letters, digits and _, and does not begin with a digit: it is a part of process variables"
        yield f"a task cannot be named {name}: a name has {allowed}"
    if _TAKEN.fullmatch(name):
        yield f"a task cannot be named {name}: process variables of the IOC, or a table of the configuration, have it"
    if len(name) > LONGEST_TASK_NAME:
        yield f"a task cannot be named {name}: it has {len(name)} characters, at most {LONGEST_TASK_NAME} are possible"


def problems_in_use(cls: type, name: str) -> list[str]:
    """What keeps a class from being the task `name` of a chain."""
    return list(_in_use(cls, name))


def _in_use(cls: type, name: str) -> Iterator[str]:
    if not issubclass(cls, Callbacks):
        yield f"{name} is {cls.__module__}.{cls.__qualname__}, which is no task: derive it from pixieioc.pipeline.Task"
        return
    if inspect.getattr_static(cls, "do_work") is vars(Callbacks)["do_work"]:
        yield f"{name} has no do_work, so it could do nothing with the items that it gets (or make none, as a source)"
    if "<locals>" in cls.__qualname__:
        yield f"{name} is defined inside a function, where its process cannot find it: define it in a module"
    if inspect.isabstract(cls):
        missing: frozenset[str] = getattr(cls, "__abstractmethods__", frozenset())
        yield f"{name} is abstract: {', '.join(sorted(missing))} is missing"
    yield from _attributes(cls, name)


def _attributes(cls: Any, name: str) -> Iterator[str]:
    init = inspect.signature(cls.__init__).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in init):
        yield f"{name} has an __init__ without **kwargs, which are its parameters; make what it needs in do_init"
    if hasattr(cls, "heart_beat_timeout"):
        yield (
            f"{name} has heart_beat_timeout, which nobody asks for: the parameter hang_timeout, which can be declared "
            "again, says how long a do_work may take, and the class's start_timeout how long a do_start"
        )
    timeout = cls.start_timeout
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        yield f"{name}.start_timeout = {shorten(timeout)}: must be a number of seconds above 0"
    if isinstance(limit := cls.hang_timeout, Parameter) and limit.low < LEAST_HANG_TIMEOUT:
        yield (
            f"{name}.hang_timeout has low = {limit.low:g}: must be at least {LEAST_HANG_TIMEOUT:g}; with unset=0, 0 is "
            "accepted too, and means no limit"
        )
    takes: Kinds = cls.takes
    if not isinstance(takes, str) and not (
        isinstance(takes, tuple) and takes and all(isinstance(t, str) for t in takes)
    ):
        yield f"{name}.takes = {shorten(takes)}: must be the name of a kind of items, or a tuple of names"
    if not isinstance(cls.gives, str):
        yield f"{name}.gives = {shorten(cls.gives)}: must be the name of a kind of items"


def check_returned(task: str, value: Any) -> None:
    """Error if a `do_work` has returned something: nobody would get it."""
    if value is not None:
        if inspect.iscoroutine(value):
            value.close()
        raise Error(
            f"{task}.do_work returned {shorten(value)}, which nobody gets: hand items on with self.send(...)", task=task
        )
