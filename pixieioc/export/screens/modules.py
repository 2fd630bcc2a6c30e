"""The screens by which a detector is set up: a module with all its channels, and one channel with all its settings."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import islice

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Box, Display
from pixieioc.export.screens.layout import (
    GAP,
    Site,
    control,
    control_of,
    last_command,
    panel,
    reading,
    screen,
    setting,
    states_of,
)
from pixieioc.export.screens.style import Font

FILE, CHANNEL_FILE, ROW_FILE = "modules.bob", "channel.bob", "modules_row.bob"
#: What shows that an IOC has modules that can be set up.
SIGN = "TRIGGER_THRESHOLD"
#: A row of the table of channels: heading, the setting, and its share of the width.
_COLUMNS = (
    ("good", "GoodChannel", 8), ("polarity", "Polarity", 11), ("gain", "Gain", 9),
    ("threshold", "TRIGGER_THRESHOLD", 9), ("trigger rise", "TRIGGER_RISETIME", 11),
    ("energy rise", "ENERGY_RISETIME", 11), ("flat top", "ENERGY_FLATTOP", 9), ("decay", "TAU", 8),
    ("offset", "VOFFSET", 8), ("trace", "CaptureTrace", 8), ("length", "TRACE_LENGTH", 9),
)  # fmt: skip
#: The panels of a channel, column by column: heading, what copies all of it, settings.
_PANELS: tuple[tuple[tuple[str, str, tuple[str, ...]], ...], ...] = (
    (
        ("Input", "CopyAnalog", ("GoodChannel", "Polarity", "Gain", "VOFFSET")),
        ("Trigger and energy", "CopyFilters", (
            "TRIGGER_RISETIME", "TRIGGER_FLATTOP", "TRIGGER_THRESHOLD", "ENERGY_RISETIME", "ENERGY_FLATTOP",
        )),
        ("Decay time", "CopyDecay", ("TAU",)),
        ("Baseline", "CopyBaseline", ("BASELINE_PERCENT", "BASELINE_AVERAGE", "BLCUT")),
        ("Histogram in the module", "CopyHistogram", ("CaptureHistogram", "EMIN", "BINFACTOR")),
    ),
    (
        ("Trace", "CopyTrace", ("CaptureTrace", "TRACE_LENGTH", "TRACE_DELAY", "SkipLargePulses")),
        ("CFD", "CopyCfd", ("EnableCFD", "CFDDelay", "CFDScale", "CFDThresh")),
        ("Sums", "CopyQdc", ("CaptureSums", "EnableQDC", *(f"QDCLen{i}" for i in range(8)))),
    ),
    (
        ("Which hits are recorded", "CopyCHANNEL_CSRA", (
            "RejectPileup", "RejectIfFull", "EnableVeto", "EnableModVal", "EnableChannelVal", "FastTrigSelect",
            "GroupTrigSignal", "ModValSignal", "ChanValSignal", "ChannelVetoSignal", "ModVetoSignal", "ExtTimestamps",
        )),
        ("Lengths of triggers", "CopyStretches", (
            "FASTTRIGBACKLEN", "ExtTrigStretch", "VetoStretch", "ChanTrigStretch",
        )),
        ("Delays", "CopyDelays", ("ExternDelayLen", "FtrigoutDelay", "RESET_DELAY")),
        ("Coincidences", "CopyMultiplicity", ("MultiplicityMaskL", "MultiplicityMaskH")),
    ),
)  # fmt: skip
_ROW, _GAP, _HEAD = 25, 3, 34
#: Rows of the settings of a module, which share their column with the crate and its files.
_LOW, _LOW_GAP = 23, 2


def modules_screens(site: Site) -> dict[str, str]:
    """The files' texts: a module, a row of its table, and a channel."""
    return {FILE: _module(site), ROW_FILE: _row(site), CHANNEL_FILE: _channel(site)}


# -- a module ---------------------------------------------------------------------------------------------------------


def _module(site: Site) -> str:
    display, room = screen(site, "Modules", FILE)
    room = choose_module(site, display, room)
    left, right = room.columns(68, 32)
    inside = panel(display, left, "Module $(M=00): channels")
    cells = _cells(Box(inside.x, inside.y, inside.width, 24))
    for cell, (heading, name, _) in zip(cells[1:], _COLUMNS, strict=True):
        unit = site.info(f"M00:C00:{name}").unit
        shown = f"{heading}, {unit}" if unit and len(unit) < 3 else heading
        display.add(bob.label(cell, shown, style.TINY, style.FAINT, tip=site.info(f"M00:C00:{name}").doc))
    channels = [channel for module, channel in site.channels(SIGN) if module == "00"]
    step = _row_height(site)
    table = Box(inside.x, inside.y + 28, inside.width, len(channels) * step)
    display.add(bob.copies(table, ROW_FILE, [{"C": channel} for channel in channels], 1, 2))
    changed = Box(inside.x, table.y + table.height + 2, inside.width, 24)
    display.add(bob.value(changed, site("SettingsChanges_RBV"), style.TINY, text=True, background=None))
    names = _of_module(site)
    top = Box(right.x, right.y, right.width, 46 + len(names) * (_LOW + _LOW_GAP))
    inside = panel(display, top, "Module $(M=00)")
    for row, name in zip(inside.rows(_LOW, _LOW_GAP), names, strict=False):
        show_setting(site, display, row, name, f"{site.start}M$(M=00):{name}", f"M$(M=00):{name}", f"M00:{name}")
    below = Box(right.x, top.y + top.height + GAP, right.width, right.height - top.height - GAP)
    crate = Box(below.x, below.y, below.width, 78)
    _crate(site, display, crate)
    files = Box(below.x, crate.y + crate.height + GAP, below.width, 154)
    _files(site, display, files)
    command = Box(
        below.x, files.y + files.height + GAP, below.width, room.y + room.height - files.y - files.height - GAP
    )
    last_command(site, display, command, style.SMALL)
    return display.text()


def _row_height(site: Site) -> int:
    count = sum(1 for module, _ in site.channels(SIGN) if module == "00")
    return 48 if count <= 16 else 24


def _row(site: Site) -> str:
    """One channel in the table of its module; its number opens all its settings."""
    _, room = screen(site, "Modules", FILE)
    inside = room.columns(68, 32)[0].inner(12, 40)
    height = _row_height(site) - 2
    display = Display("One channel of a module", inside.width, height, style.PANEL)
    cells = _cells(Box(0, 0, inside.width, height))
    macros = {"M": "$(M=00)", "C": "$(C=00)"}
    display.add(bob.opener(cells[0], "$(C=00)", CHANNEL_FILE, macros, style.TEXT_BOLD))
    for cell, (_, name, _) in zip(cells[1:], _COLUMNS, strict=True):
        display.add(_cell(site, cell, name, style.SMALL if height > 30 else style.TINY))
    return display.text()


def _cells(box: Box) -> list[Box]:
    return box.columns(5, *(share for _, _, share in _COLUMNS), gap=4)


def _cell(site: Site, box: Box, name: str, font: Font) -> ET.Element:
    """A setting of the channel that the macros name; it is marked while it is not what the module has."""
    info = site.info(f"M00:C00:{name}")
    written = bob.literal(f"M$(M=00):C$(C=00):{name}")
    return control_of(site, box, info, site.channel(name), written, font, mark=site.channel(f"{name}_RBV"), units=False)


def choose_module(site: Site, display: Display, room: Box, file: str = FILE) -> Box:
    """Buttons for the modules, if there are several; returns the room below them."""
    modules = sorted({module for module, _ in site.channels(SIGN)})
    if len(modules) == 1:
        return room
    label, *areas = Box(room.x, room.y, room.width, 36).columns(8, *[7] * max(13, len(modules)))
    display.add(bob.label(label, "Module", style.TEXT, style.FAINT))
    for module, area in zip(modules, areas, strict=False):
        display.add(bob.opener(area, module, file, {"M": module}))
    return Box(room.x, room.y + 36 + GAP, room.width, room.height - 36 - GAP)


def _of_module(site: Site) -> list[str]:
    """The names of what can be set of a module as a whole."""
    of_channels = site.description.of_section("channel")
    return [pv.own_name for pv in of_channels if pv.role == "setpoint" and pv.source.index == (0,) and not pv.owner]


# -- a channel --------------------------------------------------------------------------------------------------------


def _channel(site: Site) -> str:
    display, room = screen(site, "Channel", CHANNEL_FILE)
    head = Box(room.x, room.y, room.width, 36)
    back, label, *areas = head.columns(
        14, 24, *[60 / len(channels_of_a_module(site))] * len(channels_of_a_module(site)), gap=4
    )
    display.add(
        bob.opener(back, "Module $(M=00)", FILE, {"M": "$(M=00)"}, style.TEXT_BOLD),
        bob.label(label, "Module $(M=00)  channel $(C=00)", style.HEADING, align=bob.CENTER),
    )
    for channel, area in zip(channels_of_a_module(site), areas, strict=False):
        display.add(bob.opener(area, channel, CHANNEL_FILE, {"M": "$(M=00)", "C": channel}))
    below = 158
    middle = Box(room.x, room.y + 36 + GAP, room.width, room.height - 36 - below - 2 * GAP)
    for column, panels in zip(middle.columns(1, 1, 1), _PANELS, strict=True):
        _panels(site, display, column, panels)
    bottom = Box(room.x, room.y + room.height - below, room.width, below)
    copy, files, command = bottom.columns(30, 36, 34)
    _copy(site, display, copy)
    _files(site, display, files)
    last_command(site, display, command, style.SMALL)
    return display.text()


def channels_of_a_module(site: Site) -> list[str]:
    """The channels of module 0, in two digits each."""
    return [channel for module, channel in site.channels(SIGN) if module == "00"]


def _panels(site: Site, display: Display, column: Box, panels: Sequence[tuple[str, str, tuple[str, ...]]]) -> None:
    """Panels below each other, each as high as its settings need."""
    rows = sum(len(names) for _, _, names in panels)
    step = min(32, (column.height - len(panels) * (_HEAD + 14)) // rows)
    y = column.y
    for heading, copies, names in panels:
        height = _HEAD + 8 + len(names) * step
        box = Box(column.x, y, column.width, height)
        display.add(
            bob.rectangle(box, name=f"panel {heading}"),
            bob.label(Box(box.x + 12, box.y + 3, box.width - 120, 28), heading, style.TEXT_BOLD, style.FAINT),
        )
        if copies in site:
            button = Box(box.x + box.width - 96, box.y + 4, 86, 26)
            asked = f"{site.info(copies).doc.rstrip('.')}?"
            display.add(bob.command(button, "copy", site(copies), style.SMALL_BOLD, confirm=asked))
        inside = Box(box.x + 10, box.y + _HEAD, box.width - 20, height - _HEAD)
        for row, name in zip(islice(inside.rows(step - _GAP, _GAP), len(names)), names, strict=True):
            written = f"M$(M=00):C$(C=00):{name}"
            show_setting(site, display, row, name, site.channel(name), written, f"M00:C00:{name}")
        y += height + 6


def show_setting(site: Site, display: Display, row: Box, name: str, pv: str, written: str, example: str) -> None:
    """A setting's name, what can be written, and what the module has."""
    info = site.info(example)
    label, entry, used = row.columns(44, 30, 26, gap=6)
    font = style.SMALL if row.height > 25 else style.TINY
    readback = bob.value(used, f"{pv}_RBV", font)
    cases: list[tuple[str, bob.Value]] = [("pv0 != pv1", style.WAITS)]
    display.add(
        bob.label(label, name, font, tip=info.doc),
        control_of(site, entry, info, pv, bob.literal(written), font),
        bob.ruled(readback, bob.rule("other than written", "background_color", [pv, f"{pv}_RBV"], cases)),
    )


def _copy(site: Site, display: Display, box: Box) -> None:
    inside = panel(display, box, "Copy to other channels")
    rows = inside.rows(30, 6)
    for caption, name in (("from", "CopyFrom"), ("to", "CopyTo")):
        left, right = next(rows).columns(16, 84)
        display.add(
            bob.label(left, caption, style.TEXT, style.FAINT, tip=site.info(name).doc),
            control(site, right, site.info(name)),
        )
    asked = "Copy all settings of the channel CopyFrom to the channels CopyTo?"
    display.add(bob.command(next(rows), "Copy all settings", site("CopyAllSettings"), style.SMALL_BOLD, confirm=asked))


def _crate(site: Site, display: Display, box: Box) -> None:
    """Whether the modules have booted, and the command that boots them; what was lost in the run."""
    inside = panel(display, box, "Crate")
    boot, state, progress, lost = next(inside.rows(30, 6)).columns(22, 22, 24, 32)
    again = "Boot the modules? They take no data meanwhile."
    display.add(
        bob.command(boot, "Boot", site("Boot"), confirm=again),
        bob.lamp(state, site("BootState_RBV"), states_of(site.info("BootState_RBV")), style.SMALL_BOLD),
    )
    display.add(bob.value(progress, site("BootProgress_RBV"), style.SMALL))
    reading(display, lost, "lost", site("Lost_RBV"), 0.4, style.SMALL, tip=site.info("Lost_RBV").doc)


def _files(site: Site, display: Display, box: Box) -> None:
    """The file of settings: which, its comment, load and save, and whether something was changed since or lost."""
    inside = panel(display, box, "File of settings")
    rows = inside.rows(30, 6)
    for caption, name in (("file", "SettingsFile"), ("comment", "SettingsComment")):
        left, middle = next(rows).columns(20, 80)
        info = site.info(name)
        display.add(
            bob.label(left, caption, style.TEXT, style.FAINT, tip=info.doc),
            control(site, middle, site.info(name), style.SMALL),
        )
    load, save, changed, lost = next(rows).columns(20, 20, 32, 28)
    states = [("as in the file", style.CALM), ("changed since", style.NOTE)]
    kept = [("all kept", style.CALM), ("lost at the boot", style.MINOR)]
    display.add(
        bob.command(load, "Load", site("LoadSettings"), confirm="Load the file? What was changed is given up."),
        bob.command(save, "Save", site("SaveSettings"), confirm="Save the settings in this file? It is replaced."),
        bob.lamp(changed, site("SettingsChanged_RBV"), states, style.SMALL_BOLD),
        bob.lamp(lost, site("SettingsLost_RBV"), kept, style.SMALL_BOLD),
    )


__all__ = [
    "CHANNEL_FILE", "FILE", "SIGN", "channels_of_a_module", "choose_module", "modules_screens", "setting",
    "show_setting",
]  # fmt: skip
