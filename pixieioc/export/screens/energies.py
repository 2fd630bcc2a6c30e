"""What screens with spectra show in keV: axes, and the calibration of the channel that is looked at."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Axis, Box, Display
from pixieioc.export.screens.layout import Site, control_of
from pixieioc.export.screens.style import Color

_CALIBRATED = "Calibrated_RBV"
#: Of numbers with more decimals than _PLACES nothing but zeros would be seen: they are shown as powers of ten.
_PLACES, _DIGITS = 8, 5
#: Heights of a caption and of what can be written.
_CAPTION, _ENTRY = 22, 32
HEIGHT = _CAPTION + _ENTRY + 12
#: The screen with the calibrations of all channels, and what it needs to know.
TABLE, _HERE = "calibration.bob", {"M": "$(M=00)"}
#: What is known of a channel: the caption, and the name.
SETTINGS = (
    ("Name", "Name"), ("Detector", "Detector"), ("Group", "Group"), ("Offset, keV", "CalOffset"),
    ("Gain, keV/ADC unit", "CalGain"), ("Quadratic", "CalQuadratic"),
)  # fmt: skip


def has_kev(site: Site) -> bool:
    """Whether channels can have a calibration."""
    return site.has_channel(_CALIBRATED)


def while_calibrated(site: Site, widget: ET.Element) -> ET.Element:
    """To be seen if the channel has a calibration."""
    return bob.shown_while(widget, "pv0 == 1", site.channel(_CALIBRATED))


def spectrum(site: Site, box: Box, y: Axis, regions: Sequence[tuple[int, Color]], **more: Any) -> Iterator[ET.Element]:
    """A spectrum over keV, or over bins if the channel has no calibration: two plots, one of which is seen.

    `regions` are the numbers of regions of interest whose edges are cursors, with their colours.
    """
    pv, shown = site.channel("Spectrum_RBV"), y.shown
    in_bins = [(site.channel(f"ROI{i}:{edge}"), color) for i, color in regions for edge in ("Low", "High")]
    if not has_kev(site) or not shown:  # without numbers on the axis both are the same
        yield bob.plot(box, pv, Axis("bin" if y.title else "", shown=shown), y, steps=True, markers=in_bins, **more)
        return
    in_kev = [(site.channel(f"ROI{i}:{edge}Kev"), color) for i, color in regions for edge in ("Low", "High")]
    titles = ("bin (no calibration)", "energy (keV)") if y.title else ("", "")
    bins = bob.plot(box, pv, Axis(titles[0]), replace(y), steps=True, markers=in_bins, **more)
    kev = bob.plot(
        box, pv, Axis(titles[1]), replace(y), x_pv=site.channel("EnergyAxis_RBV"), steps=True, markers=in_kev, **more
    )
    yield bob.hidden_while(bins, "pv0 == 1", site.channel(_CALIBRATED))
    yield while_calibrated(site, kev)


def calibration(site: Site, display: Display, box: Box) -> None:
    """What is known of the channel, to be written."""
    display.add(bob.rectangle(box, name="panel calibration"))
    inside = Box(box.x + 8, box.y + 4, box.width - 16, box.height - 8)
    every = replace(site, owner="")  # there is one, whichever task fills spectra
    *areas, button = inside.columns(19, 14, 13, 14, 18, 14, 8, gap=8)
    display.add(
        bob.opener(Box(button.x, button.y + _CAPTION, button.width, _ENTRY), "Table", TABLE, _HERE, style.SMALL_BOLD)
    )
    for area, (caption, what) in zip(areas, SETTINGS, strict=True):
        entry = Box(area.x, area.y + _CAPTION, area.width, _ENTRY)
        tip = every.info(f"M00:C00:{what}").doc
        caption_at = Box(area.x, area.y, area.width, _CAPTION)
        display.add(bob.label(caption_at, caption, style.SMALL, style.FAINT, tip=tip), known(every, entry, what))


def known(site: Site, box: Box, what: str) -> ET.Element:
    """One of them, of the channel that the macros name, to be written; marked while another one is in use."""
    written = bob.literal(f"M$(M=00):C$(C=00):{what}")
    info, pv = site.info(f"M00:C00:{what}"), site.channel(what)
    widget = control_of(site, box, info, pv, written, mark=site.channel(f"{what}_RBV"), units=False)
    return bob.exponential(widget, _DIGITS) if info.precision > _PLACES else widget
