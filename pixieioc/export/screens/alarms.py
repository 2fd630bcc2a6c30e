"""The Alarms screen: what is in alarm now, what to do, and what happened before."""

from __future__ import annotations

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Box, Display
from pixieioc.export.screens.layout import GAP, Site, panel, screen
from pixieioc.export.screens.task import file_of
from pixieioc.pvinfo.model import SEVERITIES
from pixieioc.pvinfo.overview import ALARM_ROWS, ALARM_SCREENS

_ROW_HEIGHT = 66
_ROW_FILE = "alarm_row.bob"


def alarms_screens(site: Site) -> dict[str, str]:
    """The files' texts: the screen, and a row of its list."""
    display, room = screen(site, "Alarms", "alarms.bob")
    listed = Box(room.x, room.y, room.width, 46 + ALARM_ROWS * (_ROW_HEIGHT + GAP))
    inside = panel(display, listed, "In alarm now: causes first, then the worst")
    calm = bob.label(Box(inside.x, inside.y, inside.width, 40), "Nothing is in alarm.", style.HEADING)
    display.add(bob.shown_while(calm, "pv0 == 0", site("AlarmCount_RBV")))
    rows = [{"N": str(row + 1)} for row in range(ALARM_ROWS)]
    size = Box(inside.x, inside.y, inside.width, ALARM_ROWS * (_ROW_HEIGHT + GAP))
    display.add(bob.copies(size, _ROW_FILE, rows, 1, GAP))
    head = Box(listed.x + listed.width - 620, listed.y + 4, 608, 34)
    more, acknowledge = head.columns(60, 40)
    text = bob.label(more, f"more than {ALARM_ROWS}: mend these first", style.TEXT_BOLD, style.HALT, bob.RIGHT)
    display.add(
        bob.shown_while(text, f"pv0 > {ALARM_ROWS}", site("AlarmCount_RBV")),
        bob.command(acknowledge, "Acknowledge all errors", site("ErrorAck"), style.SMALL_BOLD),
    )
    top = listed.y + listed.height + GAP
    below = Box(room.x, top, room.width, room.y + room.height - top)
    inside = panel(display, below, "Runs and errors, the latest first")
    display.add(bob.log_text(inside, site("RunLog_RBV")))
    return {"alarms.bob": display.text(), _ROW_FILE: _row(site, Box(0, 0, inside.width, _ROW_HEIGHT))}


def _row(site: Site, box: Box) -> str:
    """One alarm: its severity, what it is, what to do, and a button that leads to its screen."""
    display = Display("One alarm", box.width, box.height, style.PANEL)
    lamp, texts, button = Box(0, 6, 110, 44), Box(122, 0, box.width - 300, box.height), Box(box.width - 160, 6, 160, 44)
    severity = _pv(site, "Severity_RBV")
    states = [(text.replace("NO_ALARM", ""), style.SEVERITY[text]) for text in SEVERITIES]
    display.add(bob.shown_while(bob.lamp(lamp, severity, states), "pv0 > 0", severity))
    text, guidance = Box(texts.x, 0, texts.width, 24), Box(texts.x, 25, texts.width, box.height - 25)
    display.add(
        bob.value(text, _pv(site, "Text_RBV"), style.TEXT_BOLD, text=True, background=None),
        bob.value(guidance, _pv(site, "Guidance_RBV"), style.SMALL, text=True, wrap=True, background=None),
    )
    number = _pv(site, "Screen_RBV")
    files = ["", "run.bob", "rates.bob" if site.has_channel("OutputCountRate_RBV") else "run.bob", "expert.bob"]
    names = [*ALARM_SCREENS, *(task.name for task in site.description.tasks)]
    files += [file_of(task) for task in site.description.tasks]
    for i, (name, file) in enumerate(zip(names, files, strict=True)):
        if file:
            opener = bob.opener(button, name, file, None, style.SMALL_BOLD)
            display.add(bob.shown_while(opener, f"pv0 == {i}", number))
    return display.text()


def _pv(site: Site, what: str) -> str:
    site.info(f"Alarm1:{what}")
    return f"{site.start}Alarm$(N=1):{what}"
