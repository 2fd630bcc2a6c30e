"""A task of one's own: it lets only those events through whose energy lies in a window."""

from typing import Any

from pixieioc.listmode import events as ev
from pixieioc.pipeline import Parameter, Report, Task
from pixieioc.tasks.items import EVENTS


class EnergyCut(Task):
    """Lets events through whose energy is from lowest to highest."""

    takes = EVENTS
    events_known = True

    lowest = Parameter(0, low=0, high=65535, live=True, doc="Lowest energy that passes.")
    highest = Parameter(65535, low=0, high=65535, at_least="lowest", live=True, doc="Highest energy that passes.")
    passed = Report(0, doc="Events that passed in this run.")

    def do_start(self) -> None:
        self.passed = 0

    def do_work(self, datum: Any) -> None:
        events = datum["events"]
        inside = (events["energy"] >= self.lowest) & (events["energy"] <= self.highest)
        self.events += ev.size(events)
        self.passed += int(inside.sum())
        self.send({**datum, "events": ev.take(events, inside)})
