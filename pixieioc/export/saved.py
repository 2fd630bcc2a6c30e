"""The settings that a save and restore keeps, as two tools read the list."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from pixieioc.export.text import GENERATED
from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.model import PvInfo


def save_and_restore(description: Description) -> str:
    """`pixieioc-save-restore.csv`: setpoints with their readbacks, for a configuration of Phoebus' save-and-restore."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["PV", "READBACK", "READ_ONLY"])
    for pv in saved(description):
        readback = description.readback_of(pv)
        writer.writerow([description.prefix + pv.name, description.prefix + readback.name if readback else "", 0])
    return out.getvalue()


def autosave(description: Description) -> str:
    """`pixieioc.req`: the same setpoints for autosave; the macro P is the prefix."""
    return "\n".join([f"# {GENERATED}", *(f"$(P){pv.name}" for pv in saved(description))]) + "\n"


def saved(description: Description) -> Iterator[PvInfo]:
    """The setpoints that are kept."""
    return (pv for pv in description.pvs.values() if pv.saved)
