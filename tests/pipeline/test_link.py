"""A link loses nothing, is bounded, and does not copy what it need not."""

from __future__ import annotations

import contextlib
import gc
import select
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from pixieioc.pipeline.capacity import CAPACITY, MEMORY
from pixieioc.pipeline.frames import Buffer, MalformedMessage, Packet, pack
from pixieioc.pipeline.link import Offered, Receiver, Sender, files_of
from pixieioc.pipeline.message import Message
from tests.soak import SOAK

MB = 1024 * 1024
DATA = Message.DATA.emoji


class Link:
    """Both ends of a link, in one process."""

    def __init__(self, folder: Path) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.address = f"ipc://{folder}/link"
        self.told: list[str] = []
        self.sender = Sender(self.context, self.address, self.told.append)
        self.receiver = Receiver(self.context, self.address, self.told.append)
        self.begin(1)

    def begin(self, run: int) -> None:
        self.sender.begin(run)
        self.receiver.begin(run)

    def reconnect(self) -> None:
        """A new receiver takes the place of the old."""
        self.receiver.close()
        self.receiver = Receiver(self.context, self.address, self.told.append)

    def try_to_send(self, payload: Any) -> Offered:
        """One attempt, once the receiver is there."""
        assert self.sender.socket.poll(5000, zmq.POLLOUT)
        return self.sender.offer(pack(Packet(DATA, self.sender.run, self.sender.items + 1, payload)))

    def send(self, payload: Any) -> None:
        assert self.try_to_send(payload) is Offered.SENT

    def take(self) -> Any:
        """The next item, which is on its way."""
        while (packet := self.receiver.take()) is None:
            assert self.receiver.socket.poll(5000)
        return packet.payload

    def close(self) -> None:
        self.receiver.close()
        self.sender.close()
        self.context.term()


@contextlib.contextmanager
def _open(folder: Path) -> Iterator[Link]:
    link = Link(folder)
    try:
        yield link
    finally:
        link.close()


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Link]:
    with _open(tmp_path) as link:
        yield link


def test_large_arrays_lie_in_memory_that_is_shared(link: Link) -> None:
    link.send({"large": np.arange(MB), "small": np.arange(10)})
    assert link.sender.memory_used == 8 * MB
    got = link.take()
    assert np.array_equal(got["large"], np.arange(MB))
    assert np.array_equal(got["small"], np.arange(10))
    assert not got["large"].flags.writeable


def test_what_is_allocated_is_not_copied(link: Link) -> None:
    memory = link.sender.allocate(MB)
    assert memory is not None
    memory[:] = 1
    link.send([memory[: MB // 2], memory[MB // 2 :]])
    first, second = link.take()
    memory[-1] = 7  # nobody may do that, and here it shows that this is the same memory
    assert first.sum() == MB // 2
    assert second[-1] == 7


def test_memory_is_free_again_when_both_ends_have_forgotten_it(link: Link) -> None:
    memory = link.sender.allocate(MB)
    assert memory is not None
    link.send(memory)
    got = link.take()
    del memory
    gc.collect()
    assert link.sender.memory_used == MB
    del got
    gc.collect()
    assert link.sender.memory_used == 0


def test_an_array_may_be_sent_twice(link: Link) -> None:
    memory = link.sender.allocate(MB)
    assert memory is not None
    memory[:] = 3
    link.send(memory)
    link.send(memory)
    del memory
    assert link.take().sum() == 3 * MB  # and is forgotten
    gc.collect()
    assert link.sender.memory_used == MB
    assert link.take().sum() == 3 * MB


def test_a_receiver_that_dies_while_something_is_sent_gets_nothing(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = link.sender._copied

    def die_first(frames: list[Buffer]) -> list[Buffer] | None:
        link.receiver.close()
        while link.sender.socket.poll(0, zmq.POLLOUT):
            pass
        return placed(frames)

    memory = link.sender.allocate(MB)
    with monkeypatch.context() as patch:
        patch.setattr(link.sender, "_copied", die_first)
        assert link.try_to_send([memory, np.ones(MB)]) is Offered.NOBODY
    assert link.sender.items == 0
    del memory
    gc.collect()
    assert link.sender.memory_used == 0
    link.reconnect()
    link.begin(2)
    link.send("still in order")
    assert link.take() == "still in order"


def test_a_link_takes_so_many_items_and_no_more(link: Link) -> None:
    for number in range(CAPACITY):
        link.send(number)
    assert link.try_to_send("one too many") is Offered.FULL
    assert link.receiver.use == 100
    assert link.take() == 0
    assert select.select([link.sender.credits], [], [], 5)[0]  # the sender is woken
    link.send("now")
    assert [link.take() for _ in range(CAPACITY)] == [*range(1, CAPACITY), "now"]
    assert link.receiver.waiting == 0
    assert link.receiver.use == 0


def test_the_end_of_the_stream_is_not_held_up_by_a_full_link(link: Link) -> None:
    for number in range(CAPACITY):
        link.send(number)
    end = pack(Packet(Message.FINISHED, 1, link.sender.items))
    assert link.sender.offer(end, is_item=False) is Offered.SENT
    assert [link.take() for _ in range(CAPACITY)] == list(range(CAPACITY))
    assert link.take() is None
    assert link.receiver.missing == 0


def test_a_link_is_full_when_its_memory_is(link: Link) -> None:
    size = 8 * MB
    for number in range(MEMORY // size):
        link.send(np.full(size, number, np.uint8))
    assert link.try_to_send(np.full(size, 99, np.uint8)) is Offered.FULL
    assert link.receiver.use == 100
    assert link.take()[-1] == 0
    gc.collect()
    link.send(np.full(size, 99, np.uint8))
    assert [int(link.take()[-1]) for _ in range(MEMORY // size)] == [*range(1, MEMORY // size), 99]


def test_a_receiver_that_holds_everything_gets_the_rest_through_the_socket(link: Link) -> None:
    size, held = 8 * MB, list[Any]()
    for number in range(3 * MEMORY // size):
        link.send(np.full(size, number, np.uint8))
        held.append(link.take())
    assert [int(array[0]) for array in held] == [int(array[-1]) for array in held] == list(range(len(held)))
    assert link.receiver.missing == 0
    assert link.receiver.bytes == link.sender.bytes


def test_what_is_larger_than_the_memory_goes_through_the_socket(link: Link) -> None:
    link.send(np.full(MEMORY + 1, 5, np.uint8))
    got = link.take()
    assert len(got) == MEMORY + 1
    assert got[0] == got[-1] == 5
    assert link.sender.memory_used == 0


def test_what_the_receiver_holds_outlives_the_link(link: Link) -> None:
    link.send(np.arange(MB))
    got = link.take()
    link.reconnect()
    link.begin(2)
    link.send(np.zeros(2 * MB))
    assert link.take().sum() == 0
    assert np.array_equal(got, np.arange(MB))


def test_a_new_receiver_has_new_memory(link: Link) -> None:
    for number in range(3):  # nobody ever takes these
        link.send(np.full(8 * MB, number, np.uint8))
    link.reconnect()
    link.begin(2)
    link.send(np.full(MEMORY, 9, np.uint8))
    assert link.sender.memory_used == MEMORY
    assert link.take()[-1] == 9


def test_without_a_receiver_nothing_is_taken(tmp_path: Path) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sender = Sender(context, f"ipc://{tmp_path}/link", print)
    sender.begin(1)
    assert sender.allocate(MB) is None
    assert sender.offer(pack(Packet(DATA, 1, 1, np.zeros(MB)))) is Offered.NOBODY
    assert sender.items == 0
    sender.close()
    context.term()


def test_a_receiver_without_shared_memory_gets_everything_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.memfd_create")
    with _open(tmp_path) as link:
        assert "no memory is shared" in link.told[0]
        link.send(np.arange(MB))
        assert link.sender.memory_used == 0
        assert np.array_equal(link.take(), np.arange(MB))


def test_remains_of_an_earlier_run_are_thrown_away_and_their_memory_is_free(link: Link) -> None:
    for number in range(3):
        link.send(np.full(MB, number, np.uint8))
    link.begin(2)
    link.send("new")
    assert link.take() == "new"
    gc.collect()
    assert link.sender.memory_used == 0
    assert link.receiver.items == 1


def test_all_files_of_a_link_are_known(link: Link) -> None:
    folder = Path(link.address.removeprefix("ipc://")).parent
    assert sorted(files_of(link.address)) == sorted(folder.iterdir())


@pytest.mark.parametrize(
    "places",
    [b"x", struct.pack("<4Q", 1, 1, MEMORY, 1), struct.pack("<4Q", 9, 1, 0, 1), struct.pack("<4Q", 1, 1, 0, 2**63)],
    ids=["not a table", "beyond the memory", "no such frame", "absurdly large"],
)
def test_garbage_is_refused(link: Link, places: bytes) -> None:
    link.sender.socket.send_multipart([places, *pack(Packet(DATA, 1, 1, "x"))])
    assert link.receiver.socket.poll(5000)
    with pytest.raises(MalformedMessage):
        link.receiver.take()


#: Memory of the links with random scripts. Three items fill it, as more would fill more, which takes ten times as long.
_LITTLE = 2 * MB
_ACTIONS = st.one_of(
    st.tuples(st.just("send"), st.integers(1, _LITTLE // 3)),
    st.tuples(st.just("send allocated"), st.integers(1, _LITTLE // 3)),
    st.tuples(st.just("take"), st.just(0)),
    st.tuples(st.just("forget"), st.integers(0, 20)),
)


@settings(max_examples=20 * SOAK)
@given(script=st.lists(_ACTIONS, max_size=60))
def test_every_item_arrives_once_in_order_and_stays_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, script: list[tuple[str, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setattr("pixieioc.pipeline.link.MEMORY", _LITTLE)
        link = stack.enter_context(_open(tmp_path_factory.mktemp("link")))
        sent = taken = 0
        held: list[tuple[int, Any]] = []

        def take() -> None:
            nonlocal taken
            got = link.take()
            assert got["number"] == taken
            held.append((taken, got["array"]))
            taken += 1

        for what, size in script:
            if what.startswith("send"):
                memory = link.sender.allocate(size) if "allocated" in what else None
                array = np.empty(size, np.uint8) if memory is None else memory
                array[:] = sent % 251
                while link.try_to_send({"number": sent, "array": array}) is Offered.FULL:
                    take()
                sent += 1
                del memory, array
            elif what == "take" and taken < sent:
                take()
            elif what == "forget" and held:
                held.pop(size % len(held))
            assert all(array[0] == array[-1] == number % 251 for number, array in held)
        while taken < sent:
            take()
        assert all((array == number % 251).all() for number, array in held)
        assert link.receiver.items == link.sender.items == sent
        assert link.receiver.bytes == link.sender.bytes
        held.clear()
        gc.collect()
        assert link.sender.memory_used == 0


@settings(max_examples=20 * SOAK)
@given(st.lists(st.one_of(st.none(), st.integers(1, 9 * MB)), max_size=15))
def test_whether_there_is_room_is_known_before_and_asking_changes_nothing(steps: list[int | None]) -> None:
    # None: the receiver takes an item, and keeps what it has taken.
    with tempfile.TemporaryDirectory() as folder, _open(Path(folder)) as link:
        assert link.sender.socket.poll(5000, zmq.POLLOUT)
        kept: list[Any] = []
        for step in steps:
            if step is None:
                kept += [link.take()] if link.receiver.waiting else []
                continue
            frames = pack(Packet(DATA, 1, link.sender.items + 1, np.zeros(step, np.uint8)))
            used = link.sender.memory_used
            foreseen = link.sender.has_room(frames)
            assert link.sender.memory_used == used
            assert (link.sender.offer(frames) is Offered.SENT) == foreseen
        del kept
