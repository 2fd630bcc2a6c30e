"""What leaves on one circuit: replies and monitors, in order and in few system calls.

What a burst of posts produces leaves in one write. As long as the client takes it, nothing is left out. When neither
client nor kernel take any more, the circuit is *full*: what comes then is held, in order. Once that is too much
(`backlog` bytes) or lasts too long (`patience` seconds), the circuit is *behind*: of the monitors that are held, only
the newest of each subscription is kept, in the order of the last posts. Replies are never left out; once many are held,
the circuit is *choked*, and must not be read from. So a stalled client costs its own values, and nobody else anything.
"""

from __future__ import annotations

import asyncio
import time

from pixieioc.ioc.ca.transport import FULL, Transport

#: Bytes of one write, beyond which a burst is not collected any longer.
LONGEST_WRITE = 64 * 1024


class Outbox:
    """The way out of a circuit. `open`, `parts`, `size` and `scheduled` are for subscriptions, which are in a hurry."""

    __slots__ = (
        "_backlog",
        "_events_on",
        "_held",
        "_held_size",
        "_left",
        "_loop",
        "_patience",
        "_replies_held",
        "_timer",
        "_transport",
        "behind",
        "coalesced",
        "full_since",
        "open",
        "parts",
        "scheduled",
        "size",
    )

    def __init__(self, transport: Transport, backlog: int, patience: float) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._backlog = backlog
        self._patience = patience
        self.open = True  #: monitors are on their way at once: the circuit is not full, and its client wants them
        self.parts: list[bytes] = []  #: what leaves next
        self.size = 0  #: bytes of it
        self.scheduled = False  #: it leaves before the loop waits again
        #: The time (monotonic) since which the client of a full circuit has taken nothing; None: it is not full.
        self.full_since: float | None = None
        self.behind = False
        self.coalesced = 0  #: monitors that a newer value of their subscription has replaced
        self._events_on = True
        self._timer: asyncio.TimerHandle | None = None
        # What is held: (subscription, or None for a reply; its bytes). The key is the subscription if it is behind.
        self._held: dict[object, tuple[object, tuple[bytes, ...]]] = {}
        self._held_size = self._replies_held = 0
        self._left = 0  # of what a full circuit has to send, when it was last looked at

    # -- in ---------------------------------------------------------------------------------------------------------

    def reply(self, *parts: bytes) -> None:
        """Takes a reply: it leaves after all monitors that were posted before, unless the client wants none now."""
        if self.full_since is not None:
            self._hold(object(), None, parts)
            self._replies_held += sum(map(len, parts))
            return
        self.parts += parts
        self.size += sum(map(len, parts))
        if self.size > LONGEST_WRITE:
            self.flush()
        elif not self.scheduled:
            self.schedule()

    def reply_alone(self, data: bytes) -> bool:
        """Sends a reply now; False, and nothing is done, if something else must leave before it."""
        if self.parts or self.full_since is not None:
            return False
        self._transport.write(data)
        return True

    def monitor(self, subscription: object, size: int, header: bytes, payload: bytes) -> None:
        """Takes a monitor of `size` bytes."""
        if self.open:
            self.parts += (header, payload)
            self.size += size
            if self.size > LONGEST_WRITE:
                self.flush()
            elif not self.scheduled:
                self.schedule()
        elif not self.behind:
            self._hold(object(), subscription, (header, payload))
            self._held_size += size
            if self._held_size > self._backlog:
                self._fall_behind()
        else:
            self._hold(subscription, subscription, (header, payload))

    def forget(self, subscription: object) -> None:
        """Nothing more of a subscription leaves."""
        if self.behind:
            self._held.pop(subscription, None)
        elif self._held:
            self._held = {key: held for key, held in self._held.items() if held[0] is not subscription}

    def switch(self, on: bool) -> None:
        """Whether the client wants monitors at present: it asks for none when it cannot keep up."""
        self._events_on = on
        self._check()

    # -- out --------------------------------------------------------------------------------------------------------

    def schedule(self) -> None:
        """Has everything leave when the present burst is over."""
        self.scheduled = True
        self._loop.call_soon(self._end_of_burst)

    def _end_of_burst(self) -> None:
        self.scheduled = False
        self.flush()

    def flush(self) -> None:
        """Has everything leave now that may; `full` is called if the kernel does not take it."""
        if self.parts:
            parts, self.parts, self.size = self.parts, [], 0
            self._transport.write(b"".join(parts))

    def full(self) -> None:
        """The client does not take what it is sent."""
        self.full_since = time.monotonic()
        self._left = self._transport.waiting
        self._check()

    def stalled(self) -> float:
        """Seconds for which the client of a full circuit has taken nothing, as far as this was called meanwhile."""
        if self.full_since is None:
            return 0.0
        left, now = self._transport.waiting, time.monotonic()
        if left < self._left:  # slow is not stalled
            self._left, self.full_since = left, now
        return now - self.full_since

    @property
    def choked(self) -> bool:
        """Whether so many replies are held that there must not be more."""
        return self.full_since is not None and self._replies_held > FULL

    def drained(self) -> None:
        """The client has taken all that was sent: what was held leaves."""
        self.full_since = None
        self._check()

    def close(self) -> None:
        """The circuit has gone."""
        self._forgive()
        self.open = False
        self.behind = True
        self.parts.clear()
        self._held.clear()

    # -- being patient ----------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Follows what has changed about the client: holds back, or lets go what was held."""
        self.open = self._events_on and self.full_since is None
        if not self.open and self._timer is None and not self.behind:
            self._timer = self._loop.call_later(self._patience, self._fall_behind)
        if self._held and self.full_since is None:
            self._release()
        elif self.open:
            self._forgive()

    def _release(self) -> None:
        held, self._held = self._held, {}
        self._held_size = self._replies_held = 0
        for key, (subscription, parts) in held.items():
            if subscription is None or self._events_on:
                self.parts += parts
            else:
                self._held[key] = (subscription, parts)
                self._held_size += sum(map(len, parts))
        self.flush()
        if self.open:  # and all has gone
            self._forgive()

    def _forgive(self) -> None:
        self.behind = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hold(self, key: object, subscription: object, parts: tuple[bytes, ...]) -> None:
        if self._held.pop(key, None) is not None:
            self.coalesced += 1
        self._held[key] = (subscription, parts)

    def _fall_behind(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.behind = True
        held, self._held = self._held, {}
        for key, (subscription, parts) in held.items():
            self._hold(key if subscription is None else subscription, subscription, parts)
