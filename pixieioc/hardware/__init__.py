"""A crate of Pixie-16 modules behind one protocol: pypixie16, XIA's library alone, or simulated in the process."""

from pixieioc.hardware.crate import (
    CHANNELS,
    CHANNELS_H,
    QUEUE_WORDS,
    Crate,
    Firmware,
    Losses,
    ModuleInfo,
    Statistics,
    firmware_for,
)
from pixieioc.hardware.error import HardwareError
from pixieioc.hardware.owner import BootPlan, BootState, CrateOwner

__all__ = [
    "CHANNELS",
    "CHANNELS_H",
    "QUEUE_WORDS",
    "BootPlan",
    "BootState",
    "Crate",
    "CrateOwner",
    "Firmware",
    "HardwareError",
    "Losses",
    "ModuleInfo",
    "Statistics",
    "firmware_for",
]
