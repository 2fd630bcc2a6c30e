"""The Scope screen: what the ADC of a channel sees, its baselines and histogram, and the tools that set it up."""

from __future__ import annotations

from collections.abc import Sequence

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Axis, Box, Display
from pixieioc.export.screens.layout import GAP, Site, last_command, panel, screen, setting
from pixieioc.export.screens.modules import channels_of_a_module, choose_module, show_setting

FILE = "scope.bob"
#: The panels of tools: heading; commands with the texts of their buttons, and what is asked first; settings.
_PANELS: tuple[tuple[str, tuple[tuple[str, str, str], ...], tuple[str, ...]], ...] = (
    ("ADC trace", (("AcquireTraces", "Acquire traces", ""),), ("XDT", "Polarity", "Gain")),
    (
        "Offset",
        (("AdjustOffsets", "Adjust offsets", "Replace VOFFSET of all good channels of SetupModule?"),),
        ("VOFFSET", "BASELINE_PERCENT"),
    ),
    (
        "Decay time",
        (("FindTau", "Find", ""), ("ApplyTau", "Apply", "Write the decay times that were found into TAU?")),
        ("TAU",),
    ),
    (
        "Baseline",
        (
            ("AcquireBaselines", "Acquire", ""),
            ("FindBaselineCut", "Find the cut", "Replace BLCUT in SetupModule and SetupChannel?"),
        ),
        ("BLCUT",),
    ),
    ("Histogram in the module", (("ReadHistograms", "Read", ""),), ("CaptureHistogram", "BINFACTOR")),
)
_ROW, _GAP, _HEAD = 28, 4, 34


def scope_screen(site: Site) -> dict[str, str]:
    """The file's text."""
    display, room = screen(site, "Scope", FILE)
    room = choose_module(site, display, room, FILE)
    channels = channels_of_a_module(site)
    label, *areas = Box(room.x, room.y, room.width, 36).columns(28, *[72 / len(channels)] * len(channels), gap=4)
    display.add(bob.label(label, "Module $(M=00)  channel $(C=00)", style.HEADING))
    for channel, area in zip(channels, areas, strict=True):
        display.add(bob.opener(area, channel, FILE, {"M": "$(M=00)", "C": channel}))
    left, right = Box(room.x, room.y + 36 + GAP, room.width, room.height - 36 - GAP).columns(67, 33)
    said = 92
    _plots(site, display, Box(left.x, left.y, left.width, left.height - said - GAP))
    last_command(site, display, Box(left.x, left.y + left.height - said, left.width, said), style.SMALL)
    _tools(site, display, right)
    return {FILE: display.text()}


def _plots(site: Site, display: Display, box: Box) -> None:
    """The ADC trace large, and below it baselines and histogram."""
    height = (box.height - GAP) * 58 // 100
    samples, unit = site.info("M00:C00:AdcTrace_RBV").length, site.info("M00:C00:AdcTraceTime_RBV").unit
    # Phoebus fails to scale an axis of times by itself as long as there are none.
    x = Axis(f"time, {unit}", (0, samples * 0.06), auto="false")
    trace = bob.plot(
        Box(box.x, box.y, box.width, height), site.channel("AdcTrace_RBV"), x, Axis("ADC units"),
        x_pv=site.channel("AdcTraceTime_RBV"), toolbar=True, step_pv=site.channel("XDT_RBV"), steps_shown=samples,
    )  # fmt: skip
    below = Box(box.x, box.y + height + GAP, box.width, box.height - height - GAP)
    left, right = below.columns(50, 50)
    display.add(
        trace,
        bob.plot(left, site.channel("Baselines_RBV"), Axis("number"), Axis("baseline"), toolbar=True),
        bob.plot(right, site.channel("Histogram_RBV"), Axis("bin"), Axis("events"), steps=True, toolbar=True),
    )


def _tools(site: Site, display: Display, box: Box) -> None:
    """Which modules and channels the tools work on, and the tools."""
    top = Box(box.x, box.y, box.width, 46 + 3 * 34)
    inside = panel(display, top, "What the tools work on (-1: all)")
    rows = inside.rows(28)
    for name in ("SetupModule", "SetupChannel"):
        setting(site, display, next(rows), name, name, (40, 34, 26))
    display.add(bob.value(next(rows), site("SetupProgress_RBV"), style.SMALL, text=True))
    y = top.y + top.height + 6
    for heading, commands, names in _PANELS:
        area = Box(box.x, y, box.width, _HEAD + 6 + (len(names) + _extra(heading)) * (_ROW + _GAP))
        _panel(site, display, area, heading, commands, names)
        y += area.height + 6


def _extra(heading: str) -> int:
    return heading in ("Decay time", "Histogram in the module")


def _panel(
    site: Site, display: Display, box: Box, heading: str, commands: Sequence[tuple[str, str, str]], names: Sequence[str]
) -> None:
    display.add(bob.rectangle(box, name=f"panel {heading}"))
    head, buttons = Box(box.x + 10, box.y + 4, box.width - 20, 27).columns(46, 54)
    display.add(bob.label(head, heading, style.TEXT_BOLD, style.FAINT))
    for area, (name, text, asked) in zip(buttons.columns(*[1] * len(commands), gap=6), commands, strict=True):
        display.add(bob.command(area, text, site(name), style.SMALL_BOLD, confirm=asked))
    rows = Box(box.x + 10, box.y + _HEAD, box.width - 20, box.height - _HEAD).rows(_ROW, _GAP)
    for name in names:
        written = f"M$(M=00):C$(C=00):{name}"
        show_setting(site, display, next(rows), name, site.channel(name), written, f"M00:C00:{name}")
    match heading:
        case "Decay time":
            caption, found = next(rows).columns(74, 26, gap=6)
            display.add(
                bob.label(caption, "found", style.SMALL, style.FAINT, tip=site.info("M00:C00:FoundTau_RBV").doc),
                bob.value(found, site.channel("FoundTau_RBV"), style.SMALL),
            )
        case "Histogram in the module":
            setting(site, display, next(rows), "every, in a run", "HistogramInterval", (44, 30, 26))
        case _:
            pass
