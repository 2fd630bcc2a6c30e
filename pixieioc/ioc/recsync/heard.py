"""Which recceivers have announced themselves, and which of them is worth a connection: no clock, no sockets.

Whoever can send datagrams can announce: so what is kept is bounded, and who has failed must wait, longer each time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from pixieioc.ioc.recsync.protocol import Announcement, Recceiver

#: Recceivers that are remembered.
MOST = 64
#: Seconds after which one that was not heard of again is forgotten: recceivers announce themselves every 15 s.
FORGOTTEN = 60.0
#: Seconds that one must wait after its first failure, and at most after many.
FIRST_WAIT, LONGEST_WAIT = 5.0, 600.0


@dataclass
class _Known:
    """What is known of a recceiver."""

    announcement: Announcement | None = None
    heard: float = 0.0  # when, by the clock of whoever calls
    failures: int = 0
    not_before: float = 0.0


class Heard:
    """The recceivers that have announced themselves. `believed` are the hosts that count; empty: all of them.

    `choose` picks one of several, as random.choice does.
    """

    def __init__(self, believed: Collection[str], choose: Callable[[Sequence[Announcement]], Announcement]) -> None:
        self._believed = frozenset(believed)
        self._choose = choose
        self._known: dict[Recceiver, _Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def note(self, announcement: Announcement, now: float) -> bool:
        """Takes an announcement; whether a connection to this recceiver may be tried now."""
        recceiver = announcement.recceiver
        if self._believed and recceiver.host not in self._believed:
            return False
        known = self._known.get(recceiver)
        if known is None:
            if len(self._known) >= MOST:
                self._forget(now)
            if len(self._known) >= MOST:
                return False
            known = self._known[recceiver] = _Known()
        known.announcement, known.heard = announcement, now
        return now >= known.not_before

    def pick(self, now: float) -> Announcement | None:
        """One of those to which a connection may be tried now: of those that have failed least often."""
        ready = [
            (known.failures, known.announcement)
            for known in self._known.values()
            if known.announcement is not None and now >= known.not_before and now - known.heard < FORGOTTEN
        ]
        least = min((failures for failures, _ in ready), default=0)
        best = [announcement for failures, announcement in ready if failures == least]
        return self._choose(best) if best else None

    def failed(self, recceiver: Recceiver, now: float) -> float:
        """Notes that a recceiver is of no use; for how long it is not tried again, in seconds."""
        known = self._known.setdefault(recceiver, _Known())
        wait = min(FIRST_WAIT * 2.0 ** min(known.failures, 30), LONGEST_WAIT)
        known.failures += 1
        known.not_before = now + wait
        known.announcement = None  # it must announce itself again
        return wait

    def succeeded(self, recceiver: Recceiver) -> None:
        """Notes that a recceiver has taken everything; it must announce itself again all the same."""
        self._known.pop(recceiver, None)

    def _forget(self, now: float) -> None:
        for recceiver, known in list(self._known.items()):
            if now - known.heard >= FORGOTTEN and now >= known.not_before:
                del self._known[recceiver]
