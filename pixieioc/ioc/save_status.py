"""What the process variables of saving and restoring say, and the log."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from pixieioc.counted import counted
from pixieioc.ioc.records import Pvs
from pixieioc.ioc.sav import Saved
from pixieioc.ioc.saved_settings import for_the_log, in_words
from pixieioc.pvinfo.save_restore import FAILURE, OK, WARNING

log = logging.getLogger(__name__)

_TIME = "%Y-%m-%d %H:%M:%S"


class SaveStatus:
    """Posts them; a failure is logged when it begins and when it is over."""

    def __init__(self, pvs: Pvs) -> None:
        self._pvs = pvs
        self.problem = ""  #: why settings are not saved at present

    def beat(self) -> None:
        """Saving works."""
        self._pvs.post("SR_heartbeat", 1 - self._pvs["SR_heartbeat"].value)

    def restored(self, file: str, saved: Saved | None, count: int, left: Collection[str]) -> None:
        """What has become of the saved settings at the start."""
        for text in for_the_log(left):
            log.warning("settings: %s", text)
        if saved is not None:
            log.info("settings: %d restored from %s", count, file)
        what = f"{file}: {counted(count, 'setting')} restored" if saved is not None else "begins as configured"
        state = OK if not left else WARNING if saved is not None else FAILURE
        short = "No errors" if not left else f"{len(left)} not restored" if saved is not None else "Nothing restored"
        self._pvs.post("SR_rebootStatus", state)
        self._pvs.post("SR_rebootStatusStr", short)
        self._pvs.post("SR_rebootTime", f"{datetime.now():{_TIME}}")
        self._pvs.post("SR_rebootMessage_RBV", "; ".join([what, in_words(left)]) if left else what)

    def saved(self, path: Path) -> None:
        """A file was written."""
        if self.problem:
            log.warning("settings are being saved again: %s", path)
        self.problem = ""
        self.newest(path.name, datetime.now())
        self.recently(f"Saved {path.name}")
        self._show(OK, "", "")

    def newest(self, name: str, written: datetime) -> None:
        """The newest file, and when it was written."""
        self._pvs.post("SR_0_Name", name)
        self._pvs.post("SR_0_Time", f"{written:{_TIME}}")

    def failed(self, folder: Path, error: OSError) -> None:
        """A file could not be written."""
        self._post(FAILURE, "Cannot be saved", f"settings cannot be saved in {folder}: {error.strerror or error}")

    def silent(self, folder: Path, seconds: float) -> None:
        """A file is being written, for too long."""
        text = f"settings are not saved yet: the file system of {folder} does not answer"
        self._post(WARNING, f"No answer for {seconds:.0f} s", text)

    def loaded(self, path: Path, count: int, left: Collection[str]) -> None:
        """A client has loaded a file."""
        log.info("settings: %d loaded from %s", count, path)
        for text in for_the_log(left):
            log.warning("settings: %s: %s", path, text)
        self.recently(f"Loaded {path.name}" + (f", but for {len(left)}" if left else ""))

    def recently(self, text: str) -> None:
        """What was done last."""
        self._pvs.post("SR_recentlyStr", text)

    def _post(self, state: str, short: str, text: str) -> None:
        if text != self.problem:
            log.error("%s", text)
        self.problem = text
        self._show(state, short, text)

    def _show(self, state: str, short: str, text: str) -> None:
        for name, value in (
            ("SR_status", state), ("SR_0_Status", state), ("SR_statusStr", short or "Ok"),
            ("SR_0_StatusStr", short or "Ok"), ("SR_statusMessage_RBV", text),
        ):  # fmt: skip
            if self._pvs[name].value != value:
                self._pvs.post(name, value)
