"""The tasks that a configuration names: found, fitting into their chain, and with settings that fit together."""

from __future__ import annotations

import glob
import importlib
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pixieioc.config_lines import Place
from pixieioc.config_tables import Problem, name_of
from pixieioc.pipeline import Task, chain
from pixieioc.pipeline.contract import problems_in_use
from pixieioc.pipeline.declaration import shorten
from pixieioc.pipeline.declare import Value, parameters_of
from pixieioc.pipeline.validate import like

_CHAIN: Place = ("pipeline", "chain")


def import_modules(names: Iterable[str], folder: Path) -> Iterator[Problem]:
    """Imports a site's modules, which are looked for in `folder`, too; yields what went wrong."""
    for name in names:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # whatever a site's module does when it is imported
            yield Problem(("pipeline", "imports"), f"pipeline.imports: {name}: {_said(error)}")


def classes_of(names: Sequence[str], *, complete: bool = True) -> tuple[dict[str, type[Task]], list[Problem]]:
    """The classes of a chain, as far as there are any, and what is wrong with them and their order.

    Unless the tasks are `complete`, one that is not known is no problem of its own: its module could not be imported.
    """
    problems: list[str] = []
    classes: dict[str, type[Task]] = {}
    for name in names:
        try:
            cls = Task.class_registry[name]
        except KeyError:
            if not complete:
                continue
            close = like(name, list(Task.class_registry))
            there = close if close.endswith("?") else f"; there are: {', '.join(Task.class_registry)}"
            problems.append(f"no task {name!r}{there}")
        except (Exception, SystemExit) as error:  # whatever a package does when it is imported
            problems.append(f"{name} cannot be imported: {_said(error)}")
        else:
            wrong = problems_in_use(cls, name)
            problems += wrong
            if not wrong:
                classes[name] = cls
    if not names or len(set(names)) < len(names):
        problems.append("must name at least one task, and each at most once")
    elif len(classes) == len(names):
        problems += chain.problems(classes, _all_tasks)
    return classes, [Problem(_CHAIN, f"pipeline.chain: {problem}") for problem in problems]


def _all_tasks() -> Mapping[str, type[Task]]:
    """The tasks that could be put into a chain; those that cannot be imported are no help."""
    found: dict[str, type[Task]] = {}
    for name in Task.class_registry:
        try:
            cls = Task.class_registry[name]
        except (Exception, SystemExit):
            continue
        if not problems_in_use(cls, name):
            found[name] = cls
    return found


def disagreements(cls: type[Task], settings: Mapping[str, Value], place: Place) -> Iterator[Problem]:
    """What the task itself says against its settings."""
    try:
        for name, text in cls.do_check(dict(settings)):
            value = f" = {shorten(settings[name])}" if name in settings else ""
            yield Problem((*place, name), f"{name_of((*place, name))}{value}: {text}")
    except Exception as error:  # a site's own rule may have a fault
        yield Problem(place, f"{name_of(place)}: its do_check has failed: {_said(error)}")


def not_ready(cls: type[Task], settings: Mapping[str, Value], run_id: int) -> Iterator[str]:
    """What the task itself says against a run of this number with these settings."""
    try:
        yield from cls.do_ready(dict(settings), run_id)
    except Exception as error:  # a site's own rule may have a fault
        yield f"{cls.__name__}: its do_ready has failed: {_said(error)}"


def missing_files(cls: type[Task], settings: Mapping[str, Value], place: Place) -> Iterator[Problem]:
    """The files that must be there for a run and are not."""
    for name, parameter in parameters_of(cls).items():
        value: Any = settings.get(name)
        for path in (value if isinstance(value, list) else [value]) if parameter.must_exist else ():
            if path and not _exists(str(path)):
                missing = f"no file matches {path}" if glob.has_magic(str(path)) else f"there is no {path}"
                yield Problem((*place, name), f"{name_of((*place, name))}: {missing}")


def _exists(path: str) -> bool:
    # glob, not Path.glob: the pattern may be absolute. A file may have a name that looks like a pattern.
    return Path(path).exists() or any(True for _ in glob.iglob(path, recursive=True))  # noqa: PTH207


def _said(error: BaseException) -> str:
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
