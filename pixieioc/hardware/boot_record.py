"""What the modules of a crate were booted with last, kept for the processes to come: theirs need not boot again.

Modules keep their firmware as long as they have power, and XIA's library does not say which it is. So a boot is noted
in a file, and the note is taken away before anything that may leave a module unusable: a boot, a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pixieioc.hardware.crate import Firmware, ModuleInfo

#: Another number each time the computer starts.
_COMPUTER = Path("/proc/sys/kernel/random/boot_id")


class BootRecord:
    """The note about the crate in these slots, in a file in `folder`; without a folder nothing is noted."""

    def __init__(self, folder: Path | None, slots: Sequence[int]) -> None:
        self.path = folder / f"booted-{'-'.join(map(str, slots))}.json" if folder else None

    def holds(self, modules: Sequence[ModuleInfo], firmware: Sequence[Firmware]) -> bool:
        """Whether these modules were booted with these files since the computer was started."""
        if self.path is None:
            return False
        try:
            return json.loads(self.path.read_text(encoding="utf-8")) == _content(modules, firmware)
        except (OSError, ValueError):  # nothing was noted, or nothing that can be read: boot
            return False

    def note(self, modules: Sequence[ModuleInfo], firmware: Sequence[Firmware]) -> None:
        """The modules have booted with these files; where it cannot be noted, the next process boots them again."""
        if self.path is None:
            return
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = self.path.with_suffix(".new")
            new.write_text(json.dumps(_content(modules, firmware), indent=1), encoding="utf-8")
            new.replace(self.path)

    def forget(self) -> None:
        """The modules are to be booted again, unless something else is noted."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _content(modules: Sequence[ModuleInfo], firmware: Sequence[Firmware]) -> dict[str, Any]:
    files = [path.absolute() for each in firmware for path in each.files]
    return {
        "computer": _COMPUTER.read_text(encoding="utf-8").strip(),
        "modules": [[info.slot, info.kind, info.serial] for info in modules],
        "firmware": [[str(path), hashlib.sha256(path.read_bytes()).hexdigest()] for path in files],
    }
