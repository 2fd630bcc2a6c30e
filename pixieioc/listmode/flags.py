"""The bits of the column `flags` of events."""

from __future__ import annotations

FLAG_PILEUP, FLAG_OUT_OF_RANGE, FLAG_CFD_FORCED, FLAG_LATE = 1, 2, 4, 8
