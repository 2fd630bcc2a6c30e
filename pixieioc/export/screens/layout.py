"""What all screens have in common: their size, the header with the navigation, panels, rows of readings."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Adds, Box, Display
from pixieioc.export.screens.style import Color, Font
from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.model import SEVERITIES, PvInfo

#: As much of 1600 x 1000 pixels as a window leaves without scroll bars.
WIDTH, HEIGHT = 1596, 996
HEADER_HEIGHT, MARGIN, GAP = 64, 12, 8
#: The unit of rates, which would read as "12 1/s" behind a number.
PER_SECOND = "1/s"
#: Colours of what the run or a task is doing; severities of the process variable come first.
_DOING: dict[str, Color] = {
    "Acquire": style.ACTIVE, "RUNNING": style.ACTIVE, "Acquiring": style.ACTIVE,
    "Readout": style.PASSING, "Correct": style.PASSING, "Saving": style.PASSING, "Initializing": style.PASSING,
    "DYING": style.PASSING, "Busy": style.PASSING, "Refused": style.NOTE,
}  # fmt: skip


@dataclass(frozen=True)
class Site:
    """The process variables of an IOC as screens name them: with the prefix as a macro.

    `owner` is the task whose channels a screen shows, where these stand behind its name. `protocol` is said before
    each name, as `pva://`; without it Phoebus takes its own default.
    """

    description: Description
    owner: str = ""
    protocol: str = ""

    @property
    def prefix(self) -> str:
        """The macro; a screen that is opened without it is for the IOC that it was made from."""
        return f"$(P={self.description.prefix})"

    @property
    def start(self) -> str:
        """What all names on a screen begin with."""
        return self.protocol + self.prefix

    def __contains__(self, name: str) -> bool:
        return name in self.description.pvs

    def __call__(self, name: str) -> str:
        """The name on a screen; KeyError if the IOC has no such process variable."""
        return self.of(self.info(name))

    def info(self, name: str) -> PvInfo:
        """What the process variable is; KeyError if the IOC has none."""
        return self.description.pvs[name]

    @property
    def before(self) -> str:
        """What stands before the names of channels."""
        return f"{self.owner}:" if self.owner else ""

    def channel(self, what: str) -> str:
        """That of the channel which the macros M and C name: `what` is the part that all channels have."""
        self.info(f"{self.before}M00:C00:{what}")
        return f"{self.start}{self.before}M$(M=00):C$(C=00):{what}"

    def has_channel(self, what: str) -> bool:
        """Whether channels have this."""
        return f"{self.before}M00:C00:{what}" in self

    def of(self, pv: PvInfo) -> str:
        """The name of a process variable on a screen."""
        return self.start + pv.name

    def channels(self, what: str) -> list[tuple[str, str]]:
        """Module and channel, in two digits each, of all that have this."""
        return [(f"{module:02d}", f"{channel:02d}") for module, channel in self.description.channels(what, self.owner)]

    @property
    def screens(self) -> list[tuple[str, str, dict[str, str]]]:
        """Screens that can be gone to from everywhere: title, file, and macros.

        The channel that is looked at stays the same, unless not all channels have both, a spectrum and a trace.
        """
        every = Site(self.description)
        found: list[tuple[str, str, dict[str, str]]] = [("Run", "run.bob", {}), ("Pipeline", "pipeline.bob", {})]
        same = every.channels("Spectrum_RBV") == every.channels("Trace_RBV")
        for title, what in (("Spectra", "Spectrum_RBV"), ("Traces", "Trace_RBV")):
            if every.has_channel(what):
                found.append((title, f"{title.lower()}.bob", {} if same else {"M": "00", "C": "00"}))
        if every.has_channel("OutputCountRate_RBV"):
            found.append(("Rates", "rates.bob", {}))
        if every.has_channel("TRIGGER_THRESHOLD"):
            found.append(("Modules", "modules.bob", {"M": "00"}))
        if every.has_channel("AdcTrace_RBV"):
            found.append(("Scope", "scope.bob", {"M": "00", "C": "00"}))
        return [*found, ("Expert", "expert.bob", {}), ("Alarms", "alarms.bob", {})]


def states_of(pv: PvInfo) -> list[tuple[str, Color]]:
    """Labels of an enum with the colours of their severities, or of what is being done."""
    severities = pv.severities or ("NO_ALARM",) * len(pv.labels)
    return [
        (label, _DOING.get(label, style.CALM) if severity == "NO_ALARM" else style.SEVERITY[severity])
        for label, severity in zip(pv.labels, severities, strict=True)
    ]


def screen(site: Site, title: str, file: str, height: int = HEIGHT) -> tuple[Display, Box]:
    """A screen with its header: where one is, where one can go, the state of the run, the worst alarm, which IOC.

    Also returns the room for what it shows.
    """
    display = Display(f"{title} {site.prefix}", WIDTH, height)
    display.add(
        bob.rectangle(Box(0, 0, WIDTH, HEADER_HEIGHT), style.HEADER, style.HEADER, 0, "header"),
        bob.label(Box(16, 8, 258, 48), title, style.TITLE, style.WHITE),
    )
    x, pitch = 278, min(114, (1082 - 278) // len(site.screens))
    for name, target, macros in site.screens:
        here = target == file
        colors = (style.INK, style.WHITE) if here else (style.WHITE, style.HEADER_BUTTON)
        display.add(bob.opener(Box(x, 11, pitch - 6, 42), name, target, macros, style.TEXT_BOLD, *colors))
        x += pitch
    severities = [(s.replace("NO_ALARM", "no alarm"), style.SEVERITY[s]) for s in SEVERITIES]
    display.add(
        bob.lamp(
            Box(1088, 11, 160, 42),
            site("DetectorState_RBV"),
            states_of(site.info("DetectorState_RBV")),
            unknown="No IOC",
        ),
        bob.lamp(Box(1258, 11, 130, 42), site("SumSevr_RBV"), severities),
        bob.opener(Box(1258, 11, 130, 42), "", "alarms.bob", background=None),
        bob.label(Box(1396, 8, 192, 48), site.prefix, style.HEADING, style.WHITE, bob.RIGHT),
    )
    top = HEADER_HEIGHT + MARGIN
    return display, Box(MARGIN, top, WIDTH - 2 * MARGIN, height - top - MARGIN)


def columns_for(count: int, box: Box, shape: float) -> int:
    """Into how many columns a box is best divided for cells with width / height near `shape`, and few empty ones."""

    def off(columns: int) -> float:
        rows = -(-count // columns)
        return abs(math.log(box.width / columns / (box.height / rows) / shape)) + 2 * (rows * columns - count) / count

    return min(range(1, count + 1), key=off)


def panel(display: Display, box: Box, heading: str) -> Box:
    """An area with a heading; returns the room in it."""
    display.add(
        bob.rectangle(box, name=f"panel {heading}"),
        bob.label(Box(box.x + 12, box.y + 6, box.width - 24, 28), heading, style.HEADING, style.FAINT),
    )
    return box.inner(12, 40)


def reading(
    display: Adds, box: Box, caption: str, pv: str, share: float = 0.42, font: Font = style.TEXT, *,
    text: bool = False, precision: int = -1, tip: str = "", per_second: bool = False,
) -> None:  # fmt: skip
    """A caption and, to the right of it, a value."""
    left, right = box.columns(share, 1 - share)
    display.add(bob.label(left, caption, style.TEXT, style.FAINT, tip=tip))
    if per_second:
        rate(display, right, pv, font, share=0.6)
    else:
        display.add(bob.value(right, pv, font, text=text, precision=precision))


def rate(
    display: Adds, box: Box, pv: str, font: Font = style.TEXT, background: Color | None = style.READ, *,
    share: float = 1.0,
) -> None:  # fmt: skip
    """A number of something a second: "12 /s"; `share` is the part of the box in which it ends."""
    unit = round(box.width * (1 - share) + 1.5 * font.size * share)
    number = Box(box.x, box.y, box.width - unit, box.height)
    display.add(
        bob.value(number, pv, font, bob.RIGHT, units=False, precision=0, background=background),
        bob.label(Box(number.x + number.width, box.y, unit, box.height), " /s", font, background=background),
    )


def setting(
    site: Site, display: Display, box: Box, caption: str, name: str, shares: Sequence[float] = (42, 32, 26)
) -> None:
    """A caption, what can be written, and what is in use."""
    info = site.info(name)
    left, middle, right = box.columns(*shares)
    display.add(bob.label(left, caption, style.TEXT, style.FAINT, tip=info.doc), control(site, middle, info))
    display.add(in_use(site, right, info))


def control(site: Site, box: Box, info: PvInfo, font: Font = style.TEXT) -> ET.Element:
    """What fits the kind of a setpoint: a choice, a field for text, one for a number.

    It shows when what was typed was refused, and when nothing can be typed because a run is in progress.
    """
    return control_of(site, box, info, site.of(info), bob.literal(info.name), font)


def control_of(
    site: Site, box: Box, info: PvInfo, pv: str, written: str, font: Font = style.TEXT, *, mark: str = "",
    units: bool = True,
) -> ET.Element:  # fmt: skip
    """The same for a setpoint `pv` like `info`; `written` is the expression of its name without prefix.

    `mark` is the readback, if it is to be shown here that the value is not the one in use.
    """
    units = units and info.unit != PER_SECOND
    widget = bob.choice(box, pv, font) if info.is_enum else bob.entry(box, pv, font, text=info.is_text, units=units)
    names = [site("CmdStatus_RBV"), site("CmdPv_RBV"), site("ConfigLocked_RBV"), *([pv, mark] if mark else [])]
    refused = site.info("CmdStatus_RBV").labels.index("Refused")
    cases: list[tuple[str, bob.Value]] = [(f"pv0 == {refused} && pvStr1 == {written}", style.NOTE)]
    if mark:
        cases.append((_differ(info, 3, 4), style.WAITS))
    if info.locked_in_run:
        cases.append(("pv2 == 1", style.LOCKED))
        bob.ruled(widget, bob.rule("locked", "enabled", [site("ConfigLocked_RBV")], [("pv0 == 1", False)]))
    return bob.ruled(widget, bob.rule("refused or locked", "background_color", names, cases))


def in_use(site: Site, box: Box, info: PvInfo, font: Font = style.TEXT, *, wrap: bool = False) -> ET.Element:
    """The readback of a setpoint, marked while something else was written; KeyError if it has none."""
    of_it = site.description.readback_of(info)
    if of_it is None:
        raise KeyError(f"{info.name} has no readback")
    setpoint, readback = site.of(info), site.of(of_it)
    widget = bob.value(box, readback, font, text=info.is_text, wrap=wrap, units=info.unit != PER_SECOND)
    cases = [(_differ(info, 0, 1), style.WAITS)]
    return bob.ruled(widget, bob.rule("other than written", "background_color", [setpoint, readback], cases))


def _differ(info: PvInfo, one: int, other: int) -> str:
    """The expression for two process variables of a rule, which are like `info`, having different values."""
    kind = "pvStr" if info.is_text or info.record.startswith("string") else "pv"
    return f"{kind}{one} != {kind}{other}"


def last_command(site: Site, display: Display, box: Box, font: Font = style.TEXT) -> None:
    """What became of the last command or value, and why."""
    inside = panel(display, box, "Last command or value")
    lamp, message = inside.columns(108, max(1, inside.width - 116))
    lamp = Box(lamp.x, lamp.y, lamp.width, min(lamp.height, 40))
    by = Box(box.x + 240, box.y + 7, box.width - 252, 26)
    display.add(
        bob.value(by, site("CmdUser_RBV"), style.SMALL, bob.RIGHT, text=True, background=None),
        bob.lamp(lamp, site("CmdStatus_RBV"), states_of(site.info("CmdStatus_RBV"))),
        bob.value(message, site("CmdMessage_RBV"), font, text=True, wrap=True),
    )
