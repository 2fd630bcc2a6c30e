"""Generated detectors are devices of the real libraries: no name of a signal is one that these have already."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import ophyd
import pytest
from ophyd_async.core import StandardReadable
from ophyd_async.epics.core import EpicsDevice

from pixieioc.config import load
from pixieioc.export.devices import RESERVED, detectors
from pixieioc.pvinfo.description import Description

DEMO = Path(__file__).parents[2] / "examples" / "demo.toml"


def test_what_devices_have_is_reserved() -> None:
    there = {name for cls in (ophyd.Device, StandardReadable, EpicsDevice) for name in dir(cls)}
    assert {name for name in there if re.fullmatch("[a-z][a-z0-9_]*", name)} <= RESERVED


def test_a_detector_for_ophyd_async_can_be_made(tmp_path: Path) -> None:
    detector = _module(tmp_path / "pixie_aio.py").Detector(read=["m00_c01"], arrays=["spectrum"], name="det")
    assert detector.m00_c01.roi1_counts.name == "det-m00_c01-roi1_counts"
    assert detector.m00_c01.name_.name == "det-m00_c01-name_"
    assert detector.run_id.source == "ca://PX16:RunId_RBV"
    assert "det-m00_c01-rate" in detector.hints["fields"]
    assert "det-m00_c02-rate" not in detector.hints["fields"]


def test_one_for_ophyd_has_the_same(tmp_path: Path) -> None:
    cls = _module(tmp_path / "pixie_classic.py").Detector
    assert {"run_id", "m00_c00", "m00_c03", "raw_files"} <= set(cls.component_names)
    assert {"roi1_counts", "name_", "spectrum"} <= set(cls.m00_c01.cls.component_names)


def test_a_channel_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no channels m07_c00; there are m00_c00, "):
        _module(tmp_path / "pixie_aio.py").Detector(read=["m07_c00"])


def test_ophyd_has_no_pvaccess(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ophyd has no PVAccess"):
        _module(tmp_path / "pixie_classic.py").Detector("pva://NONE:", name="det")


def _module(path: Path) -> ModuleType:
    path.write_text(detectors(Description.of(load(DEMO, (), None)))[path.name])
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
