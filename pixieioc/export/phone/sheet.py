"""What all screens for a phone have in common: one narrow column, with the way to the others at its top."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Box, Display
from pixieioc.export.screens.layout import Site, rate, states_of
from pixieioc.export.screens.style import Color, Font
from pixieioc.pvinfo.model import SEVERITIES

#: As much of 400 pixels as the margins of a web client's page leave.
WIDTH = 372
#: Height of a row, of what a finger hits, and of the parts of the head.
ROW, TOUCH = 26, 40
_GAP = 4
#: Height of a line of text, in sizes of its font.
_LINE = 1.2


class Sheet:
    """A screen in the making: what is added comes below what is there, and it becomes as high as it must be."""

    def __init__(self, site: Site, title: str, file: str) -> None:
        self.site = site
        self._title = f"{title} {site.prefix}"
        self._widgets: list[ET.Element] = []
        self._bottom = 0
        self._navigation(file)
        self._state()

    def text(self) -> str:
        """The file."""
        display = Display(self._title, WIDTH, self._bottom + 2 * _GAP, style.PANEL)
        display.add(*self._widgets)
        return display.text()

    def add(self, *widgets: ET.Element) -> None:
        """Adds widgets that are where they should be."""
        self._widgets += widgets

    def strip(self, height: int, gap: int = _GAP) -> Box:
        """The next area over the whole width."""
        box = Box(0, self._bottom + gap, WIDTH, height)
        self._bottom = box.y + height
        return box

    def heading(self, text: str) -> None:
        """A line, and below it what comes next."""
        line = self.strip(2, 10)
        self.add(bob.rectangle(line, style.RULE, style.RULE, 0, "rule"))
        self.add(bob.label(self.strip(ROW), text, style.SMALL_BOLD, style.FAINT))

    def reading(self, caption: str, name: str, font: Font = style.TEXT_BOLD, share: float = 0.4) -> None:
        """A caption, which has this share of the width, and what a process variable reads."""
        box = self.strip(max(ROW, round(font.size * 1.4)))
        left, right = box.columns(share, 1 - share)
        self.add(bob.label(left, caption, style.SMALL, style.FAINT))
        if self.site.info(name).unit == "1/s":
            self.rate(right, self.site(name), font)
        else:
            self.add(bob.value(right, self.site(name), font, text=self.site.info(name).is_text))

    def rate(self, box: Box, pv: str, font: Font = style.TEXT_BOLD) -> None:
        """A number of something a second."""
        rate(self, box, pv, font, share=0.75)

    def long_text(self, name: str, lines: int, font: Font = style.SMALL) -> None:
        """A text over the whole width that may have several lines."""
        box = self.strip(round(lines * font.size * _LINE) + 2)
        self.add(bob.value(box, self.site(name), font, text=True, wrap=True, background=None))

    def buttons(
        self, found: Sequence[tuple[str, str, Mapping[str, str]]], columns: int, here: str = "", caption: str = ""
    ) -> None:
        """Rows of buttons that open something: text, file, macros; the one with the text `here` is where one is."""
        if caption:
            self.add(bob.label(self.strip(ROW), caption, style.SMALL, style.FAINT))
        rows = -(-len(found) // columns)
        area = self.strip(rows * (TOUCH + _GAP) - _GAP)
        for cell, (text, file, macros) in zip(area.grid(columns, rows, _GAP), found, strict=False):
            colors = (style.WHITE, style.HEADER_BUTTON) if text == here else (style.INK, style.BUTTON)
            self.add(bob.opener(cell, text, file, macros, style.SMALL_BOLD, *colors))

    def _navigation(self, file: str) -> None:
        screens = [("Run", "run.bob"), ("Pipeline", "pipeline.bob")]
        if self.site.has_channel("Spectrum_RBV"):
            screens.append(("Spectra", "spectra.bob"))
        if self.site.has_channel("OutputCountRate_RBV"):
            screens.append(("Rates", "rates.bob"))
        screens.append(("Alarms", "alarms.bob"))
        head = self.strip(TOUCH + 2 * _GAP, 0)
        self.add(bob.rectangle(head, style.HEADER, style.HEADER, 0, "header"))
        inside = Box(_GAP, _GAP, WIDTH - 2 * _GAP, TOUCH)
        for cell, (text, target) in zip(inside.columns(*[1] * len(screens), gap=3), screens, strict=True):
            colors = (style.INK, style.WHITE) if target == file else (style.WHITE, style.HEADER_BUTTON)
            self.add(bob.opener(cell, text, target, None, style.SMALL_BOLD, *colors))

    def _state(self) -> None:
        """What the IOC does, how bad things are, which IOC this is, and what time it is there."""
        site = self.site
        state, severity = self.strip(44, 8).inner(4, 0).columns(60, 40)
        detector = site.info("DetectorState_RBV")
        self.add(*word(state, site.of(detector), states_of(detector), style.LARGE_BOLD, "No connection"))
        severities = [(each.replace("NO_ALARM", "no alarm"), style.SEVERITY[each]) for each in SEVERITIES]
        self.add(
            *word(severity, site("SumSevr_RBV"), severities, style.HEADING),
            bob.opener(severity, "", "alarms.bob", background=None),
        )
        prefix, time = self.strip(22).columns(40, 60)
        self.add(
            bob.label(prefix, site.prefix, style.SMALL_BOLD, style.FAINT),
            bob.value(time, site("IOC:TOD"), style.SMALL, bob.RIGHT, text=True, background=None),
        )


def word(box: Box, pv: str, states: Sequence[tuple[str, Color]], font: Font, unknown: str = "") -> list[ET.Element]:
    """The state of an enum in large letters on its colour, and `unknown` until it is known and after it was lost.

    A lamp has the colour: web clients write its own labels in one small size, so each state has a label of its own.
    """
    lamp = bob.lamp(box, pv, [("", color) for _, color in states], font, border=False, unknown="")
    height = round(font.size * _LINE)
    # What a rule has shown, web clients do not bring into the middle of a higher box.
    line = Box(box.x, box.y + (box.height - height) // 2, box.width, height)
    labels = [
        bob.shown_while(bob.label(line, text, font, align=bob.CENTER), f"pv0 == {i}", pv)
        for i, (text, _) in enumerate(states)
    ]
    lost = bob.hidden_while(bob.label(line, unknown, font, align=bob.CENTER), "pv0 >= 0", pv)
    return [lamp, *labels, *([lost] if unknown else [])]
