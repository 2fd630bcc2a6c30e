"""Settings that a soak writes, with values that are possible whatever the others are."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Choice = random.Random
#: Written between runs: each is in use when its put is answered.
SETTINGS: dict[str, Callable[[Choice], Any]] = {
    "DummyData:ChannelRate": lambda choice: float(choice.randrange(100, 600)),
    "GatherData:MaxDelay": lambda choice: choice.choice((0.05, 0.2, 1.0)),
    "GatherEvents:MaxDelay": lambda choice: choice.choice((0.1, 0.5, 1.0)),
    "FileSizeLimit": lambda choice: choice.choice((0.0, 0.25, 1.0, 4.0)),
    "FileTimeLimit": lambda choice: choice.choice((0.0, 1.0, 5.0)),
    "WriteEvents:FileSizeLimit": lambda choice: choice.choice((0.0, 0.25, 1.0, 4.0)),
    "WriteEvents:FileTimeLimit": lambda choice: choice.choice((0.0, 1.0, 5.0)),
    "FillSpectra:RoiBackground": lambda choice: choice.randrange(1, 6),
    "M00:C00:ROI1:Low": lambda choice: choice.randrange(100, 200),
    "M00:C00:ROI1:High": lambda choice: choice.randrange(200, 300),
    "M00:C03:ROI4:Name": lambda choice: f"line {choice.randrange(1000)}",
    "StopTimeout": lambda choice: choice.choice((6.0, 8.0)),
}
#: Written at any time, also in a run.
LIVE: dict[str, Callable[[Choice], Any]] = {
    "SnapTraces:Freeze": lambda choice: choice.randrange(2),
    "GatherData:Rate_RBV.HIHI": lambda choice: float(choice.randrange(10**6, 10**7)),
    "DummyData:BusyTime_RBV.HIGH": lambda choice: float(choice.randrange(3, 9)),
    "Erase": lambda choice: 1,
}
