"""bluesky's RunEngine with a detector, as a process: plans come by stdin, documents and outcomes go to stdout.

python -m tests.system.bluesky_client MODULE PREFIX

MODULE is the file of a detector that `pixieioc generate --devices` has made. Each line of stdin is a JSON object:
`plan`, one of the functions of `Plans`, with its arguments, or `abort`: the plan is paused at once, as by Ctrl-C, and
aborted.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
from bluesky import RunEngine
from bluesky.utils import RunEngineInterrupted

#: Where lines go; what others print goes to stderr: the RunEngine tells people when it pauses.
_OUT, sys.stdout = sys.stdout, sys.stderr


def say(**line: Any) -> None:
    """A line of what was stdout."""
    print(json.dumps(line, default=str), file=_OUT, flush=True)


class Plans:
    """What can be asked for. `seconds` is the preset of real time of each point; 0: none."""

    def __init__(self, detector: Any, motor: Any) -> None:
        self._detector, self._motor = detector, motor

    def count(self, num: int = 1, seconds: float = 0.1) -> Iterator[Any]:
        """Points one after the other."""
        yield from self._preset(seconds)
        yield from bp.count([self._detector], num)

    def scan(self, num: int = 1, seconds: float = 0.1) -> Iterator[Any]:
        """Points along a motor that is simulated."""
        yield from self._preset(seconds)
        yield from bp.scan([self._detector], self._motor, 0, 1, num)

    def fly(self, seconds: float = 0.0, flight: float = 0.3) -> Iterator[Any]:
        """One run while something else is done."""
        detector = self._detector
        yield from self._preset(seconds)

        @bpp.stage_decorator([detector])
        @bpp.run_decorator()
        def flown() -> Iterator[Any]:
            yield from bps.declare_stream(detector, name="primary", collect=True)
            yield from bps.kickoff(detector, wait=True)
            yield from bps.sleep(flight)
            yield from bps.complete(detector, wait=True)
            yield from bps.collect(detector, name="primary")

        yield from flown()

    def simulated(self, num: int = 1, seconds: float = 0.1) -> Iterator[Any]:
        """Points of ophyd-async's own detector, which does nothing but wait: what the RunEngine itself costs."""
        from ophyd_async.core import init_devices
        from ophyd_async.sim import SimPointDetector

        with init_devices():  # here, and not in the plan, which runs in the loop that this waits for
            detector = SimPointDetector(None, name="sim")

        def plan() -> Iterator[Any]:
            yield from bps.mv(detector.acquire_time, seconds)
            yield from bp.count([detector], num)

        return plan()

    def _preset(self, seconds: float) -> Iterator[Any]:
        mode = "Real time" if seconds else "No preset"
        yield from bps.mv(self._detector.preset_mode, mode)
        if seconds:
            yield from bps.mv(self._detector.preset_real, seconds)


class Stopwatch:
    """How long each point takes, by the messages of the plan: to its good end, to be read, and in all."""

    def __init__(self) -> None:
        self.points: list[dict[str, float]] = []
        self._since: dict[str, float] = {}

    def hear(self, message: Any) -> None:
        """A message that is about to be carried out."""
        now = time.perf_counter()
        match message.command:
            case "trigger":
                if self.points:
                    self.points[-1]["point"] = now - self._since["trigger"]
                self._since = {"trigger": now}
            case "create" if "trigger" in self._since:
                self._since["create"] = now
            case "save" if "create" in self._since:
                take, read = self._since["create"] - self._since["trigger"], now - self._since["create"]
                self.points.append({"take": take, "read": read})


def detector_of(module: Path, prefix: str) -> tuple[Any, Any]:
    """The detector, connected, and a motor of its library."""
    spec = importlib.util.spec_from_file_location(module.stem, module)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    if "classic" in module.stem:
        from ophyd.sim import SynAxis

        detector = made.Detector(prefix, name="det")
        detector.wait_for_connection(timeout=60)
        return detector, SynAxis(name="motor")
    from ophyd_async.core import init_devices, soft_signal_rw

    with init_devices(timeout=60):
        detector = made.Detector(prefix, name="det")
        motor = soft_signal_rw(float, name="motor")
    return detector, motor


def main(module: str, prefix: str) -> None:
    """Does what it is told until stdin ends."""
    engine = RunEngine({})
    engine.subscribe(lambda name, document: say(document=name, content=document))
    plans: list[dict[str, Any]] = []
    news = threading.Condition()

    def listen() -> None:
        for line in sys.stdin:
            order = json.loads(line)
            if "abort" in order:
                engine.request_pause(defer=False)
                continue
            with news:
                plans.append(order)
                news.notify()
        with news:
            plans.append({})
            news.notify()

    detector, motor = detector_of(Path(module), prefix)
    threading.Thread(target=listen, daemon=True).start()
    say(ready=True)
    while True:
        with news:
            news.wait_for(lambda: plans)
            order = plans.pop(0)
        if not order:
            return
        _run(engine, getattr(Plans(detector, motor), order.pop("plan"))(**order))


def _run(engine: RunEngine, plan: Iterator[Any]) -> None:
    began, failed, stopwatch = time.monotonic(), "", Stopwatch()
    engine.msg_hook = stopwatch.hear  # pyright: ignore[reportAttributeAccessIssue]  # None is only what it is at first
    try:
        engine(plan)
    except RunEngineInterrupted:
        failed = _abort(engine)
    except Exception as error:  # it is told, whatever it is
        failed = f"{type(error).__name__}: {error.__cause__ or error}"
    points = [point for point in stopwatch.points if "point" in point]  # all but the last one
    say(ended=failed, seconds=time.monotonic() - began, at=time.time(), points=points)


def _abort(engine: RunEngine) -> str:
    try:
        engine.abort("told to")
    except Exception as error:  # it is told, too
        return f"aborted; {type(error).__name__}: {error.__cause__ or error}"
    return "aborted"


if __name__ == "__main__":
    main(*sys.argv[1:])
