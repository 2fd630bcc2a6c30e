"""Files of events on a disk that is slow, as the disk of a busy file server: it holds up the run, not its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.listmode.variant import variant
from pixieioc.pipeline import Error
from pixieioc.tasks.event_formats import new_file
from tests.listmode.samples import random_events
from tests.silent_disk import silent_disk, why_not
from tests.stopwatch import Stopwatch
from tests.tasks.test_write_events import FORMATS, read

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())
#: What the disk takes, in bytes per second.
_RATE = 3e6


@pytest.fixture(scope="module")
def block() -> Events:
    """Events that no compression makes smaller."""
    return random_events(variant(500, 34688), 40_000, 1, parts=0, traces=False)


@pytest.mark.parametrize("form", FORMATS)
def test_who_writes_waits_for_it_and_the_end_is_short(tmp_path: Path, form: str, block: Events) -> None:
    with silent_disk(tmp_path / "disk", _RATE) as disk:
        file = new_file(disk.folder / f"e.{form}", form)
        began = Stopwatch()
        while file.size < 1.5 * _RATE:
            file.write(block)
        lasted, size = began.elapsed, file.size
        written = Stopwatch()
        file.finish({})
        assert lasted > 0.6 * size / _RATE
        assert written.taken < 0.5 * lasted
        assert len(read(disk.folder / f"e.{form}")["time"]) == file.events


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_is_given_up_with_what_it_has_when_there_is_no_more_time(
    tmp_path: Path, form: str, block: Events
) -> None:
    with silent_disk(tmp_path / "disk", _RATE) as disk:
        path = disk.folder / f"e.{form}"
        file = new_file(path, form, {}, lambda: file.size > _RATE)
        given = 0

        def write() -> None:
            nonlocal given
            while given < 40 * ev.size(block):
                given += ev.size(block)
                file.write(block)

        with pytest.raises(Error, match=rf"the disk is too slow: .*e.{form} had \d+ events when the run had to end"):
            write()
        rest = file.rescue(dict)
        assert len(read(path)["time"]) == file.events > 0
        assert file.events + sum(map(ev.size, rest)) == given
        assert not list(disk.folder.glob("*.part"))
