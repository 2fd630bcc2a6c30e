"""What the fork server gives to every task before it begins."""

from __future__ import annotations

import ctypes
from multiprocessing.connection import Connection

import numpy as np
import pytest

from pixieioc.pipeline.forked import PROCESSES
from pixieioc.pipeline.process import prepare

_C_LIBRARY = ctypes.CDLL(None)


class _MallocInfo(ctypes.Structure):
    """What glibc's mallinfo2 returns: numbers of bytes and blocks."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "in_use", "fordblks", "top")
    ]


def _in_use() -> int:
    """The bytes that malloc has handed out."""
    _C_LIBRARY.mallinfo2.restype = _MallocInfo
    return _C_LIBRARY.mallinfo2().in_use


def _kept_of_small_arrays(answer: Connection) -> None:
    """Sends how many bytes are in use after arrays of all small sizes have come and gone that were not before."""
    before = _in_use()
    for size in range(1100):
        _ = [np.empty(size, np.uint8) for _ in range(10)]
    answer.send(_in_use() - before)


@pytest.mark.skipif(not hasattr(_C_LIBRARY, "mallinfo2"), reason="only glibc tells what is in use, from 2.33 on")
def test_small_arrays_of_all_sizes_make_no_task_grow() -> None:
    """Numpy keeps 3.6 MB of them, which tasks with data of random sizes would fill up for hours."""
    prepare()
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_kept_of_small_arrays, args=(theirs,))
    process.start()
    assert ours.poll(60)
    assert ours.recv() < 200_000
    process.join(10)
    process.close()
