"""Descriptions of IOCs for the tests of what is generated from them."""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixieioc.config import load
from pixieioc.export import outputs
from pixieioc.pvinfo.description import Description
from tests.configs import config_of
from tests.running_ioc import ROOT

DEMO = ROOT / "examples" / "demo.toml"
EVERYTHING = (
    "TakeData", "DummyData", "LoadFiles", "GatherData", "ConvertToEvents", "SortEvents", "PickSingleModule",
    "GatherEvents", "FillSpectra", "WriteEvents", "CountEvents", "PrintData",
)  # fmt: skip


def described(*chain: str, prefix: str = "PX16:", **tasks: dict[str, Any]) -> Description:
    """The IOC of a chain."""
    return Description.of(config_of(chain, tasks, prefix=prefix))


@functools.cache
def of_file(path: Path, prefix: str | None = None) -> Description:
    """The IOC of a configuration file; many checks read it."""
    return Description.of(load(path, (), prefix))


def everything() -> Description:
    """One with every task, two modules, and another prefix."""
    return described(*EVERYTHING, prefix="LAB:P-1:", FillSpectra={"modules": 2, "channels": 3})


def committed() -> dict[str, str]:
    """The files that are in the repository, by their path."""
    folders = (ROOT / "db", ROOT / "opi")
    return {
        str(path.relative_to(ROOT)): path.read_bytes().decode()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@functools.cache
def of_demo() -> Mapping[str, str]:
    """What is generated for the demo."""
    return outputs(of_file(DEMO))


#: A file as XML, for those who only read it: many checks read the same.
parsed = functools.lru_cache(maxsize=1000)(ET.fromstring)

#: What is checked: the IOC that files are for, and the files that are not generated from that.
_CASES = {
    "committed": lambda: (of_file(DEMO), committed()),
    "replay.toml": lambda: (of_file(ROOT / "examples" / "replay.toml", "X:"), None),
    "branches.toml": lambda: (of_file(ROOT / "examples" / "branches.toml"), None),
    "energy_cut.toml": lambda: (of_file(ROOT / "examples" / "energy_cut.toml"), None),
    "everything": lambda: (everything(), None),
}
CASES = tuple(_CASES)


@functools.cache
def case(name: str) -> tuple[Mapping[str, str], Description]:
    """The files of one of CASES, and the IOC that they are for; many checks read them."""
    description, files = _CASES[name]()
    return files or outputs(description), description
