"""The Alarms screen of a phone: what is in alarm now, and what to do."""

from __future__ import annotations

from pixieioc.export.phone.sheet import ROW, Sheet
from pixieioc.export.screens import bob, style
from pixieioc.export.screens.layout import Site
from pixieioc.pvinfo.model import SEVERITIES
from pixieioc.pvinfo.overview import ALARM_ROWS


def alarms_sheet(site: Site) -> str:
    """The file's text."""
    sheet = Sheet(site, "Alarms", "alarms.bob")
    sheet.heading("In alarm now: causes first, then the worst")
    calm, more = sheet.strip(ROW).columns(50, 50)
    few = bob.label(calm, "Nothing is in alarm.", style.TEXT_BOLD)
    many = bob.label(more, f"more than {ALARM_ROWS}", style.TEXT_BOLD, style.HALT, bob.RIGHT)
    sheet.add(
        bob.shown_while(few, "pv0 == 0", site("AlarmCount_RBV")),
        bob.shown_while(many, f"pv0 > {ALARM_ROWS}", site("AlarmCount_RBV")),
    )
    for row in range(1, ALARM_ROWS + 1):
        _alarm(sheet, f"Alarm{row}")
    return sheet.text()


def _alarm(sheet: Sheet, name: str) -> None:
    """One row: how bad it is, what it is, what to do."""
    site = sheet.site
    severity = site(f"{name}:Severity_RBV")
    lamp = sheet.strip(20, 14).columns(34, 66)[0]
    # No lamp for what is not there: its colour would be that of calm.
    for i, text in enumerate(SEVERITIES):
        if text != "NO_ALARM":
            color = style.SEVERITY[text]
            label = bob.label(lamp, text, style.SMALL_BOLD, align=bob.CENTER, background=color)
            sheet.add(bob.shown_while(label, f"pv0 == {i}", severity))
    sheet.long_text(f"{name}:Text_RBV", 3, style.SMALL_BOLD)
    sheet.long_text(f"{name}:Guidance_RBV", 7, style.FINE)
