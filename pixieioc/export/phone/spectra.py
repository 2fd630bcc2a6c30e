"""The Spectra screen of a phone: one channel, its regions of interest, and the way to the other channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pixieioc.export.phone.sheet import ROW, Sheet
from pixieioc.export.screens import bob, energies, style
from pixieioc.export.screens.bob import Axis
from pixieioc.export.screens.layout import Site

_PLOT_HEIGHT = 290
_LOG_LIMITS = (0.5, 1e6)
#: How many buttons fit side by side.
_NUMBERS, _WORDS = 8, 2
_NO_MACROS: Mapping[str, str] = {}


def spectra_sheets(site: Site) -> dict[str, str]:
    """The files' texts: for each task with spectra one with a linear axis, and one with a logarithmic one."""
    owners = site.description.owners("Spectrum_RBV")
    return {
        _file(owner, log=log): _sheet(replace(site, owner=owner), owners, log=log)
        for owner in owners
        for log in (False, True)
    }


def _file(owner: str, *, log: bool) -> str:
    return f"{'log_' if log else ''}spectra{f'_{owner}' if owner else ''}.bob"


def _sheet(site: Site, owners: list[str], *, log: bool) -> str:
    file = _file(site.owner, log=log)
    sheet = Sheet(site, "Spectra, log" if log else "Spectra", "spectra.bob")
    sheet.heading("Module $(M=00)  channel $(C=00)")
    _numbers(sheet)
    y = Axis("events", _LOG_LIMITS, "false", "true") if log else Axis("events")
    sheet.add(*energies.spectrum(site, sheet.strip(_PLOT_HEIGHT), y, ()))
    linear, logarithmic = (_file(site.owner, log=each) for each in (False, True))
    scales = [("linear", linear, _NO_MACROS), ("logarithmic", logarithmic, _NO_MACROS)]
    sheet.buttons(scales, _WORDS, "logarithmic" if log else "linear")
    _regions(sheet)
    found = site.channels("Spectrum_RBV")
    modules = sorted({module for module, _ in found})
    channels = [(channel, file, {"C": channel}) for module, channel in found if module == modules[0]]
    sheet.buttons(channels, _NUMBERS, caption="Channel")
    if len(modules) > 1:
        sheet.buttons([(module, file, {"M": module}) for module in modules], _NUMBERS, caption="Module")
    if len(owners) > 1:
        named = [(owner or site.info("M00:C00:Spectrum_RBV").source.task, owner) for owner in owners]
        macros = {"M": "00", "C": "00"}
        here = next(task for task, owner in named if owner == site.owner)
        sheet.buttons([(task, _file(owner, log=log), macros) for task, owner in named], _WORDS, here, "Spectra of")
    return sheet.text()


def _numbers(sheet: Sheet) -> None:
    """How many events the spectrum has, and how many come."""
    site = sheet.site
    caption, counts, of_channel = sheet.strip(ROW).columns(18, 36, 46)
    sheet.add(
        bob.label(caption, "events", style.SMALL, style.FAINT),
        bob.value(counts, site.channel("Counts_RBV"), style.TEXT_BOLD),
    )
    every = replace(site, owner="")  # the source tells rates, whichever task fills spectra
    if every.has_channel("OutputCountRate_RBV"):
        sheet.rate(of_channel, every.channel("OutputCountRate_RBV"))


def _regions(sheet: Sheet) -> None:
    """What is in each region: counts, and those above the background."""
    site = sheet.site
    numbers = [i for i in range(1, 33) if site.has_channel(f"ROI{i}:Low")]
    if not numbers:
        return
    sheet.heading("Regions of interest")
    shares = (30, 20, 50)
    for i in numbers:
        name, edges = sheet.strip(ROW, 8).columns(50, 50)
        first, to, last = edges.columns(36, 14, 50, gap=0)
        counts, caption, net = sheet.strip(ROW).columns(*shares)
        low, high = site.channel(f"ROI{i}:Low_RBV"), site.channel(f"ROI{i}:High_RBV")
        for widget in (
            bob.value(name, site.channel(f"ROI{i}:Name_RBV"), style.SMALL_BOLD, text=True, background=None),
            bob.value(first, low, style.SMALL, bob.RIGHT, background=None, units=False),
            bob.label(to, "to", style.SMALL, style.FAINT, bob.CENTER),
            bob.value(last, high, style.SMALL, background=None),
            bob.value(counts, site.channel(f"ROI{i}:Counts_RBV"), style.TEXT_BOLD),
            bob.label(caption, "net", style.SMALL, style.FAINT, bob.RIGHT),
            bob.value(net, site.channel(f"ROI{i}:Net_RBV"), style.TEXT_BOLD),
        ):
            sheet.add(bob.shown_while(widget, "pv0 <= pv1", low, high))
