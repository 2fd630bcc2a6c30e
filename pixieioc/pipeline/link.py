"""The data plane: one bounded link from a task to the next, PUSH to PULL, that accounts for every item.

The sender binds its endpoint and keeps a page of counters beside it, which the receiver maps: so the receiver knows how
much is on its way without a message for it. A number in each item shows a lost one at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import zmq

from pixieioc.pipeline.frames import Buffer, Packet, nbytes, unpack
from pixieioc.pipeline.message import Message

#: Items that a link holds before its sender has to wait.
CAPACITY = 16
#: Of these, what waits on the sender's side.
_SENDER_SIDE = 2
#: Places on the page of counters.
_RUN, _ITEMS, _BYTES = range(3)


def _page_of(address: str) -> Path:
    return Path(address.removeprefix("ipc://") + ".count")


class Outlet:
    """The sending end of a link; bound to `address` (an `ipc://` path) as long as it exists."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: str) -> None:
        self.socket = context.socket(zmq.PUSH)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.SNDHWM, _SENDER_SIDE)
        self.socket.bind(address)
        self._page = np.memmap(_page_of(address), np.uint64, "w+", shape=(3,))
        self.begin(0)

    def begin(self, run: int) -> None:
        """Counts from zero, for a new run."""
        self.items = self.bytes = 0
        self._page[_ITEMS] = self._page[_BYTES] = 0
        self._page[_RUN] = run

    def offer(self, frames: Sequence[Buffer]) -> bool:
        """Hands a message to the link; False if the link is full or nobody is at its other end."""
        try:
            self.socket.send_multipart(frames, zmq.DONTWAIT, copy=False)
        except zmq.Again:
            return False
        return True

    def count(self, frames: Sequence[Buffer]) -> None:
        """Counts an item that was handed over."""
        self.items += 1
        self.bytes += nbytes(frames)
        self._page[_ITEMS], self._page[_BYTES] = self.items, self.bytes

    def close(self) -> None:
        """Unbinds; what was handed over and not yet taken is lost."""
        self.socket.close()


class Inlet:
    """The receiving end of a link, connected to the outlet at `address`."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: str) -> None:
        self.socket = context.socket(zmq.PULL)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.RCVHWM, CAPACITY - _SENDER_SIDE)
        self.socket.connect(address)
        self._page = np.memmap(_page_of(address), np.uint64, "r", shape=(3,))
        self.begin(0)

    def begin(self, run: int) -> None:
        """Counts from zero, for a new run."""
        self.run = run
        self.items = self.bytes = self.missing = 0

    def take(self) -> Packet | None:
        """The next message of this run, or None if there is none now; remains of an earlier run are thrown away."""
        with contextlib.suppress(zmq.Again):
            while True:
                frames = [frame.buffer for frame in self.socket.recv_multipart(zmq.DONTWAIT, copy=False)]
                packet = unpack(frames)
                if packet.run == self.run:
                    self._account(packet, frames)
                    return packet
        return None

    def _account(self, packet: Packet, frames: Sequence[Buffer]) -> None:
        # Items are numbered from 1, and the end of the stream carries the number of the last one.
        is_item = packet.kind != Message.FINISHED
        self.missing += max(0, packet.number - (self.items + self.missing + is_item))
        if is_item:
            self.items += 1
            self.bytes += nbytes(frames)

    @property
    def waiting(self) -> int:
        """Items that were sent in this run and not taken yet, wherever they are."""
        if int(self._page[_RUN]) != self.run:
            return 0
        return max(0, int(self._page[_ITEMS]) - self.items - self.missing)

    def close(self) -> None:
        """Disconnects; what has not been taken is lost."""
        self.socket.close()
