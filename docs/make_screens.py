"""Renews the pictures of screens/: runs the demo, starts a run, and takes each screen in the real Phoebus.

Run it as `python docs/make_screens.py [FOLDER]` in an environment with the tests' packages. FOLDER (or the environment
variable PHOEBUS_SCREEN_FOLDER) holds phoebus_screen.py, which shows a screen on a virtual display; what it needs, it
says. ImageMagick makes the pictures small.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PICTURES = HERE / "screens"
#: So many events let the spectra look like spectra.
EVENTS = 300_000
#: Width in pixels, and colours, of a picture.
WIDTH, COLOURS = 1200, 160


def main() -> None:
    """All of it."""
    sys.path.insert(0, str(HERE.parent))
    if len(sys.argv) > 1:
        os.environ["PHOEBUS_SCREEN_FOLDER"] = str(Path(sys.argv[1]).resolve())
    from tests.conftest import CA_PORTS
    from tests.running_ioc import ROOT, Ioc, ioc_folder, running
    from tests.system.phoebus import Absent, Phoebus, phoebus

    def take(screen: Phoebus, name: str) -> None:
        target = PICTURES / f"{name}.png"
        screen.settle()
        screen.picture(target)
        shrink = ("-resize", f"{WIDTH}x", "+dither", "-colors", str(COLOURS), f"PNG8:{target}")
        subprocess.run(["convert", str(target), *shrink], check=True)
        print(f"{target.relative_to(HERE.parent)}: {target.stat().st_size / 1000:.0f} kB")

    PICTURES.mkdir(exist_ok=True)
    with ioc_folder() as folder:
        ioc = Ioc(folder, "run", ROOT / "examples" / "demo.toml", "--set", "GatherData.file_path=/tmp/")
        ioc.prefix = "PX16:"
        addresses = " ".join(f"127.0.0.1:{port}" for port in CA_PORTS)
        with running(ioc):
            ioc.put_and_forget("Acquire", 1)
            ioc.until("FillSpectra:Events_RBV", lambda events: events > EVENTS, 300)
            try:
                with phoebus(ROOT / "opi", "run.bob", ioc.prefix, addresses) as screen:
                    take(screen, "run")
                    for place in ("Pipeline", "Spectra", "Traces", "Rates", "Expert", "Alarms"):
                        screen.go(place, f"{place.lower()}.bob")
                        take(screen, place.lower())
                    screen.go("Pipeline", "pipeline.bob")
                    screen.go("SortEvents", "task_SortEvents.bob")
                    take(screen, "task")
            except Absent as error:
                sys.exit(f"not renewed: {error}")


if __name__ == "__main__":
    main()
