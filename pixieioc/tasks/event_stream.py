"""The stream of one run: events become messages, which are given to Kafka and waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.tasks.ess_messages import ChannelCounts
from pixieioc.tasks.event_batches import EventBatches
from pixieioc.tasks.kafka_delivery import Delivery, Outgoing
from pixieioc.tasks.stream_messages import Messages, Position

#: So often the counts of channels are sent, in seconds.
_COUNTS_INTERVAL = 1.0

#: Waits until something holds, and looks after failures meanwhile; raises if it is to be given up.
Until = Callable[[Callable[[], bool]], None]


class EventStream:
    """`until` is asked to wait where a message has no room among `most` bytes that are not confirmed."""

    def __init__(
        self, messages: Messages, batches: EventBatches, delivery: Delivery, topics: tuple[str, str], until: Until
    ) -> None:
        self.delivery = delivery
        self.came = 0  #: events so far
        self.most = 0
        self._messages, self._batches, self._until = messages, batches, until
        self._topic, self._run_topic = topics
        self._sequence = self._events = 0
        self._recorded_run: int | None = None
        self._since = time.monotonic()
        self._counts: ChannelCounts | None = None
        self._counts_topic, self._counts_sent, self._counts_at = "", 0, 0.0

    @property
    def waiting(self) -> int:
        """Events that are not confirmed."""
        return self.came - self.delivery.events

    def count_channels(self, counts: ChannelCounts, topic: str) -> None:
        """Sends how many events the channels have had, too."""
        self._counts, self._counts_topic = counts, topic

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Says that the run begins."""
        self._give(self._run_topic, self._messages.begin(self._position, settings))

    def add(self, events: Events) -> None:
        """Takes events, and sends messages as they become full."""
        if not self._batches.events:
            self._since = time.monotonic()
        self.came += ev.size(events)
        for batch in self._batches.add(events):
            self._send(batch)
            self._since = time.monotonic()
        if self._counts is not None:
            self._counts.add(events)

    def recorded_run(self, run_id: int | None) -> None:
        """What comes from now on was recorded in another run."""
        self.flush()
        self._recorded_run = run_id

    def send_due(self, delay: float) -> None:
        """Sends what is held for `delay` seconds, and what is sent now and then."""
        now = time.monotonic()
        if self._batches.events and now - self._since >= delay:
            self.flush()
        if self._counts is not None and now - self._counts_at >= _COUNTS_INTERVAL:
            self._send_counts()

    def flush(self) -> None:
        """Sends all that is held."""
        for batch in self._batches.rest():
            self._send(batch)

    def end(self, reason: str, discarded: int) -> None:
        """Sends all that there is, says that the run has ended, and waits until all is confirmed."""
        self.flush()
        if self._counts is not None:
            self._send_counts()
        self._give(self._run_topic, self._messages.end(self._position, time.time(), reason, discarded))
        self._until(lambda: not self.delivery.waiting)

    @property
    def _position(self) -> Position:
        return Position(self._sequence, self._events, self._recorded_run)

    def _send(self, events: Events) -> None:
        self._give(self._topic, self._messages.events(self._position, events), ev.size(events))

    def _give(self, topic: str, value: bytes, events: int = 0) -> None:
        self._wait_for_room(value)
        self.delivery.give(Outgoing(topic, value, events, self._sequence))
        self._sequence += 1
        self._events += events

    def _send_counts(self) -> None:
        """Apart from the messages of the run, and so not among their numbers."""
        assert self._counts is not None
        value = self._counts.message(time.time())
        self._wait_for_room(value)
        self._counts_sent, self._counts_at = self._counts_sent + 1, time.monotonic()
        self.delivery.give(Outgoing(self._counts_topic, value, 0, -self._counts_sent))

    def _wait_for_room(self, value: bytes) -> None:
        delivery = self.delivery
        self._until(lambda: not delivery.waiting or delivery.waiting_bytes + len(value) <= self.most)
