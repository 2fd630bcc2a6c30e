"""The Rates screen of a phone: the channels of a module below each other."""

from __future__ import annotations

from pixieioc.export.phone.sheet import ROW, Sheet
from pixieioc.export.screens import bob, style
from pixieioc.export.screens.layout import Site

#: What each channel shows: caption with unit, and the name behind the channel's.
_SHOWN = (("in, /s", "InputCountRate_RBV"), ("out, /s", "OutputCountRate_RBV"), ("dead, %", "DeadTime_RBV"))
_SHARES = (16, 30, 30, 24)
#: Height of a row, which a finger hits, and how many buttons fit side by side.
_HEIGHT, _NUMBERS = 34, 8


def rates_sheets(site: Site) -> dict[str, str]:
    """The files' texts: one for each module, whose channels may be others."""
    modules = sorted({module for _, name in _SHOWN for module, _ in site.channels(name)})
    files = {module: "rates.bob" if module == modules[0] else f"rates_M{module}.bob" for module in modules}
    return {file: _sheet(site, module, files) for module, file in files.items()}


def _sheet(site: Site, module: str, files: dict[str, str]) -> str:
    sheet = Sheet(site, "Rates", "rates.bob")
    sheet.heading("Rates")
    sheet.reading("all events", "EventRate_RBV", style.LARGE_BOLD)
    if len(files) > 1:
        sheet.buttons([(each, file, {}) for each, file in files.items()], _NUMBERS, module, "Module")
    else:
        sheet.heading(f"Module {module}")
    for area, text in zip(sheet.strip(ROW).columns(*_SHARES), ("", *(text for text, _ in _SHOWN)), strict=True):
        if text:
            sheet.add(bob.label(area, text, style.SMALL, style.FAINT, bob.RIGHT))
    there = {name: {channel for of, channel in site.channels(name) if of == module} for _, name in _SHOWN}
    with_spectrum = {channel for of, channel in site.channels("Spectrum_RBV") if of == module}
    for channel in sorted(set[str]().union(*there.values())):
        _row(sheet, module, channel, [name for _, name in _SHOWN if channel in there[name]], channel in with_spectrum)
    return sheet.text()


def _row(sheet: Sheet, module: str, channel: str, names: list[str], has_spectrum: bool) -> None:
    """One channel; its number opens its spectrum, if it has one."""
    head, *cells = sheet.strip(_HEIGHT).columns(*_SHARES)
    if has_spectrum:
        macros = {"M": module, "C": channel}
        sheet.add(bob.opener(head, channel, "spectra.bob", macros, style.SMALL_BOLD))
    else:
        sheet.add(bob.label(head, channel, style.SMALL_BOLD, align=bob.CENTER))
    for cell, (_, name) in zip(cells, _SHOWN, strict=True):
        if name in names:
            pv = f"{sheet.site.start}M{module}:C{channel}:{name}"
            precision = 1 if name == "DeadTime_RBV" else 0
            sheet.add(bob.value(cell, pv, style.TEXT_BOLD, bob.RIGHT, units=False, precision=precision))
