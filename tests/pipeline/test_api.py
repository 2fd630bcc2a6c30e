"""The public API: every name of the reference, with its signature."""

from __future__ import annotations

import enum
import inspect
import multiprocessing.process

import pytest

import pixieioc.pipeline
from pixieioc.pipeline import Error, Message, Pipeline, Status, Task

PIPELINE = {
    "__init__": ["self", "task_kwargs=None"],
    "configure": ["self", "config"],
    "connect": ["self", "tasks_active", "branches=()"],
    "create_task": ["self", "name", "cls=''"],
    "handle_error": ["self", "name", "err"],
    "handle_print": ["self", "name", "string"],
    "handle_report": ["self", "name", "report"],
    "kill": ["self"],
    "poll": ["self"],
    "quit": ["self"],
    "send_connect": ["self", "name", "address_pull", "is_start", "is_final"],
    "send_kill": ["self", "name"],
    "start": ["self"],
    "stop": ["self"],
}
TASK = {
    "__init__": ["self", "**kwargs"],
    "begin": ["self"],
    "configure": ["self", "config"],
    "connect": ["self", "address_pull", "is_start", "is_final"],
    "do_configure": ["self", "config"],
    "do_connect": ["self", "address_pull", "is_start", "is_final"],
    "do_init": ["self"],
    "do_quit": ["self"],
    "do_start": ["self"],
    "do_stop": ["self"],
    "do_wait": ["self"],
    "do_work": ["self", "datum"],
    "flush_report": ["self"],
    "init": ["self"],
    "poll": ["self"],
    "print": ["self", "string"],
    "quit": ["self"],
    "report": ["self", "report"],
    "run": ["self"],
    "send": ["self", "report"],
    "send_data": ["self", "data"],
    "send_finished": ["self"],
    "send_heart_beat": ["self"],
    "send_report": ["self", "report", "force=False"],
    "stop": ["self"],
    "wait": ["self"],
    "work": ["self"],
}
TASKS = {
    "ConvertToEvents",
    "DummyData",
    "GatherData",
    "GatherEvents",
    "LoadFiles",
    "PickSingleModule",
    "PrintData",
    "SortEvents",
    "TakeData",
}


def _signature(function: object) -> list[str]:
    assert callable(function)
    return [str(p.replace(annotation=inspect.Parameter.empty)) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize(
    ("cls", "name", "expected"),
    [(cls, name, expected) for cls, names in ((Pipeline, PIPELINE), (Task, TASK)) for name, expected in names.items()],
)
def test_signatures(cls: type, name: str, expected: list[str]) -> None:
    given = _signature(getattr(cls, name))
    assert given[: len(expected)] == expected
    assert all("=" in more for more in given[len(expected) :]), "what is called as the reference has it goes on working"
    assert inspect.getdoc(getattr(cls, name)) or name == "__init__"


def test_names_are_importable_from_the_pipeline() -> None:
    assert {"Error", "Message", "Pipeline", "Status", "Task"} <= set(pixieioc.pipeline.__all__)
    assert issubclass(Status, enum.Enum)
    assert {status.name for status in Status} == {"DYING", "FINISHED", "PANICKING", "RUNNING", "WAITING"}
    assert issubclass(Task, multiprocessing.process.BaseProcess)
    assert str(Error("no beam")) == "no beam"


def test_messages_with_arguments_take_any() -> None:
    for cls in (Message.CONFIGURE, Message.CONNECT, Message.DATA, Message.ERROR, Message.PRINT, Message.REPORT):
        assert cls(1, 2, 3).args == (1, 2, 3)


def test_the_nine_tasks_are_registered_and_ours() -> None:
    assert set(Task.class_registry) >= {*TASKS, "FillSpectra"}
    for name in TASKS:
        assert Task.class_registry[name].__module__.startswith("pixieioc.tasks.")
        assert Task.class_registry[name].__name__ == name


def test_an_error_survives_the_wire() -> None:
    error = Error("no beam", task="TakeData", traceback="Traceback ...", time=1.5, run=7, errno=28)
    again = Error.from_dict(error.to_dict())
    assert (str(again), again.task, again.traceback, again.time, again.run) == (
        "no beam",
        "TakeData",
        "Traceback ...",
        1.5,
        7,
    )
    assert (again.cause, again.errno) == (error.cause, 28)
