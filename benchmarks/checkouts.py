"""Chains of tasks in this checkout and in another one (a `git worktree` of an earlier commit), run in turn.

Each checkout has a worker process, this program, which is told on stdin what to run and answers on stdout.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import common


@dataclass(frozen=True)
class Run:
    """What a run of a chain took: seconds by the clock, CPU seconds of each task; and some of the tasks' reports."""

    seconds: float
    cpu: Mapping[str, float]
    events: Mapping[str, int]
    late: int

    @property
    def cpu_of_all(self) -> float:
        """CPU seconds of all tasks together."""
        return sum(self.cpu.values())


class Worker:
    """A process that runs chains of one checkout."""

    def __init__(self, checkout: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, "PYTHONPATH": str(checkout)},
            cwd=checkout,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        package = Path(self._ask({}))
        if not package.is_relative_to(checkout.resolve()):
            sys.exit(f"pixieioc is imported from {package}, not from {checkout}")

    @contextmanager
    def chain(self, tasks: Sequence[str], settings: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
        """Makes a chain, and ends it."""
        self._ask({"make": list(tasks), "settings": {task: dict(values) for task, values in settings.items()}})
        yield
        self._ask({"quit": True})

    def run(self) -> Run:
        """Runs the chain once; exits if that fails."""
        return Run(**self._ask({"run": True}))

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            sys.exit("a worker has failed, see above")
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(common.PATIENCE)


def _work() -> None:
    """Answers requests: {} where pixieioc is from, make a chain, run it, quit it."""
    import pixieioc
    from pixieioc.pipeline import Pipeline

    pipeline: Any = None
    while True:
        while not select.select([sys.stdin], [], [], 0.1)[0]:
            while pipeline is not None and pipeline.poll():  # heart beats are heard while the other checkout works
                pass
        line = sys.stdin.readline()
        if not line:
            return
        request = json.loads(line)
        answer: Any = True
        if "make" in request:
            pipeline = Pipeline(request["settings"])
            pipeline.__enter__()
            pipeline.follow(pipeline.creating(request["make"]))
            pipeline.connect(request["make"])
        elif "run" in request and pipeline is not None:
            answer = _run(pipeline)
        elif "quit" in request and pipeline is not None:
            pipeline.quit()
            pipeline.__exit__(None, None, None)
            pipeline = None
        else:
            answer = str(Path(pixieioc.__file__).resolve())
        print(json.dumps(answer), flush=True)


def _run(pipeline: Any) -> dict[str, Any]:
    """What the fields of `Run` are for a run that is made now."""
    # Earlier commits call it so.
    tasks = pipeline.processes if hasattr(pipeline, "processes") else pipeline.members
    processes = {name: task.reports["process_id"] for name, task in tasks.items()}
    before = {name: common.cpu_of(process) for name, process in processes.items()}
    began = time.monotonic()
    pipeline.start()
    pipeline.wait(common.PATIENCE)
    seconds = time.monotonic() - began
    if pipeline.errors or not pipeline.at_rest:
        sys.exit("; ".join(map(str, pipeline.errors)) or f"no end within {common.PATIENCE:g} s")
    return {
        "seconds": seconds,
        "cpu": {name: common.cpu_of(process) - before[name] for name, process in processes.items()},
        "events": {name: task.reports["events"] for name, task in tasks.items() if "events" in task.reports},
        "late": sum(task.reports.get("late_events", 0) for task in tasks.values()),
    }


if __name__ == "__main__":
    _work()
