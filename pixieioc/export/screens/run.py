"""The Run screen: what the person needs who takes data."""

from __future__ import annotations

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Axis, Box, Display
from pixieioc.export.screens.layout import Site, control, panel, reading, screen, setting, states_of

_PRESETS = (
    ("Real time", "PresetReal"),
    ("Live time", "PresetLive"),
    ("Events", "PresetEvents"),
    ("Triggers", "PresetTriggers"),
)
_FILE_SETTINGS = (("Name", "FileName"), ("Number", "FileNumber"))


def run_screen(site: Site) -> str:
    """The file's text."""
    display, room = screen(site, "Run", "run.bob")
    x, y, width = room.x, room.y, room.width
    _state(site, display, Box(x, y, width, 132))
    _commands(site, display, Box(x, y + 140, width, 84))
    middle = Box(x, y + 232, width, 460)
    boxes = middle.columns(1, 1, 1) if "FilePath" in site else middle.columns(1, 2)
    _presets(site, display, boxes[0])
    _rates(site, display, boxes[-1])
    if "FilePath" in site:
        _files(site, display, boxes[1])
    _outcomes(site, display, Box(x, y + 700, width, room.height - 700))
    return display.text()


def _state(site: Site, display: Display, box: Box) -> None:
    """What is going on, in a word, a number and a sentence."""
    state, run, message = box.columns(33, 15, 52)
    display.add(bob.lamp(state, site("DetectorState_RBV"), states_of(site.info("DetectorState_RBV")), style.HUGE))
    inside = panel(display, run, "Run")
    display.add(bob.value(inside, site("RunId_RBV"), style.HUGE, bob.CENTER, background=None))
    inside = panel(display, message, "What is going on")
    first, second = Box(inside.x, inside.y - 6, inside.width, 50), Box(inside.x, inside.y + 50, inside.width, 32)
    display.add(bob.value(first, site("StatusMessage_RBV"), style.HEADING, text=True, wrap=True))
    columns = second.columns(24, 30, 14, 32)
    display.add(bob.label(columns[0], "Last run ended by", style.TEXT, style.FAINT))
    display.add(bob.value(columns[1], site("RunEndReason_RBV")))
    display.add(bob.label(columns[2], "Source", style.TEXT, style.FAINT, bob.RIGHT))
    display.add(bob.lamp(columns[3], site("SimMode_RBV"), states_of(site.info("SimMode_RBV")), style.TEXT))


def _commands(site: Site, display: Display, box: Box) -> None:
    start, stop, abort, erase_start, erase, ready = box.columns(16, 14, 10, 14, 10, 36)
    big = style.LARGE_BOLD
    display.add(
        bob.command(start, "Start", site("Acquire"), big, style.GO),
        bob.command(stop, "Stop", site("Stop"), big, style.HALT),
        bob.command(
            abort, "Abort", site("Abort"), style.HEADING, style.HALT,
            confirm="Abort the run? Data that are still in the chain are discarded. (Stop keeps them.)",
        ),
        bob.command(
            erase_start, "Erase + Start", site("EraseStart"), style.HEADING, style.GO,
            confirm="Clear all spectra and start a run?",
        ),
        bob.command(erase, "Erase", site("Erase"), style.HEADING, confirm="Clear all spectra?"),
        bob.rectangle(ready),
    )  # fmt: skip
    inside = ready.inner(10)
    lamp, message = inside.columns(26, 74)
    states = [("Not ready", style.CALM), ("Ready", style.ACTIVE)]
    display.add(
        # An IOC is never ready during a run: no frame then.
        bob.lamp(lamp, site("Ready_RBV"), states, style.HEADING, border=False),
        bob.value(message, site("ReadyMessage_RBV"), text=True, wrap=True, background=None),
    )


def _presets(site: Site, display: Display, box: Box) -> None:
    inside = panel(display, box, "Preset and progress")
    rows = inside.rows(38, 7)
    setting(site, display, next(rows), "End the run by", "PresetMode", (34, 38, 28))
    for caption, name in _PRESETS:
        setting(site, display, next(rows), caption, name, (34, 38, 28))
    caption, progress, number = next(rows).columns(34, 38, 28)
    display.add(
        bob.label(caption, "Progress", style.TEXT, style.FAINT),
        bob.bar(progress, site("Progress_RBV"), color=style.ACTIVE),
        bob.value(number, site("Progress_RBV")),
    )
    caption, real, live = next(rows).columns(34, 38, 28)
    display.add(
        bob.label(caption, "Real, live time", style.TEXT, style.FAINT),
        bob.value(real, site("ElapsedReal_RBV"), style.HEADING),
        bob.value(live, site("ElapsedLive_RBV")),
    )
    caption, left = next(rows).columns(34, 66)
    remaining = bob.value(left, site("TimeRemaining_RBV"), style.HEADING)
    display.add(
        bob.label(caption, "Remaining", style.TEXT, style.FAINT),
        bob.hidden_while(remaining, "pv0 == 0", site("PresetMode_RBV")),
    )


def _files(site: Site, display: Display, box: Box) -> None:
    inside = panel(display, box, "File")
    rows = inside.rows(38, 7)
    setting(site, display, next(rows), "Save raw data", "AutoSave", (26, 40, 34))
    caption, entry = next(rows).columns(26, 74)
    display.add(bob.label(caption, "Folder", style.TEXT, style.FAINT), control(site, entry, "FilePath", style.SMALL))
    reading(display, next(rows), "in use", site("FilePath_RBV"), 0.26, style.SMALL, text=True)
    for caption, name in _FILE_SETTINGS:
        setting(site, display, next(rows), caption, name, (26, 40, 34))
    reading(display, next(rows), "Last file", site("FullFileName_RBV"), 0.26, style.SMALL, text=True)
    caption, written, rate = next(rows).columns(26, 40, 34)
    display.add(
        bob.label(caption, "Written", style.TEXT, style.FAINT),
        bob.value(written, site("BytesWritten_RBV")),
        bob.value(rate, site("WriteRate_RBV")),
    )
    caption, status, message = next(rows).columns(26, 20, 54)
    display.add(
        bob.label(caption, "Writing", style.TEXT, style.FAINT),
        bob.lamp(status, site("WriteStatus_RBV"), states_of(site.info("WriteStatus_RBV")), style.TEXT),
        bob.value(message, site("WriteMessage_RBV"), style.SMALL, text=True),
    )
    caption, free, left = next(rows).columns(26, 40, 34)
    display.add(
        bob.label(caption, "Disk left", style.TEXT, style.FAINT),
        bob.value(free, site("DiskFree_RBV"), style.HEADING),
        bob.hidden_while(
            bob.value(left, site("DiskTimeLeft_RBV"), style.HEADING), "pv0 == 0", site("DiskTimeLeft_RBV")
        ),
    )


def _rates(site: Site, display: Display, box: Box) -> None:
    """How fast events come, now and in the last ten minutes."""
    inside = panel(display, box, "Rates")
    rows = inside.rows(38, 7)
    source, last = site.description.chain[0].name, _last_with_events(site)
    reading(display, next(rows), "Events", site("EventRate_RBV"), 0.34, style.LARGE_BOLD)
    counted = "Events_RBV" if f"{last}:Events_RBV" in site else "Counter_RBV"
    reading(display, next(rows), "In this run", site(f"{last}:{counted}"), 0.34, style.HEADING)
    one, dead, other, data = next(rows).columns(34, 24, 14, 28)
    display.add(
        bob.label(one, "Dead time", style.TEXT, style.FAINT),
        bob.value(dead, site("DeadTime_RBV"), style.HEADING),
        bob.label(other, "Data", style.TEXT, style.FAINT, bob.RIGHT),
        bob.value(data, site(f"{source}:ByteRate_RBV"), style.HEADING),
    )
    chart = _below(inside, 3 * 45)
    kept = site.info("RateHistory_RBV").length
    time = Axis("seconds before now", (-kept, 0), auto="false")
    display.add(bob.plot(chart, site("RateHistory_RBV"), time, Axis("events/s"), x_pv=site("RateHistoryTime_RBV")))


def _last_with_events(site: Site) -> str:
    """The last task that knows events, or the last at all."""
    names = [task.name for task in site.description.chain]
    return next((name for name in reversed(names) if f"{name}:Events_RBV" in site), names[-1])


def _outcomes(site: Site, display: Display, box: Box) -> None:
    """The last error, to be acknowledged, and what became of the last command."""
    left, right = box.columns(1, 1)
    inside = panel(display, left, "Last error")
    top, below = Box(inside.x, inside.y, inside.width, 40), _below(inside, 48)
    lamp, task, when, button = top.columns(18, 26, 34, 22)
    display.add(
        bob.lamp(lamp, site("ErrorLatched_RBV"), states_of(site.info("ErrorLatched_RBV")), style.HEADING),
        bob.value(task, site("LastErrorTask_RBV"), style.TEXT_BOLD, text=True),
        bob.value(when, site("LastErrorTime_RBV"), style.SMALL, text=True),
        bob.command(button, "Acknowledge", site("ErrorAck")),
        bob.value(below, site("LastError_RBV"), style.HEADING, text=True, wrap=True),
    )
    inside = panel(display, right, "Last command")
    top, below = Box(inside.x, inside.y, inside.width, 40), _below(inside, 48)
    lamp, by, user = top.columns(24, 6, 70)
    display.add(
        bob.lamp(lamp, site("CmdStatus_RBV"), states_of(site.info("CmdStatus_RBV")), style.HEADING),
        bob.label(by, "by", style.TEXT, style.FAINT, bob.CENTER),
        bob.value(user, site("CmdUser_RBV"), text=True),
        bob.value(below, site("CmdMessage_RBV"), style.HEADING, text=True, wrap=True),
    )


def _below(box: Box, used: int) -> Box:
    return Box(box.x, box.y + used, box.width, box.height - used)
