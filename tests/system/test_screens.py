"""The generated screens in the real Phoebus, in front of a running IOC: shown, gone through, and operated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.conftest import CA_PORTS
from tests.running_ioc import ROOT, Ioc, ioc_folder, running
from tests.system.phoebus import Absent, Phoebus, phoebus

DEMO = ROOT / "examples" / "demo.toml"
OPI = ROOT / "opi"
ADDRESSES = " ".join(f"127.0.0.1:{port}" for port in CA_PORTS)
#: Display files that are only parts of others.
PARTS = {"spectra_cell.bob", "traces_cell.bob", "rates_module.bob"}
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def iocs() -> Iterator[list[Ioc]]:
    """Two IOCs of the demo, with different prefixes."""
    with ExitStack() as stack:
        yield [stack.enter_context(running(Ioc(stack.enter_context(ioc_folder()), "run", DEMO))) for _ in range(2)]


@contextmanager
def _shown(file: str, ioc: Ioc) -> Iterator[Phoebus]:
    try:
        with phoebus(OPI, file, ioc.prefix, ADDRESSES) as shown:
            yield shown
    except Absent as error:
        pytest.skip(str(error))


def test_every_screen_is_there_by_the_mouse_for_either_prefix_and_nothing_is_wrong_with_it(iocs: list[Ioc]) -> None:
    """Each place that is gone to waits until no widget is disconnected or invalid."""
    iocs[1].put_and_forget("Acquire", 1)
    for ioc in iocs:
        with _shown("run.bob", ioc) as screen:
            seen = {"run.bob"}
            for task in ioc.tasks():
                screen.go("Pipeline", "pipeline.bob")
                screen.go(task, f"task_{task}.bob")
                seen |= {"pipeline.bob", f"task_{task}.bob"}
            for place in ("Spectra", "Traces", "Rates", "Expert"):
                screen.go(place, f"{place.lower()}.bob")
                seen.add(f"{place.lower()}.bob")
            assert seen | PARTS == {path.name for path in OPI.iterdir()}
            assert screen.problems() == []
    iocs[1].put("Stop", 1)


def test_the_buttons_of_the_run_screen_do_what_they_say(iocs: list[Ioc]) -> None:
    ioc = iocs[0]
    with _shown("run.bob", ioc) as screen, ioc.watch("Acquire_RBV", "RunEndReason_RBV", "ErrorLatched_RBV") as watch:
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
