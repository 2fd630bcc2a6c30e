"""How much is written before a disk has taken it, by what that disk has taken so far."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest

from pixieioc.tasks.writeback import Writeback


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    with (tmp_path / "file").open("wb") as file:
        yield file.fileno()


class _Disk:
    """Takes what it is given in the time that is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds, self._now = 0.0, 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self._now)
        monkeypatch.setattr(os, "fdatasync", self._take)

    def _take(self, descriptor: int) -> None:
        self._now += self.seconds


def _write(writeback: Writeback, disk: _Disk, seconds: float) -> None:
    disk.seconds = seconds
    writeback.wrote(writeback.room)
    writeback.settle()


def test_a_disk_that_has_become_slow_gets_as_little_as_it_takes_in_a_moment(
    descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, writeback = _Disk(monkeypatch), Writeback(descriptor)
    for _ in range(5):
        _write(writeback, disk, 0.001)
    assert (writeback.rate, writeback.is_slow, writeback.room) == (inf, False, 1 << 24)
    _write(writeback, disk, 8.0)
    assert writeback.is_slow
    assert writeback.room < 1 << 20
    writeback.close()


def test_a_slow_disk_that_takes_a_little_at_once_is_slow_all_the_same(
    descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, writeback = _Disk(monkeypatch), Writeback(descriptor)
    for seconds in (1.0, 0.5, 0.001):
        _write(writeback, disk, seconds)
    assert writeback.is_slow
    assert 1e6 < writeback.rate < 2e6
    for _ in range(8):
        _write(writeback, disk, 0.02)
    assert not writeback.is_slow
    writeback.close()
