"""PickSingleModule: the events of one module."""

from __future__ import annotations

from typing import Any

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.pipeline import Parameter, Report, Task
from pixieioc.tasks.items import EVENTS, EventBlock, events_of


class PickSingleModule(Task):
    """Passes on the events of one module; those of others end here, and are counted."""

    takes = EVENTS
    events_known = True

    module = Parameter(0, low=0, high=255, live=True, doc="Number of the module.")
    events_left_out = Report(0, doc="Events of other modules in this run.")

    def do_init(self) -> None:
        ev.warm_up()

    def do_start(self) -> None:
        self.events_left_out = 0

    def do_work(self, datum: Any) -> None:
        block = events_of(datum, self.name)
        rows = np.flatnonzero(block["events"]["module"] == self.module)
        count = ev.size(block["events"])
        self.events += len(rows)
        self.events_left_out += count - len(rows)
        events = block["events"] if len(rows) == count else ev.compact(ev.take(block["events"], rows))
        of_it = {self.module}
        picked = EventBlock(
            events=events,
            words_read={module: block["words_read"][module] for module in block["words_read"].keys() & of_it},
            quiet=[module for module in block["quiet"] if module in of_it],
        )
        if "begins" in block:
            modules = [module for module in block["begins"]["modules"] if module in of_it]
            picked["begins"] = {**block["begins"], "modules": modules}
        if "ends" in block:
            counts = {module: of for module, of in block["ends"]["counts"].items() if module in of_it}
            picked["ends"] = {**block["ends"], "counts": counts}
        self.send(picked)
