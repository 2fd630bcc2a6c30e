"""The operator's screens for Phoebus, as text that follows from an IOC's description."""

from __future__ import annotations

from pixieioc.export.screens.layout import Site
from pixieioc.export.screens.run import run_screen
from pixieioc.pvinfo.description import Description


def screens(description: Description) -> dict[str, str]:
    """The text of each display file, by its name."""
    site = Site(description)
    return {"run.bob": run_screen(site)}
