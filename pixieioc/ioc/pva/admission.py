"""How many clients there may be, and how many channels each of them may have; all of it is used in p4p's threads.

pvxs tells of a channel that is made, and of the last one of a process variable that goes. So channels are counted as
they are made, and who is really there is asked only when there seem to be too many.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable

from pixieioc.counted import counted

#: Seconds after which it may be asked again who is there: that takes longer, the more there are.
_AGAIN = 1.0

#: The other ends of all channels that there are.
Present = Callable[[], Iterable[str]]


class Admission:
    """`clients` at a time, and `channels` of each; `present` tells of all channels that there are."""

    def __init__(self, clients: int, channels: int, present: Present) -> None:
        self._clients, self._channels, self._present = clients, channels, present
        #: Of those that were admitted, by what p4p calls them.
        self._made: Counter[str] = Counter()
        self._asked = -_AGAIN

    def refusal(self, peer: str) -> str:
        """Why a client gets no channel, or no more of them; empty: it gets one."""
        why = self._why(peer)
        if why and time.monotonic() - self._asked >= _AGAIN:
            self._count()
            why = self._why(peer)
        if not why:
            self._made[peer] += 1
        return why

    def admitted(self) -> Collection[str]:
        """Clients, and some that have gone; in any thread."""
        return frozenset(tuple(self._made))

    def _why(self, peer: str) -> str:
        if peer not in self._made and len(self._made) >= self._clients:
            return f"no more than {counted(self._clients, 'client')} may be connected"
        if self._made[peer] >= self._channels:
            return f"no more than {counted(self._channels, 'channel')} may be open from this client"
        return ""

    def _count(self) -> None:
        self._asked = time.monotonic()
        present = Counter(self._present())
        self._made = Counter({peer: present[peer] for peer in self._made if peer in present})
