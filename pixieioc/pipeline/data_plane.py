"""How data move through a task: its place in the graph, its links, and what ends a stream."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from pixieioc.pipeline.capacity import CAPACITY
from pixieioc.pipeline.error import Error, Refused
from pixieioc.pipeline.frames import Buffer, Packet, nbytes, pack
from pixieioc.pipeline.graph import Mode
from pixieioc.pipeline.link import Offered, Receiver, Sender
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.output import Output, endpoint_of
from pixieioc.pipeline.payloads import LinkCount
from pixieioc.pipeline.rate import RateWindow
from pixieioc.pipeline.standard import StandardReports, keep

#: A stream whose sender has died has ended when nothing more has come for this many seconds.
SILENCE = 0.1
#: A rate is the mean of this many seconds, longer than any task holds data back by default; at first of less.
RATE_WINDOW, RATE_SHORTEST = 2.0, 0.4
#: While a link is full, so often something else may be done, in ms.
_PATIENCE = 500

_DATA = Message.DATA.emoji


class DataPlane:
    """The data plane of one task.

    `poll_control` is called while a full link makes the task wait: it must take in what the pipeline says. `log`
    gets lines for the operator, `waited` the seconds for which a full link has made the task wait.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        control: zmq.Socket[bytes],
        poll_control: Callable[[], None],
        log: Callable[[str], None],
        waited: Callable[[float], None],
    ) -> None:
        self._context = context
        self._poll_control, self._log, self._waited = poll_control, log, waited
        self._endpoint, self._control = endpoint, control
        #: The first is there from the beginning, others as long as something is connected to them.
        self._first = Output(Sender(context, endpoint, log), control)
        self._outputs: list[Output] = []
        self.modes: Sequence[Mode] = ()
        self._only_samples = self._counts = False
        self._receiver: Receiver | None = None
        self._poller = zmq.Poller()
        self._poller.register(control, zmq.POLLIN)
        self.is_start = False
        self.run = 0
        self.quitting = False  #: the process is to end: nothing is waited for any more
        self.alone = False  #: the pipeline is gone: nobody else tells that a task before or behind this one is, too
        self.begin(0)

    def connect(self, address_pull: str, is_start: bool, is_final: bool) -> None:
        """Takes a place in the graph; `modes` are those of the links to the tasks behind this one."""
        outputs: Sequence[Mode] = [] if is_final else self.modes or ["lossless"]
        self._forget_receiver()
        for output in self._outputs[1:]:
            output.sender.remove()
        self._outputs = [self._first][: len(outputs)]
        for number in range(1, len(outputs)):
            sender = Sender(self._context, endpoint_of(self._endpoint, number), self._log, copies=True)
            self._outputs.append(Output(sender, self._control))
        for output, mode in zip(self._outputs, outputs, strict=True):
            output.mode = mode
        self._only_samples = "sampling" in outputs and "lossless" not in outputs
        self._counts = len(outputs) > 1 or self._only_samples
        self.is_start = is_start
        if not is_start:
            self._receiver = Receiver(self._context, address_pull, self._log)

    def begin(self, run: int) -> None:
        """A run begins: everything counts from zero. Refused unless the task is connected."""
        if run and not self.is_start and self._receiver is None:
            raise Refused("the task is not connected")
        self.run = run
        self.ending = False  #: a source is to stop producing
        self.end_is_put = False  #: the end of the stream was passed on
        self.discarding = False  #: data are dropped, and counted, instead of handled or handed on
        self.orphaned_since: float | None = None  #: the task before this one was lost then
        self.dropped = 0
        self._items = self._bytes = 0  # handed on, where the first link does not count them all
        self.blocked = 0.0  #: seconds that were spent waiting for a full link
        self._rates = RateWindow(RATE_WINDOW, RATE_SHORTEST, time.monotonic(), 0, 0)
        for output in {self._first, *self._outputs}:
            output.begin(run)
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
        # Upwards: who wakes too early goes round and round until it is time.
        self._poller.poll(math.ceil(milliseconds))

    @property
    def is_final(self) -> bool:
        """True if there is nobody to hand data to, or nobody any more."""
        return all(output.cut for output in self._outputs)

    def put(self, data: Any, *, wait: bool = True) -> bool | None:
        """Hands `data` to the tasks behind this one, waiting while a lossless link is full; False if nobody got them.

        Without `wait`, None says that it would have to wait, and that nothing has happened. A final task has nobody to
        hand to; that is no loss, unless somebody was there and is lost. Where all links are sampling, what all of them
        miss was handed on, too. Error behind the end of the stream.
        """
        if self.end_is_put:
            raise Error("data were sent behind the end of the stream")
        packed = [pack(Packet(_DATA, self.run, output.sender.items + 1, data)) for output in self._outputs]
        if not wait and not all(map(self._has_room, self._outputs, packed)):
            return None
        handed_on, size = False, 0
        for output, frames in zip(self._outputs, packed, strict=True):
            if self._hand_over(output, frames) or self._only_samples:
                handed_on, size = True, size or (nbytes(frames) if self._counts else 0)
        self._items += handed_on
        self._bytes += size
        return handed_on

    def _has_room(self, output: Output, frames: list[Buffer]) -> bool:
        """Whether an item would not have to wait for an output."""
        return output.mode == "sampling" or self._gives_up(output) or output.sender.has_room(frames)

    def _hand_over(self, output: Output, frames: list[Buffer]) -> bool:
        if output.mode == "sampling":
            # Nobody waits for it, and what is dropped on purpose is missed, too: it is never a loss.
            dropping = output.cut or self.quitting or self.discarding
            if not dropping and output.sender.offer(frames) is Offered.SENT:
                return True
            output.missed += 1
            output.missed_bytes += nbytes(frames)
            return False
        if not output.cut and self._transmit(output, frames, is_end=False):
            return True
        self.dropped += 1
        return False

    def allocate(self, size: int) -> NDArray[np.uint8]:
        """Memory of `size` bytes for data that will be sent: if possible, what the next task has too.

        While that is in use by what the next task has not taken yet, it is waited for: the data would have to wait
        until they can be sent, and be copied then.
        """
        first = self._first
        while not self.is_final:
            memory = first.sender.allocate(size)
            if memory is not None:
                return memory
            if first.mode == "sampling" or self._gives_up(first) or not first.sender.has_room_soon(size):
                break
            self._wait_for(first, Offered.FULL)
        return np.empty(size, np.uint8)

    def put_end(self) -> None:
        """Passes the end of the stream on, once in a run, behind all data; to those who wait for all data first."""
        for output in sorted(self._outputs, key=lambda output: output.mode == "sampling"):
            if not (output.cut or self.end_is_put):
                self._transmit(output, self._end_for(output), is_end=True)
        self.end_is_put = True

    def cut(self, number: int | None) -> None:
        """The stream to an output (None: to all) ends now, because of a failure behind it.

        Data for it are dropped, and counted; what of it is still alive hears that there are no more.
        """
        for output in self._outputs if number is None else self._outputs[number : number + 1]:
            if not output.cut:
                output.cut = True
                output.sender.offer(self._end_for(output), is_item=False)

    def _end_for(self, output: Output) -> list[Buffer]:
        return pack(Packet(Message.FINISHED, self.run, output.sender.items))

    def take(self) -> Packet | None:
        """The next item, or the end of the stream, or None if there is nothing now."""
        packet = self._receiver.take() if self._receiver is not None else None
        if self.alone and self.orphaned_since is None and self._receiver is not None and self._receiver.is_orphaned:
            self.orphaned_since = time.monotonic()
        if self.orphaned_since is not None:
            if packet is not None:
                self.orphaned_since = time.monotonic()
            elif time.monotonic() > self.orphaned_since + SILENCE:
                return Packet(Message.FINISHED, self.run)
        return packet

    def _transmit(self, output: Output, frames: list[Buffer], *, is_end: bool) -> bool:
        # The end of the stream is not discarded with the data: only a cut link or the end of the process is.
        while not self._gives_up(output, is_end=is_end):
            offered = output.sender.offer(frames, is_item=not is_end)
            if offered is Offered.SENT:
                return True
            if offered is Offered.NOBODY and self.alone:
                output.cut = True
            else:
                self._wait_for(output, offered)
        return False

    def _gives_up(self, output: Output, *, is_end: bool = False) -> bool:
        return output.cut or self.quitting or (self.discarding and not is_end)

    def _wait_for(self, output: Output, offered: Offered) -> None:
        """Waits until it is worth another try to hand something to an output, or something else is to be done."""
        began = time.perf_counter()
        output.full_pollers[offered].poll(_PATIENCE)
        waited = time.perf_counter() - began
        self.blocked += waited
        self._waited(waited)
        self._poll_control()

    def measure(self, reports: StandardReports, handled: int, *, running: bool) -> None:
        """Brings the reports about the links up to date; `handled` is what the rate is the rate of."""
        receiver, moved_out = self._receiver, self._bytes_out
        keep(reports, dropped=self.dropped, messages_out=self.sent, bytes_out=moved_out)
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
        moved = receiver.bytes if receiver is not None else moved_out
        now = time.monotonic()
        if (rates := self._rates.rates(now, handled, moved)) is not None:
            keep(reports, rate=rates[0], byte_rate=rates[1] / 1e6)

    @property
    def sent(self) -> int:
        """Items handed on in this run, each counted once, however many tasks got it."""
        return self._items if self._counts else self._first.sender.items

    @property
    def _bytes_out(self) -> int:
        return self._bytes if self._counts else self._first.sender.bytes

    @property
    def links(self) -> list[LinkCount]:
        """What became of the items of this run at each output."""
        return [LinkCount(each.sender.items, each.missed, each.missed_bytes) for each in self._outputs]

    def close(self, linger: float = 0.0) -> None:
        """Closes all links; what the tasks behind have not taken yet may take `seconds` to get to them."""
        self._forget_receiver()
        for output in {self._first, *self._outputs}:
            output.sender.close(linger)

    def _forget_receiver(self) -> None:
        if self._receiver is not None:
            self.listen(False)
            self._receiver.close()
            self._receiver = None
