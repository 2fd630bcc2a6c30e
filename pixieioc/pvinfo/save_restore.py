"""The process variables of the settings that survive a restart, under the names of synApps' autosave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pixieioc.pvinfo.model import AlarmHandling, PvInfo, Severity, text_pv
from pixieioc.pvinfo.states import DONE

#: States of saving and of what was restored: autosave's, with its numbers.
_, FAILURE, WARNING, _, OK = SAVE_STATES = ("No Status", "Failure", "Warning", "Seq Fail", "Ok")
_SEVERITIES: tuple[Severity, ...] = ("NO_ALARM", "MAJOR", "MINOR", "MAJOR", "NO_ALARM")
_GOOD = SAVE_STATES.index(OK)
_NOT_SAVED = (
    "What is written to settings now would be lost with a restart: see SR_statusMessage_RBV; mend the state folder."
)


def save_restore_pvs() -> Iterator[PvInfo]:
    """All of them."""
    return (replace(pv, section="ioc") for pv in _pvs())


def _state(name: str, doc: str, severities: tuple[Severity, ...], guidance: str, alarm: AlarmHandling) -> PvInfo:
    return PvInfo(name, "mbbi", doc, _GOOD, labels=SAVE_STATES, severities=severities, guidance=guidance, alarm=alarm)


def _pvs() -> Iterator[PvInfo]:
    yield _state("SR_status", "Whether settings are being saved.", _SEVERITIES, _NOT_SAVED, AlarmHandling())
    yield PvInfo(
        "SR_heartbeat", "bi", "Changes every second as long as settings can be saved, not while a disk is silent.",
        labels=("0", "1"), archive="",
    )  # fmt: skip
    yield PvInfo("SR_statusStr", "stringin", "Whether settings are being saved, in words.", "")
    yield text_pv("SR_statusMessage_RBV", "Why settings are not being saved.", 512)
    yield PvInfo("SR_recentlyStr", "stringin", "What was saved or loaded last.", "")
    yield _state(
        "SR_rebootStatus", "Whether all settings were restored at the start of the IOC.",
        ("NO_ALARM", "MINOR", "MINOR", "MINOR", "NO_ALARM"),
        "Some settings are not as they were before the restart: SR_rebootMessage_RBV names them. Write them, or load a "
        "file of settings with SR_file and SR_restore; ErrorAck ends the alarm.",
        AlarmHandling(explains=True),
    )  # fmt: skip
    yield PvInfo("SR_rebootStatusStr", "stringin", "Whether all settings were restored, in words.", "")
    yield PvInfo("SR_rebootTime", "stringin", "When settings were restored.", "")
    yield text_pv(
        "SR_rebootMessage_RBV", "The file that was restored at the start, from when it is, and what was wrong.", 4096
    )
    yield PvInfo("SR_0_Name", "stringin", "The newest file of settings, in the state folder.", "")
    yield PvInfo("SR_0_Time", "stringin", "When it was written.", "")
    yield _state("SR_0_Status", "As SR_status.", (), "", AlarmHandling())
    yield PvInfo("SR_0_StatusStr", "stringin", "As SR_statusStr.", "")
    yield text_pv(
        "SR_file", "A file of settings, *.sav, for SR_save and SR_restore, by default in the state folder.",
        1024, access="EX", role="input",
    )  # fmt: skip
    yield _command("SR_save", "Save", "Saves all settings in SR_file.")
    yield _command("SR_restore", "Restore", "Writes all settings that SR_file has, as puts do.")


def _command(name: str, label: str, doc: str) -> PvInfo:
    return PvInfo(name, "bo", doc, labels=(DONE, label), access="EX", role="command")
