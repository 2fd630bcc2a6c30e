"""What an archiver appliance shall keep."""

from __future__ import annotations

import json

from pixieioc.pvinfo.about import archive_of
from pixieioc.pvinfo.description import Description


def archive(description: Description) -> str:
    """`pixieioc-archive.json`: the body of `archivePV`. What a run counts is kept only during a run."""
    wanted = [_entry(description.prefix, pv.name, archive_of(pv)) for pv in description.pvs.values() if archive_of(pv)]
    return json.dumps(wanted, indent=2) + "\n"


def _entry(prefix: str, name: str, when: str) -> dict[str, str]:
    entry = {"pv": prefix + name, "samplingperiod": "1.0", "samplingmethod": "MONITOR"}
    return entry | ({"controllingPV": f"{prefix}Acquire_RBV"} if when == "running" else {})
