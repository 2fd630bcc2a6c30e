"""The Run screen of a phone: whether data are taken, how fast, and what is wrong."""

from __future__ import annotations

from pixieioc.export.phone.sheet import ROW, Sheet, word
from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Axis
from pixieioc.export.screens.layout import Site, states_of
from pixieioc.export.screens.run import last_with_events

_PLOT_HEIGHT = 190


def run_sheet(site: Site) -> str:
    """The file's text."""
    sheet = Sheet(site, "Run", "run.bob")
    last = last_with_events(site)
    sheet.heading("Run")
    sheet.reading("Run", "RunId_RBV", style.LARGE_BOLD)
    sheet.reading("Events", "EventRate_RBV", style.LARGE_BOLD)
    sheet.reading("in this run", f"{last}:{'Events_RBV' if f'{last}:Events_RBV' in site else 'Counter_RBV'}")
    sheet.reading("Real time", "ElapsedRealText_RBV")
    sheet.reading("Dead time", "DeadTime_RBV")
    sheet.long_text("StatusMessage_RBV", 5)
    _history(sheet)
    _preset(sheet)
    _error(sheet)
    if "FilePath" in site:
        _file(sheet)
    sheet.heading("What a start would do")
    sheet.long_text("StartMessage_RBV", 9)
    _last_command(sheet)
    return sheet.text()


def _history(sheet: Sheet) -> None:
    """The rate of the last ten minutes."""
    site = sheet.site
    sheet.heading("Events per second, the last ten minutes")
    kept = site.info("RateHistory_RBV").length
    time, events = Axis("seconds before now", (-kept, 0), auto="false"), Axis("", (0, 10), auto="false")
    pv, x_pv, top_pv = (site(f"RateHistory{what}_RBV") for what in ("", "Time", "Max"))
    sheet.add(bob.plot(sheet.strip(_PLOT_HEIGHT), pv, time, events, x_pv=x_pv, top_pv=top_pv))


def _preset(sheet: Sheet) -> None:
    site = sheet.site
    sheet.heading("Preset and progress")
    sheet.reading("ends by", "PresetMode_RBV")
    bar, number = sheet.strip(ROW).columns(70, 30)
    sheet.add(bob.value(number, site("Progress_RBV")), bob.bar(bar, site("Progress_RBV"), color=style.ACTIVE))
    caption, left = sheet.strip(ROW).columns(40, 60)
    for widget in (
        bob.label(caption, "remaining", style.SMALL, style.FAINT),
        bob.value(left, site("TimeRemainingText_RBV"), style.TEXT_BOLD),
    ):
        sheet.add(bob.shown_while(widget, "pv0 > 0", site("PresetMode_RBV")))
    sheet.reading("last one by", "RunEndReason_RBV")


def _error(sheet: Sheet) -> None:
    """The error that others may have followed from."""
    site = sheet.site
    sheet.heading("Error: the first, from which others may follow")
    lamp, task = sheet.strip(ROW + 4).columns(30, 70)
    states = states_of(site.info("ErrorLatched_RBV"))
    sheet.add(*word(lamp, site("ErrorLatched_RBV"), states, style.SMALL_BOLD))
    sheet.add(bob.value(task, site("ErrorFirst_RBV"), style.TEXT_BOLD, text=True))
    sheet.reading("when", "ErrorFirstTime_RBV", style.SMALL, 0.3)
    sheet.long_text("ErrorFirstMessage_RBV", 7)


def _file(sheet: Sheet) -> None:
    site = sheet.site
    sheet.heading("File")
    lamp, saved = sheet.strip(ROW + 4).columns(50, 50)
    sheet.add(*word(lamp, site("WriteStatus_RBV"), states_of(site.info("WriteStatus_RBV")), style.SMALL_BOLD))
    written = bob.value(saved, site("BytesWrittenText_RBV"), style.TEXT_BOLD)
    sheet.add(written)
    sheet.long_text("FullFileName_RBV", 4)
    sheet.long_text("WriteMessage_RBV", 2)
    sheet.reading("Save raw data", "AutoSave_RBV")
    sheet.reading("Disk left", "DiskFreeText_RBV")


def _last_command(sheet: Sheet) -> None:
    site = sheet.site
    sheet.heading("Last command or value")
    lamp, by = sheet.strip(ROW + 4).columns(30, 70)
    sheet.add(
        *word(lamp, site("CmdStatus_RBV"), states_of(site.info("CmdStatus_RBV")), style.SMALL_BOLD),
        bob.value(by, site("CmdUser_RBV"), style.SMALL, text=True),
    )
    sheet.long_text("CmdMessage_RBV", 4)
