"""A test task whose two parameters must fit each other by a rule of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pixieioc.pipeline import Parameter, Task


class Cut(Task):
    """Hands everything on; its lowest value must not be above its highest."""

    lowest = Parameter(0, low=0, high=4000, doc="Lower end.")
    highest = Parameter(4000, low=0, high=4000, doc="Upper end.")

    @classmethod
    def do_check(cls, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if settings["lowest"] > settings["highest"]:
            yield "lowest", f"is above highest {settings['highest']}"

    def do_work(self, datum: Any) -> None:
        self.send(datum)
