"""The Rates screen: a map of the crate, a row a module and a column a channel."""

from __future__ import annotations

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Axis, Box, Display
from pixieioc.export.screens.layout import GAP, Site, screen

#: What each channel shows: caption, unit, and the name behind the channel's.
_SHOWN = (("in", "1/s", "InputCountRate_RBV"), ("out", "1/s", "OutputCountRate_RBV"), ("dead", "%", "DeadTime_RBV"))
_CAPTION = 92
#: Rows that are high enough for a chart below the numbers.
_WITH_CHART = 220
_MOST_IN_A_ROW = 16


def rates_screens(site: Site) -> dict[str, str]:
    """The files' texts: the screen, and the row of one module."""
    display, room = screen(site, "Rates", "rates.bob")
    height = min(420, (room.height + GAP) // site.modules - GAP)
    row = Box(0, 0, room.width, height)
    modules = [{"M": f"{i:02d}"} for i in range(site.modules)]
    total = site.modules * (height + GAP)
    display.add(bob.copies(Box(room.x, room.y, room.width, total), "rates_module.bob", modules, 1, GAP))
    return {"rates.bob": display.text(), "rates_module.bob": _module(site, row)}


def _module(site: Site, box: Box) -> str:
    display = Display("Rates, one module", box.width, box.height)
    display.add(bob.rectangle(box))
    shown = [(caption, unit, name) for caption, unit, name in _SHOWN if site.has_channel(name)]
    chart = box.height >= _WITH_CHART
    numbers = Box(8, 6, box.width - 16, (40 + len(shown) * 40) if chart else box.height - 10)
    rows = 1 + len(shown)
    step = numbers.height // rows
    title = Box(numbers.x, numbers.y, _CAPTION, step)
    display.add(bob.label(title, "M $(M=00)", style.TEXT_BOLD if chart else style.SMALL_BOLD))
    small = step < 26
    for i, (caption, unit, _) in enumerate(shown, 1):
        place = Box(numbers.x, numbers.y + i * step, _CAPTION, step)
        display.add(bob.label(place, f"{caption}  {unit}", style.SMALL, style.FAINT))
    channels = site.channels("OutputCountRate_RBV")
    cells = Box(numbers.x + _CAPTION, numbers.y, numbers.width - _CAPTION, numbers.height).grid(channels, 1, 4)
    for number, cell in enumerate(cells):
        text = f"{number:02d}"
        head = Box(cell.x, cell.y, cell.width, step - 2)
        display.add(bob.opener(head, text, "spectra.bob", {"M": "$(M=00)", "C": text}, style.SMALL_BOLD))
        for i, (_, _, name) in enumerate(shown, 1):
            place = Box(cell.x, cell.y + i * step, cell.width, step - 2)
            pv = f"{site.prefix}M$(M=00):C{text}:{name}"
            site.info(f"M00:C{text}:{name}")
            font = style.SMALL_BOLD if small or channels > 8 else style.LARGE_BOLD
            digits = 1 if name == "DeadTime_RBV" else 0
            display.add(bob.value(place, pv, font, bob.CENTER, units=False, precision=digits))
    if chart:
        top = numbers.y + numbers.height + GAP
        places = Box(8, top, box.width - 16, box.height - top - 8).columns(*[1] * len(shown))
        for place, (caption, unit, name) in zip(places, shown, strict=True):
            array = name.replace("Rate_RBV", "Rates_RBV").replace("Time_RBV", "Times_RBV")
            limits = (0.0, 100.0) if unit == "%" else None
            display.add(
                bob.plot(
                    place,
                    site.module(array),
                    Axis("channel"),
                    Axis(f"{caption} [{unit}]", limits),
                    kind=5,
                    color=style.BAR,
                )
            )
    return display.text()
