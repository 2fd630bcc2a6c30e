"""Who has which part of the memory that two processes share."""

from __future__ import annotations

import gc
import os
import resource

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.pipeline.shared import Extent, Space, Store

PAGE = 4096


def _both(pages: int) -> tuple[Store, Space]:
    store = Store(pages * PAGE)
    return store, Space(os.getpid(), store.descriptor)


def test_what_the_sender_puts_there_the_receiver_sees() -> None:
    store, space = _both(4)
    extent = space.take(100)
    assert extent is not None
    space.copy(b"abc", extent)
    assert bytes(store.view(extent.begin, 3, lambda: None)) == b"abc"


def test_the_receiver_can_only_look() -> None:
    store, _ = _both(1)
    assert store.view(0, 10, lambda: None).readonly


def test_a_view_says_when_nobody_looks_any_more() -> None:
    store, _ = _both(1)
    told: list[str] = []
    view = store.view(0, 10, lambda: told.append("done"))
    part = np.frombuffer(view, np.uint8)[2:4]
    del view
    gc.collect()
    assert not told
    del part
    gc.collect()
    assert told == ["done"]


@pytest.mark.parametrize(("begin", "size"), [(0, PAGE + 1), (-1, 4), (PAGE, 1), (0, 0), (2**62, 2**62), (0, -4)])
def test_nothing_is_seen_beyond_the_memory(begin: int, size: int) -> None:
    store, _ = _both(1)
    with pytest.raises(ValueError, match=f"shared memory of {PAGE}"):
        store.view(begin, size, lambda: None)


def test_all_of_the_memory_is_there_from_the_begin() -> None:
    pages = 256
    before = psutil.Process().memory_info().shared
    both = _both(pages)
    assert os.fstat(both[0].descriptor).st_blocks * 512 == pages * PAGE
    assert psutil.Process().memory_info().shared - before >= 2 * pages * PAGE  # for each of the two ends


def test_memory_that_is_not_to_be_had_is_an_error_and_no_surprise_later() -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PAGE, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            Store(2 * PAGE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_memory_of_a_process_that_is_gone_cannot_be_opened() -> None:
    with pytest.raises(OSError, match="No such file"):
        Space(2**22 + 1, 0)  # higher than any process number


def test_an_array_is_found_where_it_lies() -> None:
    _, space = _both(8)
    first, second = space.take(PAGE), space.take(2 * PAGE)
    assert first is not None
    assert second is not None
    array = space.array(second, 2 * PAGE)
    assert space.find(array[10:20].data) == (second, PAGE + 10)
    assert space.find(b"something else") is None
    assert space.find(np.zeros(10, np.uint8).data) is None


def test_an_array_leaves_its_place_when_nobody_looks_at_it_any_more() -> None:
    _, space = _both(2)
    extent = space.take(2 * PAGE)
    assert extent is not None
    array = space.array(extent, 2 * PAGE)
    view = array[5:]
    del array
    gc.collect()
    assert space.take(1) is None
    del view
    gc.collect()
    assert space.used == 0
    assert space.take(2 * PAGE) is not None


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5 * PAGE)), max_size=60))
def test_pieces_never_overlap_and_come_back_whole(script: list[tuple[bool, int]]) -> None:
    _, space = _both(16)
    taken: list[Extent] = []
    for leave, size in script:
        if leave and taken:
            space.leave(taken.pop(size % len(taken)))
        elif (extent := space.take(size)) is not None:
            assert size <= extent.end - extent.begin < size + PAGE
            taken.append(extent)
        else:  # nowhere is there room for it
            edges = [0, *(edge for e in sorted(taken, key=lambda e: e.begin) for edge in (e.begin, e.end)), 16 * PAGE]
            assert all(end - begin < size for begin, end in zip(edges[::2], edges[1::2], strict=True))
        pages = [page for e in taken for page in range(e.begin // PAGE, e.end // PAGE)]
        assert len(pages) == len(set(pages))
        assert all(0 <= page < 16 for page in pages)
        assert space.used == PAGE * len(pages)
    for extent in taken:
        space.leave(extent)
    assert space.take(16 * PAGE) is not None
