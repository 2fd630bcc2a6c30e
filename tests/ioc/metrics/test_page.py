"""The page about metrics names what there is, and its files are taken by Prometheus' own tool."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pixieioc.ioc.metrics.families import families_of
from pixieioc.pipeline.graph import Branch
from pixieioc.pvinfo.build import all_pvs
from tests.configs import config_of
from tests.ioc.metrics.test_text import EVERYTHING, RECSYNC

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "metrics.md").read_text()
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")


def test_every_metric_that_it_names_is_there() -> None:
    config = config_of(EVERYTHING, {"Sampled": {"class": "CountEvents"}}, ioc=RECSYNC, branches=_branch())
    names = {family.name for family in families_of(all_pvs(config).values())} | {"pixieioc_info"}
    named = {f"pixieioc{name}" for name in re.findall(r"`_?(?:pixieioc)?(_\w+)`", PAGE)}
    named |= set(re.findall(r"\bpixieioc_\w+", PAGE))
    named -= {"pixieioc_task_accepted", "pixieioc_total"}  # an example, and the end of a name
    assert len(named) > 35
    assert named - names == set()


def _branch() -> tuple[Branch, ...]:
    return (Branch("GatherEvents", ("Sampled",), "sampling"),)


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool")
@pytest.mark.parametrize(("file", "check"), [("prometheus.yml", "config"), ("pixieioc-rules.yml", "rules")])
def test_promtool_takes_its_files(tmp_path: Path, file: str, check: str) -> None:
    found = re.search(rf"<!-- {file} -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    (tmp_path / file).write_text(found[1])
    done = subprocess.run(
        [PROMTOOL or "", "check", check, tmp_path / file], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool")
def test_promtool_understands_its_questions(tmp_path: Path) -> None:
    questions = [row.split("|")[2] for row in PAGE.split("# What to ask")[1].split("## ")[0].splitlines() if "`" in row]
    rules = "".join(
        f"      - record: a{i}\n        expr: {re.findall(r'`(.*?)`', q)[0]}\n" for i, q in enumerate(questions)
    )
    (tmp_path / "rules.yml").write_text("groups:\n  - name: x\n    rules:\n" + rules)
    assert len(questions) == 7
    done = subprocess.run(
        [PROMTOOL or "", "check", "rules", tmp_path / "rules.yml"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
