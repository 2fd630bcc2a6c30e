"""What process variables there are: plain data that follow from a configuration and the tasks' declarations.

What a single one is stands in `model`, which knows nothing else; all of a configuration are built by `build`.
"""

from __future__ import annotations

from pixieioc.pvinfo.model import PvInfo, Severity, Source

__all__ = ["PvInfo", "Severity", "Source"]
