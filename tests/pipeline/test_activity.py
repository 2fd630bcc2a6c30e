"""The page that says what a task is doing."""

from __future__ import annotations

import time
from pathlib import Path

from pixieioc.pipeline.activity import Activity, page_of


def test_what_is_written_is_read_by_who_has_the_same_page(tmp_path: Path) -> None:
    path = page_of(f"ipc://{tmp_path}/7")
    read = Activity(path, create=True)
    began = time.monotonic()
    assert read.read(began).silent < 1
    write = Activity(path)

    write.start()
    doing = read.read(began + 20)
    assert 19 < doing.starting <= 20
    assert (doing.busy, doing.unanswered) == (0, 0)

    write.work()
    doing = read.read(began + 20)
    assert 19 < doing.busy == doing.unanswered <= 20
    write.sign()
    doing = read.read(began + 20)
    assert doing.unanswered < doing.busy
    write.waited(15)
    assert 4 < read.read(began + 20).busy <= 5

    write.sleep()
    assert read.read(began + 20).busy == 0
    write.beat()
    assert read.beats == 1
    path.unlink()  # whoever tidies up temporary folders
    write.beat()
    assert read.beats == 2
