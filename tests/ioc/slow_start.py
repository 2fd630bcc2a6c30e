"""A test task that takes its time to begin, to be configured or to start, as it is told."""

from __future__ import annotations

import time
from typing import Any

from pixieioc.pipeline import Parameter, Task


class SlowStart(Task):
    """Swallows everything."""

    init_delay = Parameter(0.0, unit="s", low=0, high=100, doc="How long do_init takes.")
    configure_delay = Parameter(0.0, unit="s", low=0, high=100, doc="How long do_configure takes.")
    start_delay = Parameter(0.0, unit="s", low=0, high=100, doc="How long do_start takes.")

    def do_init(self) -> None:
        time.sleep(self.init_delay)

    def do_configure(self, config: dict[str, Any]) -> None:
        time.sleep(self.configure_delay)

    def do_start(self) -> None:
        time.sleep(self.start_delay)

    def do_work(self, datum: Any) -> None:
        pass
