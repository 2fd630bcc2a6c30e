"""What control groups leave to a process, read from files as the kernel has them in both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixieioc.pipeline import control_groups
from pixieioc.pipeline.control_groups import killed_for_memory, left


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(control_groups, "_ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(control_groups, "_OWN", tmp_path / "own")
    return tmp_path


def _group(here: Path, path: str, **files: object) -> Path:
    folder = here / "cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")
    return folder


def test_the_narrowest_of_all_groups_counts(here: Path) -> None:
    (here / "own").write_text("0::/system.slice/ioc.service\n")
    outer = _group(here, "system.slice", pids__max=100, pids__current=40, memory__max="max", memory__current=7)
    assert left("pids") == (60, outer / "pids.max")
    inner = _group(
        here, "system.slice/ioc.service", pids__max=50, pids__current=49, memory__max=1000, memory__current=900,
        memory__stat="anon 300\ninactive_file 500",
    )  # fmt: skip
    assert left("pids") == (1, inner / "pids.max")
    assert left("memory") == (600, inner / "memory.max")


def test_version_1_has_a_tree_for_each_controller(here: Path) -> None:
    (here / "own").write_text("9:name=systemd:/\n8:pids:/job\n4:memory:/\n0::/\n")
    job = _group(here, "pids/job", pids__max=30, pids__current=10)
    _group(here, "memory", memory__limit_in_bytes=2**63 - 4096, memory__usage_in_bytes=1)
    assert left("pids") == (20, job / "pids.max")
    assert left("memory") is None


def test_without_groups_nothing_is_limited(here: Path) -> None:
    assert left("pids") is None
    (here / "own").write_text("0::/../elsewhere\n")
    assert left("pids") is None


def test_what_the_kernel_has_killed_is_counted(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_groups, "_COUNTS", here / "vmstat")
    assert killed_for_memory() == 0
    (here / "vmstat").write_text("nr_free_pages 7\noom_kill 3\n")
    assert killed_for_memory() == 3
