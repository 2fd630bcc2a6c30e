"""The Calibration screen: what is known of all channels of a module, to be read at a glance and written."""

from __future__ import annotations

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Box, Display
from pixieioc.export.screens.energies import SETTINGS, TABLE, known
from pixieioc.export.screens.layout import GAP, Site, last_command, screen

#: A row of a channel with a spectrum, and of one without.
_ROW, _PLAIN_ROW = "calibration_row.bob", "calibration_plain_row.bob"
#: Heights of the line of buttons and captions, of a row at most, and of the last command.
_LINE, _HIGHEST, _SAID = 40, 40, 92
#: Widths of channel, whether it has a calibration, and of what is known of it.
_SHARES = (6, 10, 19, 15, 13, 12, 13, 12)
_CALIBRATED = [("no", style.CALM), ("yes", style.ACTIVE)]


def has_calibration(site: Site) -> bool:
    """Whether channels can have a calibration."""
    return site.has_channel("CalGain")


def calibration_screens(site: Site) -> dict[str, str]:
    """The files' texts: the screen, and a row of it."""
    display, room = screen(site, "Calibration", TABLE)
    channels = site.channels("CalGain")
    modules = sorted({module for module, _ in channels})
    _head(site, display, Box(room.x, room.y, room.width, _LINE), modules)
    captions = Box(room.x, room.y + _LINE + GAP, room.width, 26)
    for area, caption in zip(captions.columns(*_SHARES), ("Channel", "Calibrated", *dict(SETTINGS)), strict=True):
        display.add(bob.label(area, caption, style.SMALL, style.FAINT))
    rows = _rows(site, channels)
    top = captions.y + captions.height
    area = Box(room.x, top, room.width, room.y + room.height - top - _SAID - GAP)
    height = min(_HIGHEST, area.height // sum(map(len, rows.values())) - 4)
    for file, of_one in rows.items():
        block = Box(area.x, top, area.width, len(of_one) * (height + 4))
        display.add(bob.copies(block, file, [{"C": channel} for channel in of_one], 1, 4))
        top += block.height
    last_command(site, display, Box(room.x, area.y + area.height + GAP, room.width, _SAID), style.SMALL)
    texts = {file: _row(site, room.width, height, spectrum=file == _ROW) for file in rows}
    return {TABLE: display.text(), **texts}


def _rows(site: Site, channels: list[tuple[str, str]]) -> dict[str, list[str]]:
    """By the file of a row, the channels of each module that have such rows: not all need have spectra."""
    modules = {module for module, _ in channels}
    with_spectra = {channel for _, channel in site.channels("Calibrated_RBV")}
    rows: dict[str, list[str]] = {_ROW: [], _PLAIN_ROW: []}
    for channel in sorted({channel for _, channel in channels}):
        if all((module, channel) in channels for module in modules):
            rows[_ROW if channel in with_spectra else _PLAIN_ROW].append(channel)
    return {file: of_one for file, of_one in rows.items() if of_one}


def _head(site: Site, display: Display, box: Box, modules: list[str]) -> None:
    """Which module it is, and the version of all calibrations."""
    title, formula, caption, version = box.columns(20, 46, 14, 20)
    if len(modules) > 1:
        label, *areas = Box(title.x, box.y, caption.x - title.x, box.height).columns(10, *[6] * len(modules), gap=4)
        for module, area in zip(modules, areas, strict=True):
            display.add(bob.opener(area, module, TABLE, {"M": module}))
        title = label
    else:
        said = "keV = Offset + Gain x energy + Quadratic x energy², the energy in ADC units"
        display.add(bob.label(formula, said, style.TEXT, style.FAINT))
    display.add(
        bob.label(title, "Module $(M=00)", style.HEADING),
        bob.label(caption, "Version", style.TEXT, style.FAINT, bob.RIGHT, tip=site.info("CalVersion_RBV").doc),
        bob.value(version, site("CalVersion_RBV"), style.TEXT_BOLD),
    )


def _row(site: Site, width: int, height: int, *, spectrum: bool) -> str:
    """One channel: its number leads to its spectrum, if it has one."""
    display = Display("Calibration, one channel", width, height)
    first, lamp, *areas = Box(0, 0, width, height).columns(*_SHARES)
    if spectrum:
        display.add(
            bob.opener(first, "$(C=00)", "spectra.bob", {"M": "$(M=00)", "C": "$(C=00)"}, style.TEXT_BOLD),
            bob.lamp(lamp, site.channel("Calibrated_RBV"), _CALIBRATED, style.SMALL),
        )
    else:
        display.add(bob.label(first, "$(C=00)", style.TEXT_BOLD, style.INK, bob.CENTER))
    display.add(*(known(site, area, what) for area, (_, what) in zip(areas, SETTINGS, strict=True)))
    return display.text()
