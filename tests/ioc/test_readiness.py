"""Whether a run can be started: the checks, put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pixieioc.ioc.folders import Files, Folder, Saving, examine
from pixieioc.ioc.readiness import CHECKS, Problem, Readiness, evaluate, problem

HERE = Folder("/data", exists=True, writable=True, free_gb=100.0)
NO_FOLDER = "there is no folder /x (CreateDirectory makes it)"
ALL = 2 ** len(CHECKS) - 1
RUN, LINKS, SETTINGS, DISK, PATH, TASKS, STATE = (1 << i for i in range(len(CHECKS)))


def _place(**other: bool | float) -> Folder:
    return Folder(**{**vars(HERE), **other})


@pytest.mark.parametrize(
    ("given", "missing", "message"),
    [
        (("", "", "", Saving(), HERE), 0, ""),
        (("run 3 is running", "", "", Saving(), HERE), RUN, "run 3 is running"),
        (("", "it drains", "", Saving(), HERE), LINKS, "it drains"),
        (("", "", "no counter", Saving(), HERE), SETTINGS, "no counter"),
        (("", "", "", Saving(), HERE, "the tasks are starting"), TASKS, "the tasks are starting"),
        (("", "", "", Saving(), HERE, "", "f.bin exists already"), PATH, "f.bin exists already"),
        (
            ("", "", "", Saving(on=True), _place(writable=False), "", "f.bin exists already"),
            PATH,
            "the folder /data is not writable; f.bin exists already",
        ),
        (("a", "b", "c", Saving(), HERE), RUN | LINKS | SETTINGS, "a; b; c"),
        # The folder matters only to a run that saves.
        (("", "", "", Saving(), Folder("/x", exists=False, writable=False, free_gb=0.0)), 0, ""),
        (("", "", "", Saving(on=True), HERE), 0, ""),
        (
            ("", "", "", Saving(on=True), _place(exists=False)),
            PATH,
            "there is no folder /data (CreateDirectory makes it)",
        ),
        (("", "", "", Saving(on=True, depth=1), _place(exists=False)), 0, ""),
        (
            ("", "", "", Saving(on=True, depth=-1), _place(exists=False, levels=5, existing_levels=3)),
            PATH,
            "there is no folder /data: 2 levels are missing, CreateDirectory = -1 makes 1",
        ),
        (("", "", "", Saving(on=True), _place(writable=False)), PATH, "the folder /data is not writable"),
        (
            ("", "", "", Saving(on=True, depth=1), _place(exists=False, writable=False)),
            PATH,
            "the folder /data is not writable",
        ),
        (("", "", "", Saving(on=True, least_gb=99.9), HERE), 0, ""),
        (
            ("", "", "", Saving(on=True, least_gb=100.0), HERE),
            DISK,
            "only 100.0 GB are free at /data, more than 100 GB (ioc.disk_lolo) are needed",
        ),
        (
            ("a", "", "", Saving(on=True, least_gb=1.5), Folder("/x", exists=False, writable=True, free_gb=0.25)),
            RUN | DISK | PATH,
            f"a; only 0.2 GB are free at /x, more than 1.5 GB (ioc.disk_lolo) are needed; {NO_FOLDER}",
        ),
    ],
)
def test_what_is_missing(given: tuple[Any, ...], missing: int, message: str) -> None:
    run_on, draining, settings, saving, folder, starting, names, *_ = (*given, "", "")
    wrong = problem(settings, "Tasks")
    readiness = evaluate(run_on, draining, wrong, saving, Files(folder, names), folder.path, starting)
    assert (readiness.bits, readiness.message, readiness.ready) == (ALL - missing, message, not missing)


@pytest.mark.parametrize(
    ("given", "cure"),
    [
        (("", None, Saving(), Files(HERE)), "None"),
        (("it drains", Problem("no counter", "Preset"), Saving(), Files(HERE)), "Wait"),
        (("", Problem("no counter", "Preset"), Saving(), Files(HERE)), "Preset"),
        (("", None, Saving(on=True, least_gb=100.0), Files(HERE)), "File"),
        (("", None, Saving(), Files(HERE, names="there is no folder like this file")), "File"),
        (("it drains", None, Saving(on=True), Files(_place(exists=False))), "Make folder"),
        (("", None, Saving(), Files(HERE, state="there is no folder for the state")), "None"),
    ],
)
def test_what_is_offered_against_it_follows_from_no_text(given: tuple[Any, ...], cure: str) -> None:
    draining, settings, saving, files = given
    assert evaluate("", draining, settings, saving, files, "/data").cure == cure


def test_a_bit_for_each_check() -> None:
    for i in range(len(CHECKS)):
        assert Readiness(tuple(Problem("bad", "Wait") if i == j else None for j in range(len(CHECKS)))).bits == ALL - (
            1 << i
        )


def test_a_look_at_folders(tmp_path: Path) -> None:
    here = examine(str(tmp_path))
    assert (here.path, here.exists, here.writable) == (str(tmp_path), True, True)
    assert 0 < here.free_gb < 1e9
    above = examine(f"{tmp_path}/not/made/yet/")
    assert (above.exists, above.writable, above.free_gb > 0) == (False, True, True)
    assert (above.levels, above.existing_levels) == (here.levels + 3, here.existing_levels)
    not_made = {0: True, 1: False, -2: True, -3: False, here.levels + 1: False, here.levels + 2: True}
    assert {depth: bool(above.why_not_made(depth)) for depth in not_made} == not_made
    (tmp_path / "file").write_text("")
    # Where no folder is, and none can be made.
    for path in (f"{tmp_path}/file", f"{tmp_path}/file/below", f"{tmp_path}/{'x' * 300}/below", "/proc/self/nothing"):
        folder = examine(path)
        assert (folder.path, folder.exists, folder.writable) == (path, False, False)


def test_a_file_system_that_does_not_answer_is_the_reason_for_a_run_that_saves() -> None:
    late = Files(HERE, silent=4.2)
    assert evaluate("", "", None, Saving(on=True), late, "/x").message == (
        "the file system of /x has not answered for 4 s"
    )
    assert evaluate("", "", None, Saving(), late, "/x").ready
    assert evaluate("", "", None, Saving(on=True), Files(HERE, silent=0.5), "/x").ready
    assert evaluate("", "", None, Saving(on=True), Files(), "/x").ready  # nothing is known yet: the task will refuse


def test_a_state_folder_that_cannot_be_written_is_a_reason() -> None:
    readiness = evaluate("", "", None, Saving(), Files(state="the state folder is full"), "/x")
    assert (readiness.bits, readiness.message) == (ALL - STATE, "the state folder is full")
