"""Colours and fonts of all screens: the one table that they are taken from.

Severities have Phoebus' named colours, so that borders, lamps and arrows agree, also where a site has its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pixieioc.pvinfo.model import Severity


@dataclass(frozen=True)
class Color:
    """Red, green, blue (0 to 255); `name` is that of a colour which a site may define itself."""

    red: int
    green: int
    blue: int
    name: str = ""


@dataclass(frozen=True)
class Font:
    """`size` is in pixels."""

    size: int
    bold: bool = False
    family: str = "Liberation Sans"


#: Horizontal and vertical alignment, as Phoebus counts them.
LEFT, CENTER, RIGHT = 0, 1, 2
MIDDLE = 1
#: Its format for arrays of characters, which are texts.
STRING = 6

MINOR = Color(255, 128, 0, "MINOR")
MAJOR = Color(255, 0, 0, "MAJOR")
INVALID = Color(255, 0, 255, "INVALID")

INK = Color(25, 30, 40)
FAINT = Color(95, 100, 112)
WHITE = Color(255, 255, 255)
PAPER = Color(232, 235, 239)
PANEL = Color(252, 252, 253)
RULE = Color(196, 201, 209)
HEADER = Color(45, 55, 72)
HEADER_BUTTON = Color(74, 88, 112)
READ = Color(240, 242, 245)
WRITE = Color(214, 234, 255)
BUTTON = Color(222, 226, 232)
#: Nothing goes on, and that is all right.
CALM = Color(208, 213, 221)
#: Something goes on, and that is all right.
ACTIVE = Color(120, 205, 130)
#: On its way from one to the other.
PASSING = Color(150, 195, 240)
#: Worth a look, and no alarm.
NOTE = Color(255, 232, 120)
#: What was written and is not in use yet.
WAITS = Color(255, 214, 150)
#: What cannot be written now.
LOCKED = Color(226, 228, 232)
GO = Color(0, 115, 40)
HALT = Color(170, 30, 20)
CURVE = Color(20, 80, 170)
BAR = Color(90, 140, 205)
CURSORS = (Color(190, 80, 0), Color(0, 125, 110), Color(140, 40, 150), Color(110, 100, 0))

SEVERITY: Mapping[Severity, Color] = {"NO_ALARM": CALM, "MINOR": MINOR, "MAJOR": MAJOR, "INVALID": INVALID}

HUGE = Font(54, bold=True)
TITLE = Font(26, bold=True)
LARGE = Font(26)
LARGE_BOLD = Font(26, bold=True)
HEADING = Font(20, bold=True)
TEXT = Font(18)
TEXT_BOLD = Font(18, bold=True)
SMALL = Font(16)
SMALL_BOLD = Font(16, bold=True)
FINE = Font(15)
TINY = Font(13)
TINY_BOLD = Font(15, bold=True)
FIXED = Font(15, family="Liberation Mono")
