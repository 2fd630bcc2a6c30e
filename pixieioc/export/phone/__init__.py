"""Screens for a phone: narrow, to be read only, for a web client of display files; and the page around them."""

from __future__ import annotations

from pixieioc.export.phone.alarms import alarms_sheet
from pixieioc.export.phone.page import page
from pixieioc.export.phone.pipeline import pipeline_sheet
from pixieioc.export.phone.rates import rates_sheets
from pixieioc.export.phone.run import run_sheet
from pixieioc.export.phone.spectra import spectra_sheets
from pixieioc.export.screens.layout import Site
from pixieioc.pvinfo.description import Description


def phone_screens(description: Description) -> dict[str, str]:
    """The text of each file, by its name; spectra and rates are only there if channels have them."""
    site = Site(description)
    files = {
        "index.html": page(),
        "run.bob": run_sheet(site),
        "pipeline.bob": pipeline_sheet(site),
        "alarms.bob": alarms_sheet(site),
    }
    if site.has_channel("Spectrum_RBV"):
        files |= spectra_sheets(site)
    if site.has_channel("OutputCountRate_RBV"):
        files |= rates_sheets(site)
    return files
