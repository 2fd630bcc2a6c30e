"""When the mark of a link changes its colour: items were lost, or wait."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.layout import Site


def loss(site: Site, source: str, target: str) -> ET.Element:
    """The rule of a line between two tasks: red if something was lost or waits in vain, orange if much waits."""
    names = [f"{source}:Dropped_RBV", f"{target}:Balance_RBV", f"{target}:QueueUse_RBV"]
    limits = [site.info(name).limits for name in names]
    severities = ((0, 3, style.MAJOR), (1, 2, style.MINOR))
    cases = [(beyond, color) for low, high, color in severities if (beyond := _beyond(limits, low, high))]
    return bob.rule("loss", "line_color", [site(name) for name in names], cases)


def loss_of_branch(site: Site, target: str) -> ET.Element:
    """The rule of the line to the first task of a branch: red if items are lost; missing some is its right."""
    name = f"{target}:Balance_RBV"
    return bob.rule(
        "loss", "line_color", [site(name)], [(_beyond([site.info(name).limits], 0, 3), style.MAJOR)]
    )  # fmt: skip


def _beyond(limits: Sequence[tuple[float, float, float, float]], low: int, high: int) -> str:
    """The expression for one of several numbers being beyond its own limits: those with these places among them.

    The severity itself is not known to rules of web clients.
    """
    exceeded = [f"pv{i} <= {of[low]:g}" for i, of in enumerate(limits) if math.isfinite(of[low])]
    exceeded += [f"pv{i} >= {of[high]:g}" for i, of in enumerate(limits) if math.isfinite(of[high])]
    return " || ".join(exceeded)
