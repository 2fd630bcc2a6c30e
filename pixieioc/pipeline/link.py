"""The data plane: one bounded link from a task to the next, PUSH to PULL, that accounts for every item.

The sender binds its endpoint, keeps a page of counters beside it, which the receiver maps, and a pipe of credits
(`link_credits.py`) on which the receiver tells how far it is. Large frames lie in memory that both have (`shared.py`),
as long as there is room in it: on the socket goes where. A number in each item shows a lost one at once.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zmq

from pixieioc.pipeline import link_credits
from pixieioc.pipeline.capacity import CAPACITY, MEMORY
from pixieioc.pipeline.frames import Buffer, MalformedMessage, Packet, nbytes, unpack
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.shared import Bytes, Extent, Space, Store

#: A frame of fewer bytes is sent as fast as its located is told.
_WORTH_SHARING = 32 * 1024
#: Where a frame lies: its number in the message, the ticket to be given back, first byte and size.
_PLACE = struct.Struct("<4Q")
#: Places on the page of counters; `_USE` is how much of the memory is in use, %.
_RUN, _ITEMS, _BYTES, _USE = range(4)


def files_of(address: str) -> tuple[Path, ...]:
    """What a link at an `ipc://` address has in the file system."""
    return Path(address.removeprefix("ipc://")), _page_of(address), link_credits.path_of(address)


def _page_of(address: str) -> Path:
    return Path(address.removeprefix("ipc://") + ".count")


class Offered(Enum):
    """What became of a message that was offered to a link: it is sent, or why it is not."""

    SENT = "sent"
    FULL = "the receiver must take something first: it tells by the pipe"
    NOBODY = "there is nobody at the other end, who would take it from the socket"


class _Located(NamedTuple):
    """Where a frame is to lie, and whether it is there already."""

    frame: int
    extent: Extent
    begin: int
    there: bool


class Sender:
    """The sending end of a link; bound to `address` (an `ipc://` path) as long as it exists."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        log: Callable[[str], None],
        *,
        copies: bool = False,
    ) -> None:
        """With `copies` nothing refers to the sender's data while it waits in the socket.

        They may lie in memory that is shared with another receiver, who must not have to wait for this one.
        """
        self._address, self._copies = address, copies
        self.socket = context.socket(zmq.PUSH)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.SNDHWM, CAPACITY + 1)  # and the end of the stream
        self.credits = link_credits.Reader(address)
        self._page = np.memmap(_page_of(address), np.uint64, "w+", shape=(4,))
        self._log = log
        self._space: Space | None = None
        self._tickets: dict[int, Extent] = {}
        self._ticket = 0
        self.begin(0)
        self.socket.bind(address)

    def begin(self, run: int) -> None:
        """Counts from zero, for a new run."""
        self.run = run
        self.items = self.bytes = self._taken = 0
        self._page[_ITEMS] = self._page[_BYTES] = self._page[_USE] = 0
        self._page[_RUN] = run
        self._listen()

    def allocate(self, size: int) -> Bytes | None:
        """Memory that the receiver has too, for data that will be sent; None if there is none now."""
        if size < _WORTH_SHARING:
            return None
        self._listen()
        space = self._space
        extent = space.take(size) if space is not None else None
        return space.array(extent, size) if space is not None and extent is not None else None

    def has_room_soon(self, size: int) -> bool:
        """Whether it is worth waiting for memory: the receiver is to take items that lie in it."""
        return self._space is not None and _WORTH_SHARING <= size <= self._space.size and self.items > self._taken

    def has_room(self, frames: Sequence[Buffer]) -> bool:
        """Whether an item would be sent at once."""
        if not self.socket.poll(0, zmq.POLLOUT):
            return False
        self._listen()
        if self.items - self._taken >= CAPACITY:
            return False
        found = self._found(frames)
        for located in found or ():
            if located is not None and self._space is not None:
                self._space.leave(located.extent)
        return found is not None

    def offer(self, frames: Sequence[Buffer], *, is_item: bool = True) -> Offered:
        """Hands a message to the link, and counts it if it is an item, unless that is impossible now."""
        # In this order: who takes from the socket has told of its memory before, so that memory is used and no other's.
        if not self.socket.poll(0, zmq.POLLOUT):
            return Offered.NOBODY
        self._listen()
        if is_item and self.items - self._taken >= CAPACITY:
            return Offered.FULL
        tickets = self._ticket
        copied = self._copied(frames)
        if copied is None:
            self._page[_USE] = 100
            return Offered.FULL
        try:
            self.socket.send_multipart(copied, zmq.DONTWAIT, copy=False)
        except zmq.Again:  # the receiver has died since it was looked for
            self._withdraw(tickets)
            return Offered.NOBODY
        if is_item:
            self.items += 1
            self.bytes += nbytes(frames)
            self._page[_ITEMS], self._page[_BYTES] = self.items, self.bytes
            self._page[_USE] = 100 * self.memory_used // MEMORY
        return Offered.SENT

    @property
    def memory_used(self) -> int:
        """Bytes in use of the memory that is shared."""
        self._listen()
        return self._space.used if self._space is not None else 0

    def remove(self) -> None:
        """Closes the link and removes what it has in the file system."""
        self.close()
        for path in files_of(self._address):
            path.unlink(missing_ok=True)

    def close(self, linger: float = 0.0) -> None:
        """Unbinds; what was handed over and does not get to the receiver within `linger` seconds is lost."""
        self.socket.close(linger=int(1e3 * linger))
        self.credits.close()

    def _copied(self, frames: Sequence[Buffer]) -> list[Buffer] | None:
        """The message with its large frames in the memory that is shared; None if there will be room in it soon."""
        space = self._space
        if space is None:
            return [b"", *(map(bytes, frames) if self._copies else frames)]
        found = self._found(frames)
        if found is None:
            return None
        places = [located for located in found if located is not None]
        others = [frame for frame, located in zip(frames, found, strict=True) if located is None]
        for located in places:
            if not located.there:
                space.copy(frames[located.frame], located.extent)
        tickets = b"".join(self._ticket_for(located, len(frames[located.frame])) for located in places)
        return [tickets, *(map(bytes, others) if self._copies else others)]

    def _found(self, frames: Sequence[Buffer]) -> list[_Located | None] | None:
        """A located in the memory for each frame that is large; None if there will be room in it soon."""
        space = self._space
        if space is None:
            nowhere: list[_Located | None] = [None] * len(frames)
            return nowhere
        found: list[_Located | None] = []
        for number, frame in enumerate(frames):
            located = _locate(space, number, frame) if _WORTH_SHARING <= len(frame) <= space.size else None
            if located is None and self.has_room_soon(len(frame)):
                for other in filter(None, found):
                    space.leave(other.extent)
                return None
            found.append(located)  # None: it is small, or too large; or the receiver holds all that was sent
        return found

    def _ticket_for(self, located: _Located, size: int) -> bytes:
        self._ticket += 1
        self._tickets[self._ticket] = located.extent
        return _PLACE.pack(located.frame, self._ticket, located.begin, size)

    def _withdraw(self, since: int) -> None:
        """Takes back the tickets after `since`, which nobody has got."""
        for ticket in range(since + 1, self._ticket + 1):
            extent = self._tickets.pop(ticket)
            if self._space is not None:
                self._space.leave(extent)

    def _listen(self) -> None:
        """Takes in what the receiver has told."""
        for what, a, b in self.credits.read():
            if what == link_credits.TAKEN and a == self.run:
                self._taken = b
            elif what == link_credits.RETURNED and a in self._tickets and self._space is not None:
                self._space.leave(self._tickets.pop(a))
            elif what == link_credits.JOINED:  # a new receiver, or the same with new memory: the old is no longer used
                self._tickets.clear()
                self._space = None
                with _or_by_socket(self._log):
                    self._space = Space(a, b)


class Receiver:
    """The receiving end of a link, connected to the sender at `address`."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: str, log: Callable[[str], None]) -> None:
        self.socket = context.socket(zmq.PULL)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.RCVHWM, CAPACITY)
        self._page = np.memmap(_page_of(address), np.uint64, "r", shape=(4,))
        self._credits = link_credits.Writer(address)
        self._store: Store | None = None
        with _or_by_socket(log):
            self._store = Store(MEMORY)
            self._credits.write(link_credits.JOINED, os.getpid(), self._store.descriptor)
        self.socket.connect(address)
        self.begin(0)

    def begin(self, run: int) -> None:
        """Counts from zero, for a new run."""
        self.run = run
        self.items = self.bytes = self.missing = 0

    def take(self) -> Packet | None:
        """The next message of this run, or None if there is none now; remains of an earlier run are thrown away."""
        with contextlib.suppress(zmq.Again):
            while True:
                received = self.socket.recv_multipart(zmq.DONTWAIT, copy=False)
                frames = self._gathered(received[0].buffer, [frame.buffer for frame in received[1:]])
                packet = unpack(frames)
                if packet.run == self.run:
                    self._account(packet, frames)
                    return packet
        return None

    def _gathered(self, places: memoryview, frames: list[memoryview]) -> Sequence[Buffer]:
        """The frames of a message, those from the socket and those that lie in the memory that is shared."""
        try:
            for number, ticket, begin, size in _PLACE.iter_unpack(places):
                if self._store is None or number > len(frames):
                    raise ValueError(f"frame {number}: there is no shared memory, or there are too few frames before")
                frames.insert(number, self._store.view(begin, size, self._credits.returner(ticket)))
        except (struct.error, ValueError) as error:
            raise MalformedMessage(f"not a message: {error}") from error
        return frames

    def _account(self, packet: Packet, frames: Sequence[Buffer]) -> None:
        # Items are numbered from 1, and the end of the stream carries the number of the last one.
        is_item = packet.kind != Message.FINISHED
        self.missing += max(0, packet.number - (self.items + self.missing + is_item))
        if is_item:
            self.items += 1
            self.bytes += nbytes(frames)
            self._credits.write(link_credits.TAKEN, self.run, self.items + self.missing)

    @property
    def is_orphaned(self) -> bool:
        """Whether the sender's process is gone; what it has sent may still be on its way."""
        return self._credits.nobody_reads

    @property
    def waiting(self) -> int:
        """Items that were sent in this run and not taken yet, wherever they are."""
        if int(self._page[_RUN]) != self.run:
            return 0
        return max(0, int(self._page[_ITEMS]) - self.items - self.missing)

    @property
    def use(self) -> float:
        """How full the link is, in %: by items, or by the memory that they take."""
        waiting = self.waiting
        return max(100.0 * min(1.0, waiting / CAPACITY), float(self._page[_USE])) if waiting else 0.0

    def close(self) -> None:
        """Disconnects; what has not been taken is lost."""
        self.socket.close()


@contextlib.contextmanager
def _or_by_socket(log: Callable[[str], None]) -> Iterator[None]:
    """Where memory cannot be shared, that is told, and everything goes through the socket."""
    try:
        yield
    except OSError as error:
        log(f"no memory is shared between tasks, which makes them slower: {error.strerror or error}")


def _locate(space: Space, number: int, frame: Buffer) -> _Located | None:
    """A located for a frame: where it lies, if that is in the memory that is shared; None if there is no room."""
    found = space.find(frame)
    if found is not None:
        extent, begin = found
        extent.users += 1
        return _Located(number, extent, begin, there=True)
    extent = space.take(len(frame))
    return None if extent is None else _Located(number, extent, extent.begin, there=False)
