"""XIA's SDK as the configuration names it: the library is loaded, and nothing of it is called."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

from pixieioc.config import Config
from pixieioc.doctor.facts import Library
from pixieioc.hardware.crate import Firmware
from pixieioc.hardware.crate_file import read_crate_file
from pixieioc.hardware.error import HardwareError

#: Those of the driver.
_DEVICES = Path("/dev/plx")


def library(config: Config) -> Library:
    """What the first task that reads a crate needs."""
    settings = next((values for values in config.settings.values() if "implementation" in values), {})
    implementation = str(settings.get("implementation", ""))
    if implementation not in ("sdk", "pypixie16"):
        return Library(implementation)
    try:
        path, firmware = _named(implementation, settings)
    except (HardwareError, ImportError, OSError) as error:
        return Library(implementation, error=str(error), devices=_devices(), unreachable=_unreachable())
    return Library(implementation, str(path), _load(path), tuple(_missing(firmware)), _devices(), _unreachable())


def _named(implementation: str, settings: Any) -> tuple[Path, tuple[Firmware, ...]]:
    """The library and the firmware that the configuration leads to."""
    if implementation == "sdk":
        file = read_crate_file(Path(str(settings["crate_file"])))
        return file.library, file.firmware
    from pixieioc.hardware.pypixie16 import Pypixie16Crate

    crate = Pypixie16Crate()
    return crate.library, crate.configured_firmware(str(settings.get("firmware", "default")))[0]


def _load(path: Path) -> str:
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        return str(error)
    return ""


def _missing(firmware: tuple[Firmware, ...]) -> list[str]:
    """Files of firmware that cannot be used, with the reason."""
    found: list[str] = []
    for each in firmware:
        for file in each.files:
            try:
                if not Path(file).stat().st_size:
                    found.append(f"{file} is empty")
                elif not os.access(file, os.R_OK):
                    found.append(f"{file} cannot be read")
            except OSError as error:
                found.append(f"{file}: {error.strerror}")
    return list(dict.fromkeys(found))


def _devices() -> tuple[str, ...]:
    return tuple(sorted(map(str, _DEVICES.glob("*"))))


def _unreachable() -> tuple[str, ...]:
    return tuple(path for path in _devices() if not os.access(path, os.R_OK | os.W_OK))
