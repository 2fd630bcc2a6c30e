"""The screens for a phone: narrow, readable, complete, and without anything that writes."""

from __future__ import annotations

import pytest

from pixieioc.export import outputs
from pixieioc.export.phone import phone_screens
from pixieioc.export.phone.page import PAGE_WIDTH
from pixieioc.pvinfo.description import Description
from tests.configs import config_of
from tests.export.described import CASES, DEMO, case, described, of_file, parsed
from tests.export.looks import LONGEST, cut_off, length, outside, size, too_long, widgets
from tests.export.screens_check import phone_screens as problems

CHAIN = ("DummyData", "GatherData", "ConvertToEvents", "SortEvents", "GatherEvents", "FillSpectra", "SnapTraces")
#: A phone, and the margin on the left that the page of a web client has.
PHONE, MARGIN = 400, 24
#: What shows something, and cannot write; a button of these only opens another screen.
READS = {"label", "rectangle", "textupdate", "multi_state_led", "progressbar", "polyline", "xyplot", "action_button"}
#: The smallest letters, in pixels, that are read at arm's length.
LEAST = 15


def _crate(modules: int, channels: int, *chain: str) -> Description:
    size = {"modules": modules, "channels": channels}
    tasks = {name: size for name in chain if name in ("TakeData", "DummyData", "FillSpectra")}
    return Description.of(config_of(chain, tasks, prefix="PX16:"))


DESCRIPTIONS = {name: lambda name=name: case(name)[1] for name in CASES} | {
    "crate": lambda: _crate(13, 16, *CHAIN[:-1]),
    "wide modules": lambda: _crate(2, 32, "TakeData", *CHAIN[1:-1]),
    "no channels": lambda: described("DummyData", "PrintData"),
}


@pytest.fixture(scope="module", params=DESCRIPTIONS)
def description(request: pytest.FixtureRequest) -> Description:
    """One IOC."""
    return DESCRIPTIONS[request.param]()


@pytest.fixture(scope="module")
def files(description: Description) -> dict[str, str]:
    """Its display files."""
    return {name: text for name, text in phone_screens(description).items() if name.endswith(".bob")}


def test_they_fit_a_phone_and_nothing_is_cut_off(files: dict[str, str]) -> None:
    assert {size(text)[0] for text in files.values()} <= set(range(300, PHONE - MARGIN + 1))
    assert list(outside(files)) == []
    assert list(too_long(files)) == []
    seen: set[str] = set()
    assert list(cut_off(files, seen)) == []
    assert seen >= {"StatusMessage_RBV", "StartMessage_RBV", "ErrorFirstMessage_RBV", "CmdMessage_RBV"} & set(LONGEST)


def test_letters_are_large_enough(files: dict[str, str]) -> None:
    for file, text in files.items():
        for font in parsed(text).iterfind(".//font[@size]"):
            assert float(font.get("size", "")) >= LEAST, file


def test_what_to_do_about_any_alarm_is_there_as_a_whole(description: Description, files: dict[str, str]) -> None:
    [widget] = [
        (widget, area)
        for widget, area in widgets(files["alarms.bob"])
        if widget.findtext("pv_name", "").endswith("Alarm1:Guidance_RBV")
    ]
    font = widget[0].find("font/font")
    assert font is not None
    points = float(font.get("size", ""))
    room = widget[1][2] * (widget[1][3] // (1.17 * points)) * 0.92
    for pv in description.pvs.values():
        assert length(pv.guidance, points, bold=False) <= room, pv.name


def test_nothing_can_be_written(files: dict[str, str]) -> None:
    for file, text in files.items():
        root = parsed(text)
        assert {widget.get("type") for widget in root.iter("widget")} <= READS, file
        assert {action.get("type") for action in root.iter("action")} == {"open_display"}, file


def test_from_every_screen_a_button_leads_to_all_others(files: dict[str, str]) -> None:
    places = {file for file in files if file.partition(".")[0] in ("run", "pipeline", "spectra", "rates", "alarms")}
    for file, text in files.items():
        assert places <= {action.findtext("file") for action in parsed(text).iter("action")}, file


@pytest.mark.parametrize("name", CASES)
def test_every_process_variable_is_there_and_every_file_is_opened(name: str) -> None:
    description = case(name)[1]
    files = {f"web/{name}": text for name, text in phone_screens(description).items()}
    assert list(problems(files, description)) == []


def test_all_tasks_links_channels_and_modules_are_shown(description: Description, files: dict[str, str]) -> None:
    shown = {widget.findtext("pv_name") for widget, _ in widgets(files["pipeline.bob"])}
    prefix = f"$(P={description.prefix})"
    assert {f"{prefix}{name}:Status" for name in description.graph.tasks} <= shown
    links = {
        widget.findtext("name") for widget, _ in widgets(files["pipeline.bob"]) if widget.get("type") == "polyline"
    }
    assert len(links) == len(description.graph.links)
    rates = {
        widget.findtext("pv_name") for name, text in files.items() for widget, _ in widgets(text) if "rates" in name
    }
    for what in ("InputCountRate_RBV", "OutputCountRate_RBV", "DeadTime_RBV"):
        for module, channel in description.channels(what):
            assert not files.get("rates.bob") or f"{prefix}M{module:02d}:C{channel:02d}:{what}" in rates


def test_they_are_written_on_wish_only_with_the_page_that_fits_them_to_a_phone() -> None:
    description = of_file(DEMO)
    both, alone = outputs(description, web=True), outputs(description)
    web = {path: text for path, text in both.items() if path not in alone}
    assert {path.partition("/")[0] for path in web} == {"web"}
    assert web == {f"web/{name}": text for name, text in phone_screens(description).items()}
    page = web["web/index.html"]
    assert f'<meta name="viewport" content="width={PAGE_WIDTH}">' in page
    assert max(size(text)[0] for path, text in web.items() if path.endswith(".bob")) + MARGIN < PAGE_WIDTH <= PHONE
