"""A test task that hands everything on: slowly, not at all, or with an error, as it is told."""

from __future__ import annotations

import time
from typing import Any

from pixieioc.listmode import events as ev
from pixieioc.pipeline import Error, Parameter, Report, Task


class Brake(Task):
    """Hands blocks of events on after `delay`; fails at the next one once `fail` is set."""

    events_known = True

    delay = Parameter(0.0, unit="s", low=0, high=60, live=True, precision=2, doc="Time that each block takes.")
    fail = Parameter(False, live=True, doc="Whether the next block is an error.")
    refuse = Parameter(0, low=0, high=100, doc="13 is refused by the task itself.")
    mode = Parameter("soft", choices=("soft", "hard"), doc="Nothing depends on it.")
    label = Parameter("", doc="Nothing depends on it.")
    temperature = Report(
        20.0, unit="C", alarm_high=50, alarm_hihi=60, hysteresis=1, doc="Follows delay, for tests of alarms."
    )
    blocks = Report(0, doc="Blocks so far in this run.")

    def do_configure(self, config: dict[str, Any]) -> None:
        if self.refuse == 13:
            raise Error("13 brings bad luck")
        self.temperature = 20.0 + self.delay

    def do_start(self) -> None:
        self.blocks = 0

    def do_work(self, datum: Any) -> None:
        if self.fail:
            raise RuntimeError("the brake has failed")
        if self.delay:
            time.sleep(self.delay)
        self.events += ev.size(datum["events"])
        self.blocks += 1
        self.send_report({"undeclared": self.blocks})
        self.send(datum)
