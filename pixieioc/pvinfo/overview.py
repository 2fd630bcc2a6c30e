"""The process variables that say in words what is going on: for screens, and for whoever looks at 3 a.m."""

from __future__ import annotations

from collections.abc import Iterator

from pixieioc.pvinfo.model import SEVERITIES, PvInfo, Source, text_pv

#: Rows of the list of alarms, each with its process variables.
ALARM_ROWS = 8
#: The screens that a row of the list of alarms can lead to, before those of the tasks; 0 is none.
ALARM_SCREENS = ("", "Run", "Rates", "Expert")
#: What makes an IOC ready that is not: where that is changed, or what to press.
CURES = ("None", "Preset", "File", "Make folder", "Tasks", "Wait")
#: Numbers as people say them: name of the text, name of the number, what it is.
IN_WORDS = (
    ("ElapsedRealText_RBV", "ElapsedReal_RBV", "Real time of the run, in words."),
    ("ElapsedLiveText_RBV", "ElapsedLive_RBV", "Live time of the run, in words."),
    ("TimeRemainingText_RBV", "TimeRemaining_RBV", "Time until the preset ends the run, in words."),
    ("BytesWrittenText_RBV", "BytesWritten_RBV", "Data written in this run, in words."),
    ("DiskFreeText_RBV", "DiskFree_RBV", "Free space where raw files are written, in words."),
    ("DiskTimeLeftText_RBV", "DiskTimeLeft_RBV", "Time until the disk is full at the present rate, in words."),
)
#: What only screens use; an archiver does not need it.
FOR_SCREENS = (
    "AlarmCount_RBV", "StopTimeLeft_RBV", "RateHistoryMax_RBV", "ReadyCure_RBV",
    *(f"Alarm{row}:{what}" for row in range(1, ALARM_ROWS + 1) for what in ("Severity_RBV", "Screen_RBV")),
)  # fmt: skip


def in_words(pv: PvInfo) -> PvInfo | None:
    """The text that says a report's number of bytes in MB and GB; None for other reports."""
    if pv.unit != "B" or pv.source.kind != "report" or pv.source.index or not pv.source.task:
        return None
    if any(number == pv.name for _, number, _ in IN_WORDS):
        return None  # it has one already
    doc = f"{pv.doc.rstrip('.')}, in words."
    return PvInfo(
        f"{pv.name.removesuffix('_RBV')}Text_RBV", "stringin", doc, "",
        source=Source("run", pv.source.task, f"{pv.source.name}_text"),
    )  # fmt: skip


def overview_pvs() -> Iterator[PvInfo]:
    """All of them."""
    yield text_pv("StartMessage_RBV", "What a start would do now.", 1024)
    yield PvInfo("ReadyCure_RBV", "mbbi", "What to change, or to press, to become ready.", labels=CURES)
    yield text_pv("ConfigWaiting_RBV", "The settings that wait for others that they must fit.", 1024)
    yield text_pv("CmdPv_RBV", "The process variable that the last command wrote, without prefix.", 64)
    yield PvInfo(
        "StopTimeLeft_RBV", "ai", "While a run is being ended: time until tasks are killed; 0 otherwise.", 0.0,
        unit="s", precision=0,
    )  # fmt: skip
    yield PvInfo(
        "RateHistoryMax_RBV", "ai", "A round number above all of RateHistory: the end of its axis.", 1.0,
        unit="1/s", precision=0,
    )  # fmt: skip
    for name, _, doc in IN_WORDS:
        yield PvInfo(name, "stringin", doc, "")
    yield text_pv("ErrorFirstMessage_RBV", "The first error since the last acknowledge: the cause of the others.", 512)
    yield text_pv("ErrorFirstTime_RBV", "When that was.", 64)
    yield text_pv("RunLog_RBV", "The last 100 starts, ends and errors, the latest first, with their times.", 32768)
    yield PvInfo("AlarmCount_RBV", "longin", "Entries in AlarmList_RBV.")
    yield text_pv(
        "AlarmList_RBV", "What is in alarm now, causes first, then the worst: severity, what, since when.", 16384
    )
    for row in range(1, ALARM_ROWS + 1):
        yield from _alarm_row(row)


def _alarm_row(row: int) -> Iterator[PvInfo]:
    number = f"Of {ALARM_ROWS} that are in alarm, 1 is a cause or the worst"
    yield PvInfo(f"Alarm{row}:Severity_RBV", "mbbi", f"{number}: its severity.", labels=SEVERITIES)
    yield text_pv(f"Alarm{row}:Text_RBV", f"{number}: what it is, and since when.")
    yield text_pv(f"Alarm{row}:Guidance_RBV", f"{number}: what to do.", 512)
    yield PvInfo(
        f"Alarm{row}:Screen_RBV", "longin",
        f"{number}: its screen; 0 none, 1 Run, 2 Rates, 3 Expert, from 4 on the tasks of the chain.",
    )  # fmt: skip
