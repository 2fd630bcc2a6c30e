"""One name, one task class: which of two a configuration gets must not be chance."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixieioc.pipeline import Task

MODULE = """
from pixieioc.pipeline import Task

class {}(Task):
    def do_work(self, datum): ...
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules; the classes that they define are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before, modules = set(Task.class_registry), set(sys.modules)
    yield tmp_path
    for name in set(Task.class_registry) - before:
        del Task.class_registry[name]
    for name in set(sys.modules) - modules:
        if name.startswith("fence_"):
            del sys.modules[name]


def test_two_classes_of_one_name_are_refused(folder: Path) -> None:
    for name in ("fence_a", "fence_b"):
        (folder / f"{name}.py").write_text(MODULE.format("Fence"))
    first = importlib.import_module("fence_a").Fence
    with pytest.raises(TypeError, match="task class fence_b.Fence: fence_a.Fence has this name already"):
        importlib.import_module("fence_b")
    assert Task.class_registry["Fence"] is first


def test_a_class_that_is_defined_again_takes_the_place_of_the_old_one(folder: Path) -> None:
    (folder / "fence_a.py").write_text(MODULE.format("Fence"))
    module = importlib.import_module("fence_a")
    again = importlib.reload(module)
    assert Task.class_registry["Fence"] is again.Fence


@pytest.mark.parametrize("loaded", [False, True])
def test_a_name_of_this_package_is_taken_whether_it_is_loaded_or_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch, loaded: bool
) -> None:
    monkeypatch.setattr(Task.class_registry, "_classes", {})
    if loaded:
        assert Task.class_registry["SortEvents"]
    (folder / "fence_c.py").write_text(MODULE.format("SortEvents"))
    with pytest.raises(TypeError, match=r"task class fence_c.SortEvents: pixieioc\.tasks\.sort_events"):
        importlib.import_module("fence_c")
