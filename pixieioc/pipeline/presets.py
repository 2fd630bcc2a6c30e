"""The names of what a run can be preset to have, as a start says them to the tasks."""

from __future__ import annotations

#: Seconds in which data are taken, and seconds in which the channels can take them (their mean).
REAL_TIME, LIVE_TIME = "real_time", "live_time"
