"""The tasks that a configuration names: found, fitting into their chain, and with settings that fit together."""

from __future__ import annotations

import glob
import importlib
import sys
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixieioc.config_lines import KeyPath
from pixieioc.config_tables import Problem, name_of
from pixieioc.pipeline.contract import problems_in_use, problems_of_names
from pixieioc.pipeline.declaration import shorten
from pixieioc.pipeline.declare import Value, parameters_of
from pixieioc.pipeline.graph import Graph, item_problems, shape_problems
from pixieioc.pipeline.registry import TASKS
from pixieioc.pipeline.validate import like
from pixieioc.tasks.crate import CRATE, CrateFacts, is_crate_fact

if TYPE_CHECKING:
    from pixieioc.pipeline.task import Task

_CHAIN: KeyPath = ("pipeline", "chain")
#: The key of a task's table that names its class, where that is not the task's own name.
CLASS = "class"


def import_modules(names: Iterable[str], folder: Path) -> Iterator[Problem]:
    """Imports a site's modules, which are looked for in `folder`, too; yields what went wrong."""
    for name in names:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # whatever a site's module does when it is imported
            yield Problem(("pipeline", "imports"), f"pipeline.imports: {name}: {_error_text(error)}")


def class_names(
    tables: Mapping[str, Mapping[str, Any]], problems: list[Problem]
) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Which class each task was given by its table, and the tables without that key."""
    given: dict[str, str] = {}
    for task, table in tables.items():
        key_path = ("tasks", task, CLASS)
        match table.get(CLASS, ""):
            case str(name):
                given |= {task: name} if name else {}
            case other:
                text = f"{name_of(key_path)} = {shorten(other)}: must be a text, the name of a task class"
                problems.append(Problem(key_path, text))
    return given, {task: {key: table[key] for key in table if key != CLASS} for task, table in tables.items()}


def classes_of(
    graph: Graph, given: Mapping[str, str] | None = None, *, complete: bool = True
) -> tuple[dict[str, type[Task]], list[Problem]]:
    """The classes of a graph's tasks, as far as there are any, and what is wrong with them and their order.

    `given` are the names of classes, by task; of others the class has the task's name. Unless the tasks are `complete`,
    one that is not known is no problem of its own: its module could not be imported.
    """
    given = given or {}
    problems: list[Problem] = []
    classes: dict[str, type[Task]] = {}

    def wrong(name: str, text: str) -> None:
        key_path = ("tasks", name, CLASS) if name in given else _path_of(name, graph)
        problems.append(Problem(key_path, f"{name_of(key_path)}: {text}"))

    for name in dict.fromkeys(graph.tasks):
        wanted = given.get(name, name)
        try:
            cls = TASKS[wanted]
        except KeyError:
            if complete:
                wrong(name, _unknown(name, wanted))
        except (Exception, SystemExit) as error:  # whatever a package does when it is imported
            wrong(name, f"{wanted} cannot be imported: {_error_text(error)}")
        else:
            found = problems_in_use(cls, wanted)
            for problem in found:
                wrong(name, problem)
            if not found:
                classes[name] = cls
    for name, problem in problems_of_names(classes, given, TASKS):
        wrong(name, problem)
    faults = list(shape_problems(graph))
    if not faults and len(classes) == len(graph.tasks):
        faults = list(item_problems(graph, classes, _all_tasks))
    for fault in faults:
        key_path = _CHAIN if fault.branch is None else _path_of_branch(fault.branch)
        problems.append(Problem(key_path, f"{name_of(key_path)}: {fault.text}"))
    return classes, problems


def _path_of_branch(index: int) -> KeyPath:
    return ("pipeline", "branch", *([str(index + 1)] if index else []))


def _path_of(name: str, graph: Graph) -> KeyPath:
    """Where a graph names a task."""
    branches = (i for i, branch in enumerate(graph.branches) if name in branch.chain)
    return _CHAIN if name in graph.chain else (*_path_of_branch(next(branches)), "chain")


def _unknown(name: str, wanted: str) -> str:
    """A class that is not there, with those that may have been meant, and how a task gets another name."""
    close = like(wanted, list(TASKS))
    there = close if close.endswith("?") else f"; there are: {', '.join(TASKS)}"
    if name != wanted:
        return f"no task class {wanted!r}{there}"
    own = "" if close.endswith("?") else f'; a task with a name of its own needs [tasks.{name}] class = "..."'
    return f"no task {wanted!r}{there}{own}"


def with_crate(
    classes: Mapping[str, type[Task]],
    tables: Mapping[str, Mapping[str, Any]],
    crate: Mapping[str, Value],
    problems: list[Problem],
) -> dict[str, dict[str, Any]]:
    """The tables with the facts of the crate that tasks need; in the tables themselves they must not be."""
    filled = {task: dict(table) for task, table in tables.items()}
    for task, cls in classes.items():
        for name in crate:
            if is_crate_fact(cls, name):
                if name in tables.get(task, {}):
                    key_path = ("tasks", task, name)
                    problems.append(
                        Problem(key_path, f"{name_of(key_path)}: it belongs in [{CRATE}], once for all tasks")
                    )
                filled.setdefault(task, {})[name] = crate[name]
    return filled


def without_devices(
    classes: Mapping[str, type[Task]], tables: Mapping[str, Mapping[str, Any]], problems: list[Problem]
) -> dict[str, dict[str, Any]]:
    """The tables without what is kept in a device, and cannot be given here."""
    filled = {task: dict(table) for task, table in tables.items()}
    for task, cls in classes.items():
        for name, parameter in parameters_of(cls).items():
            if parameter.device and filled.get(task, {}).pop(name, None) is not None:
                key_path = ("tasks", task, name)
                text = f"{name_of(key_path)}: is kept in the device itself, and is written when the task runs"
                problems.append(Problem(key_path, text))
    return filled


def shared_settings(
    classes: Mapping[str, type[Task]], tables: Mapping[str, Mapping[str, Any]], problems: list[Problem]
) -> dict[str, dict[str, Any]]:
    """The tables with what several tasks share: it is given once, for all of them, or for each the same."""
    filled = {task: dict(table) for task, table in tables.items()}
    having: dict[str, list[str]] = {}
    for task, cls in classes.items():
        for name, parameter in parameters_of(cls).items():
            if parameter.shared:
                having.setdefault(name, []).append(task)
    for name, tasks in having.items():
        giving = [task for task in tasks if name in tables.get(task, {})]
        for task in giving[1:]:
            if tables[task][name] != tables[giving[0]][name]:
                key_path = ("tasks", task, name)
                other = f"{name_of(('tasks', giving[0], name))} = {shorten(tables[giving[0]][name])}"
                text = f"{name_of(key_path)} = {shorten(tables[task][name])}: these tasks share it, and {other} already"
                problems.append(Problem(key_path, text))
        for task in tasks if giving else ():
            filled.setdefault(task, {}).setdefault(name, tables[giving[0]][name])
        if len(tasks) > 1 and any(parameters_of(classes[task])[name].path for task in tasks):
            text = f"{' and '.join(tasks)} share {name}, and would write the same files: only one of them is possible"
            problems.append(Problem(("tasks", tasks[1]), f"tasks.{tasks[1]}: {text}"))
    return filled


def where_written(
    classes: Mapping[str, type[Task]], tables: Mapping[str, Mapping[str, Any]], problems: Collection[Problem]
) -> list[Problem]:
    """The problems, those with a shared setting where it is written: in the table of one of the tasks that share it."""
    found: dict[Problem, None] = {}
    for problem in problems:
        match problem.key_path:
            case ("tasks", task, name) if task in classes and name not in tables.get(task, {}):
                giver = next((each for each in classes if name in tables.get(each, {})), None)
                shared = name in parameters_of(classes[task]) and parameters_of(classes[task])[name].shared
                if giver is not None and shared:
                    problem = _told_of(("tasks", giver, name), task, problem, problems)
            case _:
                pass
        found[problem] = None
    return list(found)


def _told_of(key_path: KeyPath, task: str, problem: Problem, others: Collection[Problem]) -> Problem:
    """The problem of a task with a setting that it shares; the same one, if that is what its table has already."""
    text = problem.text.removeprefix(name_of(problem.key_path))
    same = Problem(key_path, f"{name_of(key_path)}{text}")
    return same if same in others else Problem(key_path, f"{name_of(key_path)}, for {task}{text}")


def _all_tasks() -> Mapping[str, type[Task]]:
    """The tasks that could be put into a chain; those that cannot be imported are no help."""
    found: dict[str, type[Task]] = {}
    for name in TASKS:
        try:
            cls = TASKS[name]
        except (Exception, SystemExit):
            continue
        if not problems_in_use(cls, name):
            found[name] = cls
    return found


def disagreements(
    cls: type[Task] | type[CrateFacts], settings: Mapping[str, Value], key_path: KeyPath
) -> Iterator[Problem]:
    """What the task itself says against its settings."""
    for name, text in objections(cls, settings):
        where = (*key_path, name) if name else key_path
        yield Problem(where, f"{name_of(where)}{text}")


def objections(cls: type[Task] | type[CrateFacts], settings: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    """The same as names of parameters and what follows them in a sentence; no name: it is about the task's own rule."""
    try:
        for name, text in cls.do_check(dict(settings)):
            value = f" = {shorten(settings[name])}" if name in settings else ""
            yield name, f"{value}: {text}"
    except Exception as error:  # a site's own rule may have a fault
        yield "", f": its do_check has failed: {_error_text(error)}"


def not_ready(cls: type[Task], settings: Mapping[str, Value], run_id: int) -> Iterator[str]:
    """What the task itself says against a run of this number with these settings."""
    try:
        yield from cls.do_ready(dict(settings), run_id)
    except Exception as error:  # a site's own rule may have a fault
        yield f"{cls.__name__}: its do_ready has failed: {_error_text(error)}"


def missing_files(cls: type[Task], settings: Mapping[str, Value], key_path: KeyPath) -> Iterator[Problem]:
    """The files that must be there for a run and are not."""
    for name, parameter in parameters_of(cls).items():
        value: Any = settings.get(name)
        for path in (value if isinstance(value, list) else [value]) if parameter.must_exist else ():
            if path and not _exists(str(path)):
                missing = f"no file matches {path}" if glob.has_magic(str(path)) else f"there is no {path}"
                yield Problem((*key_path, name), f"{name_of((*key_path, name))}: {missing}")


def _exists(path: str) -> bool:
    # glob, not Path.glob: the pattern may be absolute. A file may have a name that looks like a pattern.
    return Path(path).exists() or any(True for _ in glob.iglob(path, recursive=True))  # noqa: PTH207


def _error_text(error: BaseException) -> str:
    """What went wrong in somebody else's code, and where in it."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{text.partition(' (')[0]} ({Path(error.filename).name}, line {error.lineno})"
    package = str(Path(__file__).parent)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((package, "<frozen")) and "importlib" not in frame.filename
    ]
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else text
