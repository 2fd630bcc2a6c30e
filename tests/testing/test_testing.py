"""What a site tests its tasks with: on the example's own task, and on a package that offers one."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from examples.energy_cut import EnergyCut
from pixieioc.listmode import events as ev
from pixieioc.pipeline import BadReport, Error, Parameter, Refused, Report, Task
from pixieioc.testing import chain, run_task, running_ioc
from tests.conftest import DATA
from tests.running_ioc import ROOT


def _events(*energies: int) -> dict[str, ev.Events]:
    events = ev.allocate(ev.BASE_COLUMNS, len(energies), zero=True)
    events["energy"][:] = energies
    return {"events": events}


def test_a_task_in_this_process() -> None:
    outcome = run_task(EnergyCut, [_events(10, 200, 3000), _events(500)], {"lowest": 100, "highest": 1000})
    assert [item["events"]["energy"].tolist() for item in outcome.sent] == [[200], [500]]
    assert (outcome.reports["events"], outcome.reports["passed"], outcome.reports["counter"]) == (4, 2, 2)


def test_settings_are_checked_as_in_a_pipeline() -> None:
    with pytest.raises(Refused, match="must be a whole number from 0 to 65535"):
        run_task(EnergyCut, [], {"lowest": -1})
    with pytest.raises(Error, match="EnergyCut.highest = 4: is below lowest = 5"):
        run_task(EnergyCut, [], {"lowest": 5, "highest": 4})


class _Counting(Task):
    """A source of three numbers."""

    first = Parameter(0, doc="The first of them.")
    made = Report(0, doc="How many so far.")

    def do_start(self) -> None:
        self.made = 0

    def do_work(self, datum: object) -> None:
        assert datum is None
        self.send({"number": self.first + self.made})
        self.made += 1
        if self.made == 3:
            self.print("that is all")
            self.send_in_use({"first": 7})
            self.finish()


class _Careless(Task):
    """Writes into what it got, or reports what it must not."""

    report_it = Parameter(False, doc="Whether it reports a wrong value.")
    value = Report(0, doc="A number.")

    def do_work(self, datum: dict[str, np.ndarray]) -> None:
        if self.report_it:
            self.value = "text"  # pyright: ignore[reportAttributeAccessIssue]  # that is the mistake
        datum["numbers"][0] = 1


def test_a_source() -> None:
    outcome = run_task(_Counting, settings={"first": 5})
    assert (outcome.sent, outcome.printed) == ([{"number": 5}, {"number": 6}, {"number": 7}], ["that is all"])
    assert outcome.reports["made"] == 3
    assert outcome.in_use == {"first": 7}


def test_mistakes_show_that_would_show_in_a_process() -> None:
    item = {"numbers": np.zeros(3)}
    with pytest.raises(ValueError, match="read-only"):
        run_task(_Careless, [item])
    with pytest.raises(BadReport):
        run_task(_Careless, [item], {"report_it": True})


def test_a_real_chain() -> None:
    files = [str(DATA / "pixie16_binary_data-full.bin")]
    settings = {"LoadFiles": {"files": files}, "EnergyCut": {"lowest": 5000}}
    with chain("LoadFiles", "ConvertToEvents", "EnergyCut", "FillSpectra", settings=settings) as pipeline:
        pipeline.run_through()
        assert pipeline.reported("EnergyCut", "passed") == pipeline.reported("FillSpectra", "events") == 14754


def test_a_running_ioc() -> None:
    with running_ioc(ROOT / "examples" / "energy_cut.toml") as ioc:
        ioc.put("Acquire", 1)
        assert ioc.get("EnergyCut:REPORT:Passed_RBV") == 14754
        with pytest.raises(RuntimeError, match="must be a whole number from 0 to 65535"):
            ioc.put("EnergyCut:Lowest", 70000)
        process = ioc.process
    assert process.poll() == 0


def test_a_package_of_a_site_offers_its_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would be installed: a module, and the metadata with its entry point."""
    source = (ROOT / "examples" / "energy_cut.py").read_text()
    (tmp_path / "site_tasks.py").write_text(source.replace("EnergyCut", "Cut"))
    about = tmp_path / "site_tasks-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: site-tasks\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[pixieioc.tasks]\nSiteCut = site_tasks:Cut\n")
    configuration = tmp_path / "site.toml"
    text = (ROOT / "examples" / "energy_cut.toml").read_text()
    text = text.replace("EnergyCut", "SiteCut").replace('imports = ["energy_cut"]\n', "")
    configuration.write_text(text.replace("data/", f"{DATA}/"))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    with running_ioc(configuration) as ioc:
        assert ioc.get("Tasks_RBV") == "LoadFiles,ConvertToEvents,SiteCut,FillSpectra"
        ioc.put("Acquire", 1)
        assert ioc.get("SiteCut:REPORT:Passed_RBV") == 14754
    assert "site_tasks" not in sys.modules
