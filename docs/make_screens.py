"""Renews the pictures of screens/: runs the demo, and an IOC with modules, and takes the screens in the real Phoebus.

Run it as `python docs/make_screens.py [FOLDER]` in an environment with the tests' packages. FOLDER (or the environment
variable PHOEBUS_SCREEN_FOLDER) holds phoebus_screen.py, which shows a screen on a virtual display; what it needs, it
says. Those in a browser are taken where there is the web runtime that tests/system/web_runtime.py tells of; the others
are left out with `web` instead of FOLDER. ImageMagick makes the pictures small.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.system.chromium import Page
    from tests.system.phoebus import Phoebus

HERE = Path(__file__).parent
PICTURES = HERE / "screens"
#: So many events let the spectra look like spectra.
EVENTS = 300_000
#: Width in pixels, and colours, of a picture.
WIDTH, COLOURS = 1200, 160
#: Width and height of a phone, in pixels, and the screens that are taken there.
PHONE, PHONE_SCREENS = (400, 800), ("Run", "Pipeline", "Spectra", "Rates")
#: The window in the frame of the page for a phone.
FRAME = "document.querySelector('iframe').contentWindow"

#: An IOC with modules, which the demo has not.
CRATE = """
[pipeline]
chain = ["TakeData", "ConvertToEvents"]
[crate]
modules = 2
[tasks.TakeData]
implementation = "simulated"
"""


def main() -> None:
    """All of it."""
    sys.path.insert(0, str(HERE.parent))
    only_web = sys.argv[1:] == ["web"]
    if len(sys.argv) > 1 and not only_web:
        os.environ["PHOEBUS_SCREEN_FOLDER"] = str(Path(sys.argv[1]).resolve())
    from tests.system.chromium import Absent as NoBrowser
    from tests.system.phoebus import Absent

    PICTURES.mkdir(exist_ok=True)
    absent: list[str] = []
    for taken in [take_web] if only_web else [take_demo, take_scope, take_web]:
        try:
            taken()
        except (Absent, NoBrowser) as error:
            absent.append(f"not renewed: {error}")
    if absent:
        sys.exit("\n".join(absent))


def take_demo() -> None:
    """The screens of the demo."""
    from tests.running_ioc import ROOT, Ioc, ioc_folder, running
    from tests.system.phoebus import phoebus

    with ioc_folder() as folder:
        ioc = Ioc(folder, "run", ROOT / "examples" / "demo.toml", "--set", "GatherData.file_path=/tmp/")
        ioc.prefix = "PX16:"
        with running(ioc):
            ioc.put_and_forget("Acquire", 1)
            ioc.until("FillSpectra:Events_RBV", lambda events: events > EVENTS, 300)
            with phoebus(ROOT / "opi", "run.bob", ioc.prefix, addresses()) as screen:
                take(screen, "run")
                for place in ("Pipeline", "Spectra", "Traces", "Rates", "Expert", "Alarms"):
                    screen.go(place, f"{place.lower()}.bob")
                    take(screen, place.lower())
                screen.go("Pipeline", "pipeline.bob")
                screen.go("SortEvents", "task_SortEvents.bob")
                take(screen, "task")
                screen.go("Spectra", "spectra.bob")
                screen.go("Table", "calibration.bob")
                take(screen, "calibration")


def take_scope() -> None:
    """The Scope screen, after a run and with everything measured."""
    from pixieioc.config import load
    from pixieioc.export import outputs
    from pixieioc.pvinfo.description import Description
    from tests.running_ioc import Ioc, ioc_folder, running
    from tests.system.phoebus import phoebus

    with ioc_folder() as folder:
        configuration = folder / "crate.toml"
        configuration.write_text(CRATE)
        for name, text in outputs(Description.of(load(configuration, (), "PX16:"))).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        ioc = Ioc(folder, "run", configuration)
        ioc.prefix = "PX16:"
        with running(ioc):
            ioc.until("Ready_RBV", "Yes", 60)
            settings = {
                "M00:C00:CaptureHistogram": "Yes",
                "M00:C00:XDT": 0.6,
                "PresetMode": "Real time",
                "PresetReal": 5,
            }
            for name, value in {**settings, "HistogramInterval": 1}.items():
                ioc.put(name, value)
            for command in ("AdjustOffsets", "Acquire", "AcquireTraces", "AcquireBaselines", "FindTau"):
                ioc.put(command, 1)
            with phoebus(folder / "opi", "scope.bob", ioc.prefix, addresses()) as screen:
                take(screen, "scope")


def take_web() -> None:
    """The Run screen in a browser, and four screens on a phone, side by side."""
    from pixieioc.export.phone import phone_screens
    from pixieioc.export.write import write
    from tests.export.described import DEMO, of_file
    from tests.running_ioc import ROOT, Ioc, ioc_folder, running
    from tests.system.chromium import chromium
    from tests.system.web_runtime import web_runtime

    with ioc_folder() as folder:
        write(folder / "web", phone_screens(of_file(DEMO)))
        ioc = Ioc(folder, "run", DEMO, "--set", "GatherData.file_path=/tmp/")
        ioc.prefix = "PX16:"
        with running(ioc):
            ioc.put_and_forget("Acquire", 1)
            ioc.until("FillSpectra:Events_RBV", lambda events: events > EVENTS, 300)
            folders = {"opi": ROOT / "opi", "web": folder / "web"}
            with web_runtime(folders, addresses()) as web, chromium() as browser:
                page = browser.page(1650, 1046)
                web.show(page, "opi/run.bob", {"P": ioc.prefix}, 60)
                page.until("document.querySelector('[data-type=xyplot] canvas') !== null")
                page.picture(PICTURES / "web-run.png")
                phone = browser.page(*PHONE, phone=True)
                for name in PHONE_SCREENS:
                    phone.open(f"{web.root}/web/index.html")
                    _show(phone, name)
                    phone.picture(folder / f"{name}.png")
        shrink(PICTURES / "web-run.png", WIDTH)
        several = [str(folder / f"{name}.png") for name in PHONE_SCREENS]
        target = PICTURES / "phone.png"
        subprocess.run(
            ["convert", *several, "-bordercolor", "grey", "-border", "2", "+append", str(target)], check=True
        )
        shrink(target, WIDTH)


def _show(phone: Page, name: str) -> None:
    """Goes to a screen of the phone, and waits until all of it has values."""
    _until_complete(phone, "Run")
    if name == "Run":
        return
    phone.value(f"[...{FRAME}.document.querySelectorAll('button')].find(b => b.innerText == '{name}').click()")
    _until_complete(phone, name)


def _until_complete(phone: Page, name: str) -> None:
    from tests.system.web_runtime import READY

    for expression in (
        f"document.title.startsWith('{name}')",
        f"eval({json.dumps(READY)})",
        "document.body.innerText.includes('Acquire')",
    ):
        phone.until(f"{FRAME}.{expression}", 60)


def addresses() -> str:
    """Where Phoebus looks for the IOC."""
    from tests.conftest import CA_PORTS

    return " ".join(f"127.0.0.1:{port}" for port in CA_PORTS)


def take(screen: Phoebus, name: str) -> None:
    """Takes a picture, and makes it small."""
    target = PICTURES / f"{name}.png"
    screen.settle()
    screen.picture(target)
    shrink(target, WIDTH)


def shrink(target: Path, width: int) -> None:
    """Makes a picture small."""
    smaller = ("-resize", f"{width}x", "+dither", "-colors", str(COLOURS), f"PNG8:{target}")
    subprocess.run(["convert", str(target), *smaller], check=True)
    print(f"{target.relative_to(HERE.parent)}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
