"""How data move through a task: its place in the chain, the two links, and what ends a stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from pixieioc.pipeline.capacity import CAPACITY
from pixieioc.pipeline.error import Refused
from pixieioc.pipeline.frames import Buffer, Packet, pack
from pixieioc.pipeline.link import Offered, Receiver, Sender
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.rate import RateWindow
from pixieioc.pipeline.standard import StandardReports, keep

#: A stream whose sender has died has ended when nothing more has come for so many seconds.
SILENCE = 0.1
#: A rate is that of the last so many seconds, longer than any task holds data back by default; at first of less.
RATE_WINDOW, RATE_SHORTEST = 2.0, 0.4
#: While a link is full, so often something else may be done, in ms.
_PATIENCE = 500

_DATA = Message.DATA.emoji


class DataPlane:
    """The data plane of one task.

    `poll_control` is called while a full link makes the task wait: it must take in what the pipeline says. `tell`
    gets lines for the operator, `waited` the seconds for which a full link has made the task wait.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        control: zmq.Socket[bytes],
        poll_control: Callable[[], None],
        tell: Callable[[str], None],
        waited: Callable[[float], None],
    ) -> None:
        self._context = context
        self._heed, self._tell, self._waited = poll_control, tell, waited
        self._sender = Sender(context, endpoint, tell)
        self._receiver: Receiver | None = None
        self._poller = zmq.Poller()
        self._poller.register(control, zmq.POLLIN)
        #: By what became of a message that was offered: who wakes the task when it is worth another try.
        self._full_pollers = {Offered.FULL: zmq.Poller(), Offered.NOBODY: zmq.Poller()}
        for poller in self._full_pollers.values():
            poller.register(control, zmq.POLLIN)
        self._full_pollers[Offered.FULL].register(self._sender.credits, zmq.POLLIN)
        self._full_pollers[Offered.NOBODY].register(self._sender.socket, zmq.POLLOUT)
        self.is_start = self.is_final = False
        self.run = 0
        self.quitting = False  #: the process is to end: nothing is waited for any more
        self.begin(0)

    def connect(self, address_pull: str, is_start: bool, is_final: bool) -> None:
        """Takes a place in a chain."""
        self._forget_receiver()
        self.is_start, self.is_final = is_start, is_final
        if not is_start:
            self._receiver = Receiver(self._context, address_pull, self._tell)

    def begin(self, run: int) -> None:
        """A run begins: everything counts from zero. Refused unless the task is connected."""
        if run and not self.is_start and self._receiver is None:
            raise Refused("the task is not connected")
        self.run = run
        self.ending = False  #: a source is to stop producing
        self.discarding = False  #: data are dropped, and counted, instead of handled or handed on
        self.cut = False  #: the task behind this one is lost: data for it are dropped, and counted
        self.orphaned_since: float | None = None  #: the task before this one was lost then
        self.dropped = 0
        self.blocked = 0.0  #: seconds that were spent waiting for a full link
        self._rates = RateWindow(RATE_WINDOW, RATE_SHORTEST, time.monotonic(), 0, 0)
        self._sender.begin(run)
        if self._receiver is not None:
            self._receiver.begin(run)

    def listen(self, on: bool) -> None:
        """Whether `wait` also wakes for data."""
        if self._receiver is not None and on:
            self._poller.register(self._receiver.socket, zmq.POLLIN)
        elif self._receiver is not None and self._receiver.socket in self._poller:
            self._poller.unregister(self._receiver.socket)

    def wait(self, milliseconds: float) -> None:
        """Sleeps until a message or data have come."""
        self._poller.poll(int(milliseconds))

    def put(self, data: Any) -> bool:
        """Hands `data` to the next task, waiting while the link is full; False if they were dropped.

        A final task has nobody to hand to; that is no loss, unless somebody was there and is lost.
        """
        if self.is_final:
            self.dropped += self.cut
            return False
        frames = pack(Packet(_DATA, self.run, self._sender.items + 1, data))
        if self._transmit(frames, is_end=False):
            return True
        self.dropped += 1
        return False

    def allocate(self, size: int) -> NDArray[np.uint8]:
        """Memory of `size` bytes for data that will be sent: if possible, what the next task has too."""
        memory = None if self.is_final else self._sender.allocate(size)
        return np.empty(size, np.uint8) if memory is None else memory

    def put_end(self) -> None:
        """Passes the end of the stream on, behind all data."""
        if not self.is_final:
            self._transmit(pack(Packet(Message.FINISHED, self.run, self._sender.items)), is_end=True)

    def take(self) -> Packet | None:
        """The next item, or the end of the stream, or None if there is nothing now."""
        packet = self._receiver.take() if self._receiver is not None else None
        if self.orphaned_since is not None:
            if packet is not None:
                self.orphaned_since = time.monotonic()
            elif time.monotonic() > self.orphaned_since + SILENCE:
                return Packet(Message.FINISHED, self.run)
        return packet

    def _transmit(self, frames: list[Buffer], *, is_end: bool) -> bool:
        # The end of the stream is not discarded with the data: only a cut link or the end of the process is.
        while not self.cut and not self.quitting and (is_end or not self.discarding):
            offered = self._sender.offer(frames, is_item=not is_end)
            if offered is Offered.SENT:
                return True
            began = time.perf_counter()
            self._full_pollers[offered].poll(_PATIENCE)
            waited = time.perf_counter() - began
            self.blocked += waited
            self._waited(waited)
            self._heed()
        return False

    def measure(self, reports: StandardReports, handled: int, *, running: bool) -> None:
        """Brings the reports about the links up to date; `handled` is what the rate is the rate of."""
        sender, receiver = self._sender, self._receiver
        keep(reports, dropped=self.dropped, messages_out=sender.items, bytes_out=sender.bytes)
        if receiver is not None:
            use = receiver.use
            keep(
                reports,
                queue_size=receiver.waiting,
                queue_use=use,
                queue_free=int(CAPACITY * (1.0 - use / 100.0)),
                balance=receiver.missing,
                bytes_in=receiver.bytes,
            )
        if not running:
            keep(reports, rate=0.0, byte_rate=0.0)
            return
        moved = receiver.bytes if receiver is not None else sender.bytes
        now = time.monotonic()
        if (rates := self._rates.rates(now, handled, moved)) is not None:
            keep(reports, rate=rates[0], byte_rate=rates[1] / 1e6)

    @property
    def sent(self) -> int:
        """Items handed to the next task in this run."""
        return self._sender.items

    def close(self) -> None:
        """Closes both links."""
        self._forget_receiver()
        self._sender.close()

    def _forget_receiver(self) -> None:
        if self._receiver is not None:
            self.listen(False)
            self._receiver.close()
            self._receiver = None
