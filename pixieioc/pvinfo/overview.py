"""The process variables that say in words what is going on: for screens, and for whoever looks at 3 a.m."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pixieioc.pvinfo.model import SEVERITIES, AlarmHandling, Archive, PvInfo, Section, Source, text_pv
from pixieioc.pvinfo.states import CURES

#: Rows of the list of alarms, each with its process variables.
ALARM_ROWS = 8
#: Lines of RunLog_RBV.
EVENTS_KEPT = 100
#: The screens that a row of the list of alarms can lead to, before those of the tasks; 0 is none.
ALARM_SCREENS = ("", "Run", "Rates", "Expert")
#: Numbers as people say them: name of the text, name of the number, the section of both, what it is.
_IN_WORDS: tuple[tuple[str, str, Section, str], ...] = (
    ("ElapsedRealText_RBV", "ElapsedReal_RBV", "run", "Real time of the run, in words."),
    ("ElapsedLiveText_RBV", "ElapsedLive_RBV", "run", "Live time of the run, in words."),
    ("TimeRemainingText_RBV", "TimeRemaining_RBV", "run", "Time until the preset ends the run, in words."),
    ("BytesWrittenText_RBV", "BytesWritten_RBV", "files", "Data written in this run, in words."),
    ("DiskFreeText_RBV", "DiskFree_RBV", "files", "Free space where raw files are written, in words."),
    ("DiskTimeLeftText_RBV", "DiskTimeLeft_RBV", "files", "Time until the disk is full at the present rate, in words."),
)
#: What only screens use; an archiver does not need it.
_FOR_SCREENS: Archive = ""
#: A text that says a number in words is in alarm with it, and says nothing more.
_TEXT = AlarmHandling(repeats=True)


def in_words(pv: PvInfo) -> PvInfo | None:
    """The text that says a report's number of bytes in MB and GB, for screens; None for other reports.

    It is no report of the task, so it does not stand among those behind REPORT.
    """
    if pv.unit != "B" or pv.source.kind != "report" or pv.source.index:
        return None
    doc = f"{pv.doc.rstrip('.')}, in words."
    own = f"{pv.own_name.removeprefix('REPORT:').removesuffix('_RBV')}Text_RBV"
    source = Source("run", pv.source.task, f"{pv.source.name}_text")
    before = f"{pv.owner}:" if pv.owner else ""
    return PvInfo(
        before + own, "stringin", doc, "", source=source, section=pv.section, owner=pv.owner, own=own,
        text_of=pv.name, alarm=_TEXT,
    )  # fmt: skip


def overview_pvs() -> Iterator[PvInfo]:
    """All of them."""
    yield text_pv("StartMessage_RBV", "What a start would do now.", 1024)
    yield PvInfo(
        "ReadyCure_RBV", "mbbi", "What to change or press so that a run can be started.", labels=CURES,
        archive=_FOR_SCREENS,
    )  # fmt: skip
    yield text_pv("ConfigWaiting_RBV", "Settings that are pending because they do not fit others yet.", 1024)
    yield text_pv("CmdPv_RBV", "The process variable that the last command wrote, without prefix.", 64)
    yield PvInfo(
        "StopTimeLeft_RBV", "ai", "While a run is being ended: time until tasks are killed; 0 otherwise.", 0.0,
        unit="s", precision=0, archive=_FOR_SCREENS,
    )  # fmt: skip
    yield PvInfo(
        "RateHistoryMax_RBV", "ai", "A round number above all of RateHistory: the upper end of its axis.", 1.0,
        unit="1/s", precision=0, archive=_FOR_SCREENS,
    )  # fmt: skip
    for name, number, section, doc in _IN_WORDS:
        yield PvInfo(name, "stringin", doc, "", text_of=number, alarm=_TEXT, section=section)
    yield text_pv(
        "ErrorFirstMessage_RBV", "The first error since the last acknowledgement: the cause of the others.", 512,
        section="errors",
    )  # fmt: skip
    yield text_pv(
        "ErrorFirstTime_RBV", "When the first error since the last acknowledgement occurred.", 64, section="errors"
    )
    yield text_pv(
        "RunLog_RBV", f"The last {EVENTS_KEPT} starts, ends and errors, the latest first, with their times.", 32768
    )
    yield PvInfo("AlarmCount_RBV", "longin", "Entries in AlarmList_RBV.", archive=_FOR_SCREENS)
    yield text_pv(
        "AlarmList_RBV", "What is in alarm now, causes first, then the worst: severity, what, since when.", 16384
    )
    for row in range(1, ALARM_ROWS + 1):
        yield from _alarm_row(row)


def _alarm_row(row: int) -> Iterator[PvInfo]:
    number = f"A row of the {ALARM_ROWS} first alarms, causes first, then the worst"

    def of(what: str) -> dict[str, Any]:
        return {"name": f"Alarm{row}:{what}", "pattern": f"Alarm{{}}:{what}"}

    yield PvInfo(
        record="mbbi", doc=f"{number}: its severity.", labels=SEVERITIES, archive=_FOR_SCREENS, **of("Severity_RBV")
    )
    yield text_pv(doc=f"{number}: what it is, and since when.", **of("Text_RBV"))
    yield text_pv(doc=f"{number}: what to do.", length=512, **of("Guidance_RBV"))
    yield PvInfo(
        record="longin", archive=_FOR_SCREENS,
        doc=f"{number}: its screen; 0 none, 1 Run, 2 Rates, 3 Expert, from 4 on the tasks of the chain.",
        **of("Screen_RBV"),
    )  # fmt: skip
