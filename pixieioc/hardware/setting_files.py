"""Files of settings: XIA's own, with a comment beside them.

The SDK gives modules that a file does not have its defaults, and says no more than a line in its log: here such a file
is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pixieioc.counted import counted
from pixieioc.hardware.crate import Crate, ModuleInfo
from pixieioc.hardware.error import HardwareError

_ENDING = ".json"


def load(crate: Crate, path: Path) -> tuple[str, list[str]]:
    """Has the modules use a file; returns its comment, and what of it is not of these modules. HardwareError."""
    doubts = check(path, crate.modules)
    crate.load_settings(path)
    return comment_of(path), doubts


def save(crate: Crate, path: Path, comment: str) -> None:
    """Writes the settings of all modules; a file that is there is replaced as a whole. HardwareError if that fails."""
    if path.suffix != _ENDING:
        raise HardwareError("save", 0, f"the name of a file of settings ends with {_ENDING}: {path}")
    # The SDK decides by the ending what it writes.
    new = path.with_name(f".{path.stem}.new{_ENDING}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        crate.save_settings(new)
        new.replace(path)
        _comment_file(path).write_text(comment + "\n" if comment else "", encoding="utf-8")
    except OSError as error:
        raise HardwareError("save", 0, f"{path}: {error.strerror or error}") from error


def listed(folder: Path) -> list[str]:
    """The files of settings in a folder with their comments, a line each."""
    try:
        files = sorted(path for path in folder.glob(f"*{_ENDING}") if not path.name.startswith("."))
    except OSError:
        return []
    return [f"{path.name}  {comment_of(path)}".rstrip() for path in files]


def comment_of(path: Path) -> str:
    """What was noted about a file of settings."""
    try:
        return " ".join(_comment_file(path).read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return ""


def _comment_file(path: Path) -> Path:
    return path.with_suffix(".txt")


def check(path: Path, modules: Sequence[ModuleInfo]) -> list[str]:
    """What of a file in XIA's JSON is not of these modules; HardwareError if it cannot be used."""
    saved = _modules_in(path)
    if len(saved) < len(modules):
        raise HardwareError(
            "load", 0, f"{path} has settings of {counted(len(saved), 'module')}, the crate has {len(modules)}: the "
            "others would get the defaults of XIA's library",
        )  # fmt: skip
    return _doubts(saved, modules, path)


def check_for_boot(path: Path, modules: Sequence[ModuleInfo]) -> list[str]:
    """The same for a boot: an empty list is a file without settings there, and other formats are the library's."""
    if path.suffix != _ENDING or not _modules_in(path):
        return []
    return check(path, modules)


def _modules_in(path: Path) -> list[Any]:
    """What a file has for each module; HardwareError if it has none such."""
    try:
        content: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise HardwareError("load", -700, f"there is no {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise HardwareError("load", -701, f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise HardwareError("load", -602, f"{path} is no file of settings: {error}") from None
    if not isinstance(content, list):
        raise HardwareError("load", -602, f"{path} is no file of settings: it has no list of modules")
    return cast("list[Any]", content)


def _doubts(saved: Sequence[Any], modules: Sequence[ModuleInfo], path: Path) -> list[str]:
    doubts: list[str] = []
    for number, (info, of_module) in enumerate(zip(modules, saved, strict=False)):
        values = cast("Mapping[str, Any]", of_module) if isinstance(of_module, Mapping) else {}
        # The SDK takes the defaults for what is missing, and reports success.
        for part in ("channel", "module"):
            if not isinstance(values.get(part), Mapping):
                raise HardwareError("load", -602, f"{path} is no file of settings: module {number} has no {part!r}")
        about: Any = values.get("metadata")
        about = cast("Mapping[str, Any]", about) if isinstance(about, Mapping) else {}
        for name, key, known in (("slot", "slot", info.slot), ("serial number", "serial-num", info.serial)):
            if about.get(key, known) != known:
                doubts.append(f"module {number}: the settings are of {name} {about[key]}, not {known}")
    if len(saved) > len(modules):
        doubts.append(f"it has settings of {counted(len(saved), 'module')}, those from {len(modules)} on are not used")
    return doubts
