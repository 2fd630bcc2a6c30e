"""`pixieioc generate`: a declaration is enough for all files; what is not current is named."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from pixieioc.export import ALARM_FILES, FILES, FOLDERS
from tests.running_ioc import ROOT

TASK = '''\
from pixieioc.pipeline import Parameter, Report, Task


class Chiller(Task):
    """Looks after the temperature."""

    def do_work(self, datum):
        self.send(datum)
'''
#: The three lines, and where they belong.
PARAMETER = '    setpoint = Parameter(20.0, unit="degC", low=-40, high=60, doc="The temperature that is wanted.")\n'
REPORT = (
    '    deviation = Report(0.0, unit="K", alarm_high=2, alarm_hihi=5, hysteresis=0.5, doc="From it.", '
    'guidance="Add ice.")\n'
)
WORK = '        self.deviation = datum["temperature"] - self.setpoint\n'
CONFIG = """\
[pipeline]
chain = ["DummyData", "Chiller", "PrintData"]
imports = ["chiller"]
prefix = "LAB:"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site's folder: its task, its configuration, and what was generated from them."""
    (tmp_path / "chiller.py").write_text(TASK)
    (tmp_path / "site.toml").write_text(CONFIG)
    assert _generate(tmp_path).returncode == 0
    return tmp_path


def _generate(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pixieioc", "generate", "site.toml", "--out", "out", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )


def _texts(folder: Path) -> dict[str, str]:
    return {str(f.relative_to(folder / "out")): f.read_text() for f in (folder / "out").rglob("*") if f.is_file()}


def test_three_lines_in_a_task_are_enough(folder: Path) -> None:
    before = _texts(folder)
    assert not any("Setpoint" in text or "Deviation" in text for text in before.values())
    (folder / "chiller.py").write_text(TASK.replace("    def", PARAMETER + REPORT + "\n    def").replace(
        "        self.send", WORK + "        self.send"))  # fmt: skip

    check = _generate(folder, "--check")
    assert check.returncode == 1
    stale = check.stderr.removeprefix("pixieioc: not current in out: ").strip().split(", ")
    assert {path for path in stale if path.startswith("db/")} == {*FILES, *ALARM_FILES} - {
        "db/pixieioc.substitutions",
        "db/pixieioc.acf",
    }
    if "opi" in FOLDERS:
        assert any(path.startswith("opi/") for path in stale)
    assert _texts(folder) == before

    done = _generate(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"out: {len(before)} files, {len(stale)} of them written: ")
    assert _generate(folder, "--check").returncode == 0
    files = _texts(folder)

    # The process variables and their records
    records = files["db/pixieioc.db"]
    for name in ("Chiller:Setpoint", "Chiller:Setpoint_RBV", "Chiller:REPORT:Deviation_RBV"):
        assert f'"$(P){name}")' in records
    record = records.partition("Chiller:REPORT:Deviation_RBV")[2].partition("}")[0]
    for field in ("EGU, K", "HIGH, 2", "HSV, MINOR", "HIHI, 5", "HHSV, MAJOR", "HYST, 0.5", "DESC, From it"):
        assert 'field({}, "{}")'.format(*field.split(", ")) in record
    # The alarm trees
    [alarm] = [
        pv for pv in ET.fromstring(files["db/pixieioc-alarms.xml"]).iter("pv") if "Deviation" in pv.get("name", "")
    ]
    assert alarm.get("name") == "LAB:Chiller:REPORT:Deviation_RBV"
    assert (alarm.findtext("guidance/details") or "").startswith(
        "Add ice. (From it; MINOR from 2 K up; MAJOR from 5 K up"
    )
    assert alarm.findtext("display/details") == "task_Chiller.bob?P=LAB:&T=Chiller"
    assert (alarm.findtext("delay"), alarm.findtext("latching")) == ("10", "false")  # it has a hysteresis
    assert "CHANNEL Chiller LAB:Chiller:REPORT:Deviation_RBV ---T-\n" in files["db/pixieioc.alhConfig"]
    # The archive, the saved settings
    archived = {entry["pv"]: entry.get("controllingPV") for entry in json.loads(files["db/pixieioc-archive.json"])}
    assert archived["LAB:Chiller:REPORT:Deviation_RBV"] == "LAB:Acquire_RBV"
    assert archived["LAB:Chiller:Setpoint_RBV"] is None
    rows = list(csv.reader(files["db/pixieioc-save-restore.csv"].splitlines()))
    assert ["LAB:Chiller:Setpoint", "LAB:Chiller:Setpoint_RBV", "0"] in rows
    assert "\n$(P)Chiller:Setpoint\n" in files["db/pixieioc.req"]
    # The reference
    page = files["db/PVS.md"].splitlines()
    [row] = [line for line in page if "Chiller:Setpoint" in line]
    cells = ["`Chiller:Setpoint`, `Chiller:Setpoint_RBV`", "ao", "degC, -40 to 60", "EX", "as"]
    assert row.strip("| ").split(" | ") == [*cells, "The temperature that is wanted."]
    [row] = [line for line in page if "Chiller:REPORT:Deviation_RBV" in line]
    assert "MINOR from 2 K up; MAJOR from 5 K up. Add ice." in row
    # And the screens
    if "opi" in FOLDERS:
        assert any("Deviation_RBV" in text for path, text in files.items() if path.startswith("opi/"))


def test_what_was_changed_or_is_missing_is_named(folder: Path) -> None:
    (folder / "out" / "db" / "PVS.md").write_text("mine")
    (folder / "out" / "db" / "pixieioc.req").unlink()
    check = _generate(folder, "--check")
    assert (check.returncode, check.stdout) == (1, "")
    assert check.stderr == "pixieioc: not current in out: db/pixieioc.req, db/PVS.md\n"
    again = _generate(folder)
    assert again.stdout.endswith(" files, 2 of them written: db/pixieioc.req, db/PVS.md\n")


def test_what_cannot_be_written_is_one_line(folder: Path) -> None:
    (folder / "file").write_text("")
    done = _generate(folder, "--out", "file")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pixieioc: ")
    assert done.stderr.count("\n") == 1
    assert "file" in done.stderr


def test_another_prefix(folder: Path) -> None:
    assert _generate(folder, "--prefix", "XY:", "--out", "other").returncode == 0
    for path in (folder / "other").rglob("*"):
        if path.is_file():
            assert "LAB:" not in path.read_text(), path


def test_a_site_says_where_the_ioc_stands_among_others(folder: Path) -> None:
    options = ("--alarm-name", "PIXIE1", "--alarm-parent", "SITE/Detectors", "--display-folder", "screens/p1")
    assert _generate(folder, *options).returncode == 0
    root = ET.parse(folder / "out" / "db" / "pixieioc-alarms.xml").getroot()
    assert (root.tag, root.get("name")) == ("config", "SITE")
    tree = root.find("component[@name='Detectors']/component[@name='PIXIE1']")
    assert tree is not None
    assert [pv.get("name") for pv in tree.findall("pv")] == ["LAB:IOC:ALIVE"]
    assert tree.findtext("pv/description") == "*PIXIE1: the IOC is gone"
    links = [element.text or "" for element in root.iter("details") if ".bob?" in (element.text or "")]
    assert links
    assert all(link.startswith("screens/p1/") for link in links)
    alone = ET.parse(folder / "out" / "db" / "pixieioc-alarms-component.xml").getroot()
    assert (alone.tag, alone.get("name")) == ("component", "PIXIE1")
    assert [pv.get("name") for pv in alone.iter("pv")] == [pv.get("name") for pv in tree.iter("pv")]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--alarm-name", "a/b"), "must have no slash"),
        (("--alarm-name", " "), "must have no slash"),
        (("--alarm-parent", "SITE//A"), "a configuration and groups"),
        (("--alarm-parent", "MY SITE/A"), "letters, digits and . _ -"),
    ],
)
def test_names_that_an_alarm_server_cannot_have_are_refused(folder: Path, options: tuple[str, ...], says: str) -> None:
    before = _texts(folder)
    done = _generate(folder, *options)
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert _texts(folder) == before
