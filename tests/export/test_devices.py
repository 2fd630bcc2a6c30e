"""Detectors for bluesky that are generated: modules of Python with every channel and region of a configuration."""

from __future__ import annotations

import ast

import pytest

from pixieioc.export.devices import detectors
from pixieioc.pipeline import Task
from pixieioc.pvinfo.description import Description
from tests.configs import config_of

CHAIN = ("DummyData", "GatherData", "ConvertToEvents", "GatherEvents", "FillSpectra", "WriteEvents")


def _made() -> dict[str, str]:
    crate = {"modules": 2, "channels": 3}
    given = {name: dict(crate) for name in CHAIN if crate.keys() <= Task.class_registry[name].parameters().keys()}
    given["FillSpectra"]["rois"] = 2
    return dict(detectors(Description.of(config_of(CHAIN, given, prefix="LAB:"))))


@pytest.mark.parametrize("name", ["pixie_aio.py", "pixie_classic.py"])
def test_a_module_has_all_channels_their_regions_and_the_lists_of_files(name: str) -> None:
    text = _made()[name]
    module = ast.parse(text)
    channel, detector = (node for node in module.body if isinstance(node, ast.ClassDef))
    assert (channel.name, detector.name) == ("Channel", "Detector")
    for member in ("counts", "spectrum", "roi1_counts", "roi2_net", "roi2_low", "roi2_name", "output_count_rate"):
        assert f"    {member}" in text, member
    for place in ("m00_c00", "m00_c02", "m01_c02"):
        assert f'{place}",' in text
        assert f"{place[:3].upper()}:{place[4:].upper()}:" in text
    assert '{"raw": "raw_files", "events": "events_files"}' in text
    assert '"WriteEvents:REPORT:RunFiles_RBV"' in text
    assert "LAB:" in text


def test_what_tells_of_the_moment_is_not_read() -> None:
    made = _made()
    assert 'PvSuffix("OutputCountRate_RBV")]' in made["pixie_aio.py"]
    assert 'unread("OutputCountRate_RBV")' in made["pixie_classic.py"]
    assert 'PvSuffix("Counts_RBV"), Format.HINTED_UNCACHED_SIGNAL]' in made["pixie_aio.py"]
    assert 'reading("Counts_RBV", "hinted")' in made["pixie_classic.py"]


def test_no_line_is_longer_than_others_of_the_project() -> None:
    assert [line for text in _made().values() for line in text.splitlines() if len(line) > 120] == []
