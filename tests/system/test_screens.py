"""The generated screens in the real Phoebus, in front of a running IOC: shown, gone through, and operated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pixieioc.export import outputs
from pixieioc.export.screens import style
from pixieioc.export.write import write
from tests.conftest import CA_PORTS
from tests.export.described import of_file
from tests.ports import free_port
from tests.running_ioc import ROOT, Ioc, ioc_folder, running
from tests.system.phoebus import Absent, Phoebus, phoebus

pytestmark = pytest.mark.timeout(900)  # the tour of all screens takes a minute on a computer at rest

DEMO = ROOT / "examples" / "demo.toml"
OPI = ROOT / "opi"
ADDRESSES = " ".join(f"127.0.0.1:{port}" for port in CA_PORTS)
#: Display files that are only parts of others.
PARTS = {
    "spectra_cell.bob", "log_spectra_cell.bob", "traces_cell.bob", "rates_module.bob", "alarm_row.bob",
    "calibration_row.bob",
}  # fmt: skip
#: The ports of PVAccess: for searches, and for connections.
PVA_PORTS = free_port(), free_port()
PVA = """
[ioc.pva]
on = true
interfaces = ["127.0.0.1"]
broadcast_port = {}
port = {}
"""
#: How Phoebus finds it.
PVA_SETTINGS = (
    "org.phoebus.pv.pva/epics_pva_addr_list=127.0.0.1",
    "org.phoebus.pv.pva/epics_pva_auto_addr_list=false",
    f"org.phoebus.pv.pva/epics_pva_broadcast_port={PVA_PORTS[0]}",
)


@pytest.fixture(scope="module")
def iocs() -> Iterator[list[Ioc]]:
    """Two IOCs of the demo, with different prefixes; the second one is there by PVAccess, too."""
    with ExitStack() as stack:
        folders = [stack.enter_context(ioc_folder()) for _ in range(2)]
        with_pva = folders[1] / "demo.toml"
        with_pva.write_text(DEMO.read_text() + PVA.format(*PVA_PORTS))
        files = (DEMO, with_pva)
        yield [
            stack.enter_context(running(Ioc(folder, "run", file))) for folder, file in zip(folders, files, strict=True)
        ]


@pytest.fixture(scope="module")
def screen(iocs: list[Ioc]) -> Iterator[Phoebus]:
    """A Phoebus for the first of them."""
    with _shown("run.bob", iocs[0]) as shown:
        yield shown


@pytest.fixture
def ioc(iocs: list[Ioc], screen: Phoebus) -> Ioc:
    """The IOC that `screen` is for, which shows the Run screen."""
    if screen.file != "run.bob":  # one that is shown again looks ready while it is still being put together
        screen.go("Run", "run.bob")
    return iocs[0]


@contextmanager
def _shown(file: str, ioc: Ioc, folder: Path = OPI) -> Iterator[Phoebus]:
    try:
        with phoebus(folder, file, ioc.prefix, ADDRESSES, *PVA_SETTINGS) as shown:
            yield shown
    except Absent as error:
        pytest.skip(str(error))


def _visit_all(screen: Phoebus, ioc: Ioc) -> None:
    seen = {"run.bob"}
    for task in ioc.tasks():
        screen.go("Pipeline", "pipeline.bob")
        screen.go(task, f"task_{task}.bob")
        assert not screen.has_scroll_bars(), task
        seen |= {"pipeline.bob", f"task_{task}.bob"}
    for place in ("Run", "Pipeline", "Spectra", "Traces", "Rates", "Expert", "Alarms"):
        screen.go(place, f"{place.lower()}.bob")
        assert not screen.has_scroll_bars(), place
        seen.add(f"{place.lower()}.bob")
        if place == "Spectra":
            for text, file in (("logarithmic", "log_spectra.bob"), ("Table", "calibration.bob")):
                screen.go(text, file)
                assert not screen.has_scroll_bars(), file
                seen.add(file)
    assert seen | PARTS == {path.name for path in OPI.iterdir()}
    assert screen.problems() == []


def test_every_screen_is_there_by_the_mouse_for_either_prefix_and_nothing_is_wrong_with_it(
    iocs: list[Ioc], screen: Phoebus, tmp_path: Path
) -> None:
    """Each place that is gone to waits until no widget is disconnected or invalid; nothing has to be scrolled.

    The second IOC is looked at and operated over PVAccess, with some of the screens for that.
    """
    _visit_all(screen, iocs[0])
    ioc = iocs[1]
    write(tmp_path, outputs(of_file(DEMO), pva=True))
    with _shown("run.bob", ioc, tmp_path / "pva") as other:
        other.press("Start")
        ioc.until("Acquire_RBV", "Acquiring")
        # What is different is how values come, which is the same in all files.
        for text, file in (("Pipeline", "pipeline.bob"), ("Spectra", "spectra.bob"), ("Run", "run.bob")):
            other.go(text, file)
        other.enter("PresetReal", "12.5 s")
        ioc.until("PresetReal", 12.5)
        other.enter("Title", "größer")
        ioc.until("Title", "größer")
        assert other.problems() == []
        other.enter("PresetTriggers", "-5")
        other.until_filled("textentry", "PresetTriggers", style.NOTE)
        ioc.until("CmdMessage_RBV", lambda message: "PresetTriggers" in message and "must be" in message)
        other.press("Stop")
        ioc.until("Acquire_RBV", "Done")


#: A process variable, what is typed, what it becomes.
TYPED = [
    ("FilePath", "/tmp/a folder with spaces and Umlauten äöüß, which is rather long/2026/run µ/", None),
    ("FileName", "größe_1", None),
    ("FileNumber", "17", 17),
    ("PresetReal", "12.5 s", 12.5),
    ("PresetLive", "7", 7.0),
    ("PresetEvents", "1234.7", 1234.0),
]


def test_what_is_typed_arrives(ioc: Ioc, screen: Phoebus) -> None:
    for pv, typed, value in TYPED:
        screen.enter(pv, typed)
        ioc.until(pv, typed if value is None else value)

    def chosen(number: int) -> None:
        ioc.until("PresetMode", ("No preset", "Real time", "Live time", "Events")[number])

    screen.choose("PresetMode", 3, chosen)
    assert screen.problems() == []
    screen.until_filled("textupdate", "FileNumber_RBV", style.READ)
    screen.choose("PresetMode", 0, chosen)
    ioc.until("PresetMode_RBV", "No preset")


def test_what_is_refused_is_marked_where_it_was_typed(ioc: Ioc, screen: Phoebus) -> None:
    for typed, said in (("garbage", "'garbage' is not a number"), ("-5", "must be")):
        screen.enter("PresetTriggers", typed)
        ioc.until("CmdMessage_RBV", lambda message, said=said: "PresetTriggers" in message and said in message)
        screen.until_filled("textentry", "PresetTriggers", style.NOTE)
        assert ioc.get("CmdStatus_RBV") == "Refused"
    screen.enter("PresetTriggers", "500")
    screen.until_filled("textentry", "PresetTriggers", style.WRITE)
    assert ioc.get("PresetTriggers") == 500
    screen.go("Pipeline", "pipeline.bob")
    screen.go("SortEvents", "task_SortEvents.bob")
    screen.enter("SortEvents:Window", "-1")
    screen.until_filled("textentry", "SortEvents:Window", style.NOTE)
    screen.problems()  # Phoebus tells in its log of puts that were refused


def test_what_is_locked_during_a_run_looks_so_and_cannot_be_typed(ioc: Ioc, screen: Phoebus) -> None:
    before = ioc.get("FileNumber")
    ioc.put_and_forget("Acquire", 1)
    screen.until_filled("textentry", "FileNumber", style.LOCKED)
    screen.enter("FileNumber", "99")
    screen.enter("PresetEvents", "4321")
    ioc.until("PresetEvents", 4321)
    assert ioc.get("FileNumber") == before
    ioc.put("Stop", 1)
    screen.until_filled("textentry", "FileNumber", style.WRITE)


def test_the_cursors_of_a_region_can_be_dragged(ioc: Ioc, screen: Phoebus) -> None:
    screen.go("Spectra", "spectra.bob")
    screen.settle()
    low, high = (ioc.get(f"M00:C00:ROI1:{edge}") for edge in ("Low", "High"))
    left, right = screen.cursors(style.CURSORS[0])
    bins_a_pixel = (high - low) / (right[0] - left[0])
    screen.drag(right, (right[0] + 200, right[1]))
    ioc.until("M00:C00:ROI1:High", lambda value: abs(value - high - 200 * bins_a_pixel) < 0.15 * 200 * bins_a_pixel)
    screen.drag(left, (left[0] - 50, left[1]))
    ioc.until("M00:C00:ROI1:Low", lambda value: abs(value - low + 50 * bins_a_pixel) < 0.3 * 50 * bins_a_pixel)
    assert ioc.get("CmdStatus_RBV") == "OK"
    screen.until_filled("textentry", "M00:C00:ROI1:Low", style.WRITE)
    # Beyond its other edge a region cannot begin: that is kept, and waits for an edge that fits.
    fitting = {edge: ioc.get(f"M00:C00:ROI1:{edge}") for edge in ("Low", "High")}
    try:
        screen.enter("M00:C00:ROI1:Low", "1500")
        screen.until_filled("textentry", "M00:C00:ROI1:Low", style.WAITS)
        assert (ioc.get("M00:C00:ROI1:Low"), ioc.get("ConfigDirty_RBV")) == (1500, "Yes")
        assert ioc.get("M00:C00:ROI1:Low_RBV") == fitting["Low"]
        screen.enter("M00:C00:ROI1:High", "1900")
        screen.until_filled("textentry", "M00:C00:ROI1:Low", style.WRITE)
        assert (ioc.get("M00:C00:ROI1:Low_RBV"), ioc.get("M00:C00:ROI1:High_RBV")) == (1500, 1900)
        assert ioc.get("ConfigDirty_RBV") == "No"
        assert screen.problems() == []
    finally:  # whatever waits keeps the runs of the other tests from starting
        for edge, value in fitting.items():
            ioc.put(f"M00:C00:ROI1:{edge}", value)
    ioc.until("ConfigDirty_RBV", "No")


def test_an_ioc_that_is_not_ready_says_why_and_offers_the_cure(ioc: Ioc, screen: Phoebus) -> None:
    ioc.put("CreateDirectory", 0)
    ioc.put("AutoSave", 1)
    ioc.put("FilePath", "/tmp/there/is/no/such/folder")
    screen.until_filled("multi_state_led", "Ready_RBV", style.MINOR)
    ioc.until("StartMessage_RBV", lambda text: text.startswith("Start would be refused: there is no folder"))
    ioc.until("ReadyCure_RBV", "Make folder")
    screen.press("Make the folder")
    ioc.until("CreateDirectory", lambda value: value not in (0, "No"))
    screen.until_filled("multi_state_led", "Ready_RBV", style.ACTIVE)
    ioc.put("AutoSave", 0)


def test_the_buttons_of_the_run_screen_do_what_they_say(ioc: Ioc, screen: Phoebus) -> None:
    with ioc.watch("Acquire_RBV", "RunEndReason_RBV", "ErrorLatched_RBV") as watch:
        screen.press("Start")
        watch.until("Acquire_RBV", "Acquiring")
        screen.press("Stop")
        watch.until("RunEndReason_RBV", "Operator stop")
        ioc.until("Acquire_RBV", "Done")

        watch.clear()
        screen.press("Start")
        watch.until("Acquire_RBV", "Acquiring")
        screen.press("Abort", confirm=True)
        watch.until("RunEndReason_RBV", "Abort")
        ioc.until("Acquire_RBV", "Done")

        watch.clear()
        ioc.kill_task("SortEvents")
        watch.until("ErrorLatched_RBV", "ERROR")
        screen.press("Acknowledge")
        watch.until("ErrorLatched_RBV", "OK")
        assert ioc.get("SortEvents:ERROR") == "OK"
        assert screen.problems() == []

        # A click on the severity in the header leads to what is in alarm, and from there to the task.
        screen.click_on("multi_state_led", "SumSevr_RBV")
        screen.until_title("Alarms")
        ioc.until("Alarm1:Screen_RBV", lambda number: number > 0)
    ioc.put("Reset", 1)
