"""A crate's own TOML file: the library, and the firmware of each kind of modules, for the implementation `sdk`.

    library = "/opt/xia/libPixie16Api.so"
    settings = "settings.json"

    [firmware.F-500-14]
    system = "firmware/syspixie16_revfgeneral_adc500mhz_r33341.bin"
    fippi = "firmware/fippixie16_revfgeneral_14b500m_r34688.bin"
    dsp_code = "firmware/Pixie16DSP_revfgeneral_14b500m_r35207.ldr"
    dsp_variables = "firmware/Pixie16DSP_revfgeneral_14b500m_r35207.var"

A relative name begins at the folder of the file. With `offline = true`, the modules are those that XIA's SDK simulates
itself (5 or later: four, in the slots 2 to 5, without data), and there is no firmware to name.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pixieioc.hardware.crate import Firmware
from pixieioc.hardware.error import HardwareError

_FILES = ("system", "fippi", "dsp_code", "dsp_variables")
_KEYS = ("library", "settings", "firmware", "offline")
#: Revision, ADC rate and bits.
_KIND = re.compile(r"[A-Z]-(100|250|500)-(12|14|16)")


@dataclass(frozen=True)
class CrateFile:
    """What the file says; `settings` may be missing."""

    library: Path
    firmware: tuple[Firmware, ...]
    settings: Path | None = None
    offline: bool = False


def read_crate_file(path: Path) -> CrateFile:
    """Reads and checks the file; HardwareError names it, the key, and what is allowed."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _wrong(path, str(error)) from error
    _refuse_unknown(path, "", content, _KEYS)
    if "library" not in content:
        raise _wrong(path, "library: this key is missing")
    tables, offline = content.get("firmware", {}), content.get("offline", False)
    if not isinstance(offline, bool):
        raise _wrong(path, f"offline = {offline!r}: must be true or false")
    if not isinstance(tables, dict) or not (tables or offline):
        raise _wrong(path, "firmware: there must be a table for each kind of modules, such as [firmware.F-500-14]")
    folder = path.parent
    firmware = tuple(_firmware(path, folder, kind, table) for kind, table in cast("dict[str, Any]", tables).items())
    settings = _file(path, folder, "settings", content["settings"]) if content.get("settings") else None
    return CrateFile(_file(path, folder, "library", content["library"]), firmware, settings, offline)


def _firmware(path: Path, folder: Path, kind: str, table: Any) -> Firmware:
    name = f"firmware.{kind}"
    if not _KIND.fullmatch(kind):
        raise _wrong(path, f"{name}: must be revision, MHz and bits of the modules, such as F-500-14")
    if not isinstance(table, dict):
        raise _wrong(path, f"{name}: must be a table with {', '.join(_FILES)}")
    files = cast("dict[str, Any]", table)
    _refuse_unknown(path, f"{name}.", files, _FILES)
    if missing := [key for key in _FILES if key not in files]:
        raise _wrong(path, f"{name}.{missing[0]}: this key is missing")
    return Firmware(*(_file(path, folder, f"{name}.{key}", files[key]) for key in _FILES), kind=kind)


def _refuse_unknown(path: Path, prefix: str, table: dict[str, Any], known: tuple[str, ...]) -> None:
    if unknown := [key for key in table if key not in known]:
        raise _wrong(path, f"{prefix}{unknown[0]}: unknown key; there are {', '.join(known)}")


def _file(path: Path, folder: Path, key: str, value: Any) -> Path:
    if not isinstance(value, str) or not value:
        raise _wrong(path, f"{key} = {value!r}: must be the name of a file")
    return folder / value


def _wrong(path: Path, text: str) -> HardwareError:
    return HardwareError("configuration", 0, f"{path}: {text}")
