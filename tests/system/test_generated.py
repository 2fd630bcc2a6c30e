"""What the generated files name is there: asked from a running IOC by a real Channel Access client."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import aioca
import pytest

from pixieioc.export import outputs
from pixieioc.pvinfo.about import may_alarm
from pixieioc.pvinfo.description import Description
from tests.export.described import DEMO, of_file
from tests.running_ioc import Ioc, ioc_folder, running

#: The native type that Channel Access has for a record (0 text, 3 enum, 4 char, 5 long, 6 double).
TYPES = {
    **dict.fromkeys(("stringin", "stringout"), 0),
    **dict.fromkeys(("bi", "bo", "mbbi", "mbbo"), 3),
    **dict.fromkeys(("longin", "longout"), 5),
    **dict.fromkeys(("ai", "ao", "int64in", "int64out"), 6),
}
ELEMENTS = {"FLOAT": 2, "CHAR": 4, "LONG": 5, "DOUBLE": 6}


@pytest.fixture(scope="module")
def ioc() -> Iterator[Ioc]:
    """The demo's IOC."""
    with ioc_folder() as folder, running(Ioc(folder, "run", DEMO)) as ioc:
        yield ioc


@pytest.fixture(scope="module")
def description(ioc: Ioc) -> Description:
    """What the files are generated from, for the prefix of that IOC."""
    return of_file(DEMO, ioc.prefix)


async def _infos(names: list[str]) -> list[Any]:
    return list(await aioca.cainfo(names, timeout=60, throw=False))


def test_every_name_in_every_file_is_there_with_its_type(ioc: Ioc, description: Description) -> None:
    files = outputs(description)
    # In files with macros P stands for the prefix; a name that goes on with another macro is not a whole one.
    texts = [text.replace("$(P)", ioc.prefix).replace("$(P=PX16:)", ioc.prefix) for text in files.values()]
    found = {name for text in texts for name in re.findall(rf"{re.escape(ioc.prefix)}(\w[\w:]*)(?![\w:$])", text)}
    assert set(description.pvs) <= found
    names = sorted(found)
    infos = ioc._start(_infos([ioc.prefix + name for name in names])).result(60)
    absent = [name for name, info in zip(names, infos, strict=True) if not info.ok]
    assert absent == []
    for name, info in zip(names, infos, strict=True):
        pv = description.pvs[name]
        assert info.datatype == (ELEMENTS[pv.element] if pv.record == "waveform" else TYPES[pv.record]), name
        assert info.count == pv.length
        # What can be in alarm can be acknowledged, which is a put, too.
        assert info.write or not pv.access, name
        assert pv.access or not info.write or may_alarm(pv), name
