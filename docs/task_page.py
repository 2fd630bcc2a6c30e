"""The page for authors of tasks, from the docstrings and signatures of Task, Parameter and Report."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pixieioc.pipeline import Parameter, Report, Task
from pixieioc.pipeline.callbacks import Callbacks
from pixieioc.pipeline.chain import described
from pixieioc.pipeline.contract import HOOKS

PAGE = """\
# Tasks: classes, arguments, callbacks

Printed by `python docs/make_pages.py` from the docstrings and signatures in the code. The
[tutorial](../tutorial/own-task.md) shows a whole one.

## Task

{task}

### Class attributes

{attributes}

### Callbacks

All of them are optional but `do_work`. The frame calls them in the task's own process; they are plain functions.
`do_work` must return nothing: an item that is returned rather than sent would be lost. Any exception is an error of the
task that the operator sees, with the line; raise `pixieioc.pipeline.Error` for a sentence of your own. How a task
says what it really uses is in [settings that something else keeps](../how-to/settings-in-use.md).

{callbacks}

### What callbacks call

Only callbacks send data and values in use; `report` and `print`, and assigning a report, are possible from any thread
of the task.

{actions}

### Kinds of items

`takes` and `gives` let `pixieioc check` find a chain in the wrong order. The tasks of this package know two kinds,
`WORDS` and `EVENTS` of `pixieioc.tasks.items`; a site may name others.

{kinds}

## Parameter

{parameter}

{parameter_arguments}

## Report

{report}

{report_arguments}

The reports that [every task has](configuration.md#reports-of-every-task) are kept current by the frame; a task sets
only `events`. Values without a declaration are sent with `self.report({{"name": value}})`; they are shown as one JSON
text of at most 4000 bytes. The names `ack`, `refused`, `status` and `time` are those of the pipeline's own messages.
"""

#: What a task's author calls, in the order of its use.
ACTIONS = (
    "send", "offer", "finish", "idle", "stopping", "running", "is_start", "is_final", "allocate", "report", "print",
    "send_in_use", "send_heart_beat", "send_starting", "flush_report",
)  # fmt: skip
ATTRIBUTES = (
    "takes", "gives", "events_known", "start_timeout", "urgent", "run_id", "run_started", "run_settings",
)  # fmt: skip

Code = Callable[[Any], str]


def arguments(cls: type) -> dict[str, str]:
    """What the constructor's docstring says of each argument."""
    listed = inspect.cleandoc((inspect.getdoc(cls.__init__) or "").partition("Arguments:\n")[2])
    pieces = re.split(r"^(\w+): ", listed, flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in zip(pieces[::2], pieces[1::2], strict=True)}


def _arguments(cls: type, code: Code) -> str:
    """The rows of a constructor's arguments."""
    rows: list[str] = []
    said = arguments(cls)
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind is not parameter.VAR_KEYWORD:
            kind = "the value's" if parameter.annotation == "T" else str(parameter.annotation).replace("|", r"\|")
            default = "required" if parameter.default is parameter.empty else _default(parameter.default, code)
            rows.append(f"| `{name}` | {kind} | {default} | {said[name]} |")
    return "\n".join(["| argument | type | default | meaning |", "|---|---|---|---|", *rows])


def _default(value: Any, code: Code) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "none"
    return f"`{value.__name__}`" if isinstance(value, type) else code(value)


def _methods(names: Iterable[str], cls: type) -> str:
    """The rows of methods and properties: how they are called, and the docstring."""
    rows: list[str] = []
    for name in names:
        attribute = inspect.getattr_static(cls, name)
        is_property = isinstance(attribute, property)
        doc = inspect.getdoc(attribute if is_property else getattr(cls, name)) or ""
        call = name if is_property else f"{name}{_call(getattr(cls, name))}"
        rows.append(f"| `{call}` | {' '.join(re.sub(r'^`[a-z]+` callback: ', '', doc).split())} |")
    return "\n".join(["| name | meaning |", "|---|---|", *rows])


def _call(method: Any) -> str:
    return f"({', '.join(name for name in inspect.signature(method).parameters if name != 'self')})"


def _attributes(cls: type, code: Code) -> str:
    """The rows of class attributes, whose meaning stands in the comment before each."""
    source = inspect.getsource(cls)
    rows: list[str] = []
    for name in ATTRIBUTES:
        found = re.search(rf"((?:^    #: .*\n)+)    {name}: ", source, re.MULTILINE)
        assert found is not None, name
        value = vars(cls)[name]
        shown = code(value if isinstance(value, str | bool | int | float) else dict(value))
        rows.append(f"| `{name}` | {shown} | {' '.join(found[1].replace('#:', '').split())} |")
    return "\n".join(["| attribute | value unless set | meaning |", "|---|---|---|", *rows])


def _kinds() -> str:
    own = {name: cls for name, cls in Task.class_registry.items() if cls.__module__.startswith("pixieioc.")}
    return "\n".join(["| task | items |", "|---|---|", *(f"| {n} | {described(own[n])} |" for n in sorted(own))])


def page(code: Code) -> str:
    """The whole page; `code` shows a value."""
    return PAGE.format(
        task=inspect.getdoc(Task),
        attributes=_attributes(Task, code),
        callbacks=_methods(HOOKS, Callbacks),
        actions=_methods(ACTIONS, Task),
        kinds=_kinds(),
        parameter=inspect.getdoc(Parameter),
        parameter_arguments=_arguments(Parameter, code),
        report=inspect.getdoc(Report),
        report_arguments=_arguments(Report, code),
    )
