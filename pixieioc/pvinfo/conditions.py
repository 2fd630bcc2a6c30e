"""The process variables that say how the site's own ones, which are kept with each run, are doing."""

from __future__ import annotations

from collections.abc import Iterator

from pixieioc.pvinfo.model import NO_LIMITS, PvInfo, text_pv

_NAN = NO_LIMITS[0]


def condition_pvs(count: int) -> Iterator[PvInfo]:
    """All of them; none if no conditions are configured."""
    if not count:
        return
    yield PvInfo("Conditions_RBV", "longin", "Process variables of the site that are kept with each run.", count)
    yield PvInfo(
        "ConditionsMissing_RBV", "longin", "How many of them cannot be read now.", count, limits=(_NAN, _NAN, 1, _NAN),
        guidance="A run goes on without them, and says so of itself: see ConditionsMessage_RBV for which they are.",
    )  # fmt: skip
    yield text_pv("ConditionsMessage_RBV", "Which of them cannot be read now, and why.", 2048)
