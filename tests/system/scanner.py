"""A process with bluesky's RunEngine and a generated detector, used like a conversation."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.running_ioc import ROOT

#: The devices and protocols that there are: the file of the detector, and what its prefix begins with.
KINDS = {
    "ophyd-async ca": ("pixie_aio.py", "ca://"),
    "ophyd-async pva": ("pixie_aio.py", "pva://"),
    "ophyd ca": ("pixie_classic.py", "ca://"),
}
#: The port that PVAccess' searches go to.
SEARCHES = free_port()
_PVACCESS = {
    "EPICS_PVA_ADDR_LIST": "127.0.0.1",
    "EPICS_PVA_AUTO_ADDR_LIST": "NO",
    "EPICS_PVA_BROADCAST_PORT": str(SEARCHES),
}


@dataclass(frozen=True)
class Outcome:
    """How a plan has ended: why it failed, empty if it did not; when (Unix time); the numbers of its points' runs.

    `points` has how long each but the last one took, to its good end (`take`), to be read and in all, in seconds.
    """

    failed: str
    at: float
    seconds: float
    runs: list[int]
    documents: list[tuple[str, dict[str, Any]]]
    points: list[dict[str, float]]

    def named(self, name: str) -> list[dict[str, Any]]:
        """The documents of this kind."""
        return [content for kind, content in self.documents if kind == name]


class Scanner:
    """The process; `prefix` has its protocol."""

    def __init__(self, module: Path, prefix: str) -> None:
        self._errors = (module.parent / f"{module.stem}.log").open("a")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.bluesky_client", str(module), prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **_PVACCESS},
        )
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put({"gone": True})

    def order(self, **order: Any) -> None:
        """Has it do something."""
        assert self._process.stdin is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)

    def until(self, key: str, seconds: float = 240.0) -> Iterator[dict[str, Any]]:
        """What it says, to the first line that has this key."""
        end = time.monotonic() + seconds
        while True:
            line = self._lines.get(timeout=max(0.1, end - time.monotonic()))
            assert "gone" not in line, "the process with the RunEngine has ended"
            yield line
            if key in line:
                return

    def ready(self) -> None:
        """Waits until it is connected."""
        assert list(self.until("ready"))

    def run(self, plan: str, fault: Callable[[], None] = lambda: None, after: int = 0, **arguments: Any) -> Outcome:
        """Runs a plan; `fault` is called after so many points."""
        self.order(plan=plan, **arguments)
        documents: list[tuple[str, dict[str, Any]]] = []
        runs: list[int] = []
        waits = True
        for line in self.until("ended"):
            if "document" in line:
                documents.append((line["document"], line["content"]))
                runs += _runs(*documents[-1])
            if waits and len(runs) >= after and line.get("document") in ("descriptor", "event", "start"):
                waits = False
                fault()
            if "ended" in line:
                return Outcome(line["ended"], line["at"], line["seconds"], runs, documents, line["points"])
        raise AssertionError("the plan has not ended")

    def end(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:  # in a plan that has not ended
            self._process.kill()
            self._process.wait()
        self._listener.join()
        self._process.stdout.close()
        self._errors.close()


def _runs(kind: str, content: dict[str, Any]) -> list[int]:
    if kind not in ("event", "event_page"):
        return []
    values = [value for key, value in content["data"].items() if key in ("det-run_id", "det_run_id")]
    return [run for value in values for run in (value if isinstance(value, list) else [value])]


@contextmanager
def scanner(module: Path, prefix: str) -> Iterator[Scanner]:
    """A scanner, ended afterwards."""
    made = Scanner(module, prefix)
    try:
        yield made
    finally:
        made.end()
