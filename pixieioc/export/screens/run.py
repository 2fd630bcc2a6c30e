"""The Run screen: what the person needs who takes data."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Axis, Box, Display
from pixieioc.export.screens.layout import (
    Site,
    control,
    in_use,
    last_command,
    panel,
    reading,
    screen,
    setting,
    states_of,
)
from pixieioc.pvinfo.run_control import PRESET_SETPOINTS
from pixieioc.pvinfo.states import CURES, Cure

_FILE_SETTINGS = (("Name", "FileName"), ("Number", "FileNumber"))


def run_screen(site: Site) -> str:
    """The file's text."""
    display, room = screen(site, "Run", "run.bob")
    x, width = room.x, room.width
    _state(site, display, Box(x, room.y, width, 132))
    _commands(site, display, Box(x, room.y + 140, width, 56))
    _readiness(site, display, Box(x, room.y + 204, width, 56))
    _remarks(site, display, Box(x, room.y + 268, width, 80))
    middle = Box(x, room.y + 356, width, 412)
    boxes = middle.columns(1, 1, 1) if "FilePath" in site else middle.columns(1, 2)
    _presets(site, display, boxes[0])
    _rates(site, display, boxes[-1])
    if "FilePath" in site:
        _files(site, display, boxes[1])
    left, right = Box(x, room.y + 776, width, room.height - 776).columns(52, 48)
    _error(site, display, left)
    last_command(site, display, right)
    return display.text()


def _state(site: Site, display: Display, box: Box) -> None:
    """What is going on, in a word, a number and a sentence."""
    state, run, message = box.columns(33, 15, 52)
    states = states_of(site.info("DetectorState_RBV"))
    display.add(bob.lamp(state, site("DetectorState_RBV"), states, style.HUGE, unknown="No connection"))
    inside = panel(display, run, "Run")
    display.add(bob.value(inside, site("RunId_RBV"), style.HUGE, bob.CENTER, background=None))
    inside = panel(display, message, "What is going on")
    first, second = Box(inside.x, inside.y - 6, inside.width, 50), Box(inside.x, inside.y + 50, inside.width, 32)
    display.add(bob.value(first, site("StatusMessage_RBV"), style.TEXT_BOLD, text=True, wrap=True))
    columns = second.columns(24, 30, 14, 32)
    display.add(bob.label(columns[0], "Last run ended by", style.TEXT, style.FAINT))
    display.add(bob.value(columns[1], site("RunEndReason_RBV")))
    display.add(bob.label(columns[2], "Source", style.TEXT, style.FAINT, bob.RIGHT))
    display.add(bob.lamp(columns[3], site("SimMode_RBV"), states_of(site.info("SimMode_RBV")), style.TEXT))
    _countdown(site, display, Box(second.x, second.y, columns[2].x - second.x, second.height))


def _countdown(site: Site, display: Display, box: Box) -> None:
    """While a run is being ended: how long that may still take."""
    left = site("StopTimeLeft_RBV")
    before, number, after = box.columns(26, 16, 58)
    for widget in (
        bob.rectangle(box, style.PASSING, style.PASSING, 0, "countdown"),
        bob.label(before, "Ends within", style.TEXT_BOLD, align=bob.RIGHT),
        bob.value(number, left, style.TEXT_BOLD, bob.CENTER, background=None),
        bob.label(after, "or busy tasks are killed", style.TEXT_BOLD),
    ):
        display.add(bob.shown_while(widget, "pv0 > 0", left))


def _commands(site: Site, display: Display, box: Box) -> None:
    start, stop, abort, erase_start, erase = box.columns(26, 22, 16, 20, 16)
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
    )  # fmt: skip


def _readiness(site: Site, display: Display, box: Box) -> None:
    """Whether a run can be started, what a start would do, and what leads to readiness if there is none."""
    display.add(bob.rectangle(box))
    inside = box.inner(3)
    lamp, message, cure = inside.columns(11, 75, 14)
    states = [("Not ready", style.MINOR), ("Ready", style.ACTIVE)]
    in_run = site("Acquire_RBV")
    idle = bob.lamp(lamp, site("Ready_RBV"), states, style.HEADING)
    # A run that is in progress is not what an operator has to cure.
    running = bob.lamp(lamp, in_run, [("", style.CALM), ("In a run", style.CALM)], style.HEADING)
    display.add(
        bob.hidden_while(idle, "pv0 == 1", in_run),
        bob.shown_while(running, "pv0 == 1", in_run),
        bob.value(message, site("StartMessage_RBV"), style.SMALL, text=True, wrap=True, background=None),
    )
    for widget, name in _cures(site, cure):
        display.add(bob.shown_while(widget, f"pv0 == {CURES.index(name)}", site("ReadyCure_RBV")))


def _cures(site: Site, box: Box) -> list[tuple[ET.Element, Cure]]:
    """What an operator can do, by what is missing."""

    def hint(text: str) -> ET.Element:
        return bob.label(box, text, style.TEXT_BOLD, style.HALT, bob.CENTER)

    cures: list[tuple[ET.Element, Cure]] = [
        (hint("Correct the preset"), "Preset"),
        (bob.opener(box, "Show the tasks", "pipeline.bob"), "Tasks"),
        (hint("Wait a moment"), "Wait"),
        (hint("Correct the file"), "File"),
    ]
    if "CreateDirectory" in site:
        make = bob.command(box, "Make the folder", site("CreateDirectory"))
        cures.append((make, "Make folder"))
    return cures


def _remarks(site: Site, display: Display, box: Box) -> None:
    """What is kept with the data of the run; it can be written until that ends."""
    display.add(bob.rectangle(box))
    rows = box.inner(12, 3).rows(34, 4)
    title, experiment, operator = next(rows).columns(44, 32, 24)
    for place, name in ((title, "Title"), (experiment, "Experiment"), (operator, "Operator")):
        _remark(site, display, place, name, 104)
    below = next(rows)
    if "ConditionsMissing_RBV" in site:
        below, missing = below.columns(76, 24)
        caption, number, message = missing.columns(38, 12, 50)
        missing_pv = site.info("ConditionsMissing_RBV")
        display.add(
            bob.label(caption, "Missing conditions", style.TEXT, style.FAINT, bob.RIGHT, tip=missing_pv.doc),
            bob.value(number, site.of(missing_pv), style.TEXT_BOLD),
            bob.value(message, site("ConditionsMessage_RBV"), style.TINY, text=True, wrap=True),
        )
    _remark(site, display, below, "Comment", 104)


def _remark(site: Site, display: Display, box: Box, name: str, caption: int) -> None:
    label, entry = Box(box.x, box.y, caption, box.height), Box(box.x + caption, box.y, box.width - caption, box.height)
    display.add(bob.label(label, name, style.TEXT, style.FAINT), control(site, entry, site.info(name), style.SMALL))


def _presets(site: Site, display: Display, box: Box) -> None:
    inside = panel(display, box, "Preset and progress")
    rows = inside.rows(34, 6)
    setting(site, display, next(rows), "End the run by", "PresetMode", (34, 38, 28))
    for caption, name in PRESET_SETPOINTS.items():
        setting(site, display, next(rows), caption, name, (34, 38, 28))
    caption, progress, number = next(rows).columns(34, 38, 28)
    display.add(
        bob.label(caption, "Progress", style.TEXT, style.FAINT),
        bob.value(number, site("Progress_RBV")),
        bob.bar(progress, site("Progress_RBV"), color=style.ACTIVE),
    )
    caption, real, live = next(rows).columns(28, 36, 36)
    display.add(
        bob.label(caption, "Real, live time", style.TEXT, style.FAINT),
        bob.value(real, site("ElapsedRealText_RBV"), style.TEXT_BOLD),
        bob.value(live, site("ElapsedLiveText_RBV")),
    )
    caption, left = next(rows).columns(34, 66)
    remaining = bob.value(left, site("TimeRemainingText_RBV"), style.TEXT_BOLD)
    display.add(
        bob.label(caption, "Remaining", style.TEXT, style.FAINT),
        bob.shown_while(remaining, "pv0 > 0", site("PresetMode_RBV")),
    )
    caption, dirty, waiting = next(rows).columns(34, 14, 52)
    display.add(
        bob.label(caption, "Settings wait", style.TEXT, style.FAINT, tip=site.info("ConfigDirty_RBV").doc),
        bob.lamp(dirty, site("ConfigDirty_RBV"), [("No", style.CALM), ("Yes", style.WAITS)], style.TEXT),
        bob.value(waiting, site("ConfigWaiting_RBV"), style.TINY, text=True, wrap=True),
    )


def _files(site: Site, display: Display, box: Box) -> None:
    inside = panel(display, box, "File")
    rows = inside.rows(34, 6)
    setting(site, display, next(rows), "Save raw data", "AutoSave", (26, 40, 34))
    caption, entry = next(rows).columns(22, 78)
    display.add(
        bob.label(caption, "Folder", style.TEXT, style.FAINT), control(site, entry, site.info("FilePath"), style.SMALL)
    )
    caption, used, there = next(rows).columns(22, 56, 22)
    states = list(zip(("no folder", "exists"), (style.MAJOR, style.CALM), strict=True))
    display.add(
        bob.label(caption, "in use", style.TEXT, style.FAINT),
        in_use(site, used, site.info("FilePath"), style.TINY, wrap=True),
        bob.lamp(there, site("FilePathExists_RBV"), states, style.SMALL),
    )
    for caption, name in _FILE_SETTINGS:
        setting(site, display, next(rows), caption, name, (22, 42, 36))
    caption, last = next(rows).columns(18, 82)
    display.add(
        bob.label(caption, "Last file", style.TEXT, style.FAINT),
        bob.value(last, site("FullFileName_RBV"), style.TINY, text=True, wrap=True),
    )
    caption, written, per_second = next(rows).columns(22, 42, 36)
    display.add(
        bob.label(caption, "Written", style.TEXT, style.FAINT),
        bob.value(written, site("BytesWrittenText_RBV"), style.TEXT_BOLD),
        bob.value(per_second, site("WriteRate_RBV")),
    )
    caption, status, message = next(rows).columns(22, 24, 54)
    display.add(
        bob.label(caption, "Writing", style.TEXT, style.FAINT),
        bob.lamp(status, site("WriteStatus_RBV"), states_of(site.info("WriteStatus_RBV")), style.SMALL),
        bob.value(message, site("WriteMessage_RBV"), style.TINY, text=True, wrap=True),
    )
    caption, free, left = next(rows).columns(22, 42, 36)
    display.add(
        bob.label(caption, "Disk left", style.TEXT, style.FAINT),
        bob.value(free, site("DiskFreeText_RBV"), style.TEXT_BOLD),
        bob.shown_while(bob.value(left, site("DiskTimeLeftText_RBV")), "pv0 > 0", site("DiskTimeLeft_RBV")),
    )


def _rates(site: Site, display: Display, box: Box) -> None:
    """How fast events come, now and in the last ten minutes."""
    inside = panel(display, box, "Rates")
    rows = inside.rows(34, 6)
    source, last = site.description.tasks[0].name, last_with_events(site)
    reading(display, next(rows), "Events", site("EventRate_RBV"), 0.34, style.LARGE_BOLD, per_second=True)
    counted = "Events_RBV" if f"{last}:Events_RBV" in site else "Counter_RBV"
    reading(display, next(rows), "In this run", site(f"{last}:{counted}"), 0.34, style.HEADING)
    one, dead, other, data = next(rows).columns(34, 22, 12, 32)
    display.add(
        bob.label(one, "Dead time", style.TEXT, style.FAINT),
        bob.value(dead, site("DeadTime_RBV"), style.TEXT_BOLD),
        bob.label(other, "Data", style.TEXT, style.FAINT, bob.RIGHT),
        bob.value(data, site(f"{source}:ByteRate_RBV"), style.TEXT_BOLD, precision=1),
    )
    chart = _below(inside, 3 * 40)
    kept = site.info("RateHistory_RBV").length
    time = Axis("seconds before now", (-kept, 0), auto="false")
    events = Axis("events/s", (0, 10), auto="false")
    display.add(
        bob.plot(
            chart, site("RateHistory_RBV"), time, events, x_pv=site("RateHistoryTime_RBV"),
            top_pv=site("RateHistoryMax_RBV"),
        )
    )  # fmt: skip


def last_with_events(site: Site) -> str:
    """The last task that knows events, or the last at all."""
    graph = site.description.graph
    names = [*(task for task in graph.tasks if task not in graph.chain), *graph.chain]  # those of the chain count most
    return next((name for name in reversed(names) if f"{name}:Events_RBV" in site), names[-1])


def _error(site: Site, display: Display, box: Box) -> None:
    """The error that others may have followed from, to be acknowledged."""
    inside = panel(display, box, "Error: the first, from which others may follow")
    top, below = Box(inside.x, inside.y, inside.width, 36), _below(inside, 42)
    lamp, task, when, more, button = top.columns(14, 23, 33, 11, 19)
    display.add(
        bob.lamp(lamp, site("ErrorLatched_RBV"), states_of(site.info("ErrorLatched_RBV")), style.TEXT_BOLD),
        bob.value(task, site("ErrorFirst_RBV"), style.TEXT_BOLD, text=True),
        bob.value(when, site("ErrorFirstTime_RBV"), style.SMALL, text=True),
        bob.opener(more, "Log", "alarms.bob", None, style.SMALL_BOLD),
        bob.command(button, "Acknowledge", site("ErrorAck"), style.SMALL_BOLD),
        bob.value(below, site("ErrorFirstMessage_RBV"), style.SMALL, text=True, wrap=True),
    )


def _below(box: Box, used: int) -> Box:
    return Box(box.x, box.y + used, box.width, box.height - used)
