"""The how-to that leads from an empty crate to the first spectrum, followed step by step."""

from __future__ import annotations

import json

from tests.hardware.simulation import Simulation
from tests.running_ioc import Ioc, ioc_folder, running
from tests.test_readme import Terminal, section

_PAGE = "docs/how-to/first-spectrum.md"


def test_the_how_to_leads_from_an_empty_crate_to_a_spectrum() -> None:
    blocks = {
        block.file: block.text
        for title in ("Two files", "Boot", "One channel", "A run")
        for block in section(_PAGE, title)
    }
    with ioc_folder() as folder:
        simulation = Simulation(folder)
        simulation.crate_file()
        simulation.control("rate 1000")
        (folder / "px16.toml").write_text(blocks["px16.toml"] + '[ioc]\nstate_dir = "state"\n')
        ioc = Ioc(folder, "run", folder / "px16.toml")
        ioc.environment.update(simulation.environment)
        with running(ioc):
            terminal = Terminal(folder)

            def follow(name: str) -> list[str]:
                text = blocks[name].replace("PX16:", ioc.prefix).replace("PresetReal 10", "PresetReal 1")
                return terminal.type(text).splitlines()

            assert follow("boot.sh") == ["Booted", "1002", "1003"]
            tau, threshold = map(float, follow("channel.sh"))
            assert 0.4 < tau < 0.6
            assert threshold > 0
            assert follow("save.sh") == ["No"]
            assert len(json.loads((folder / "settings" / "first.json").read_text())) == 2
            reason, lost, real, counts = follow("run.sh")
            assert (reason, lost) == ("Preset", "0")
            assert float(counts) > 100 * float(real)
            assert sum(ioc.raw("M00:C03:Spectrum_RBV")) == ioc.get("M00:OutputCounts_RBV")[3]
            assert len([*(folder / "data").glob("*.bin")]) == 2
            ioc.put("Boot", 1, timeout=60)  # with the settings that were saved
            assert ioc.get("M00:C03:TRIGGER_THRESHOLD_RBV") == threshold
