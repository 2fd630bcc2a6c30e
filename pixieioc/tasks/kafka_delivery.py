"""Messages on their way into a topic of Kafka, and what has become of them."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pixieioc.pipeline import Error

#: What the client puts around a sentence: the name of a connection before it, and how long that lasted behind it.
_ITS_NAME, _HOW_LONG = re.compile(r"^\S+/(?:bootstrap|\d+): "), re.compile(r" \(after \d+ms in state .*\)$")


@dataclass(frozen=True)
class Outgoing:
    """A message, the events that it has, and where it stands in its run."""

    topic: str
    value: bytes
    events: int
    sequence: int


@dataclass(frozen=True)
class _Waiting:
    """What is remembered of a message that the brokers have not confirmed: its content is with the client."""

    events: int
    bytes: int
    since: float


def import_client() -> Any:
    """The client library; Error that says how to get it."""
    try:
        import confluent_kafka
        import confluent_kafka.admin
    except ImportError as error:
        raise Error(f"Kafka needs the package confluent-kafka: pip install 'pixieioc[kafka]' ({error})") from error
    return confluent_kafka


def text_of(error: Any) -> str:
    """What the client says of an error, whether it is raised or told; without its own names of things."""
    error = error.args[0] if isinstance(error, Exception) and error.args else error
    text = error.str() if hasattr(error, "str") else str(error)
    return _HOW_LONG.sub("", _ITS_NAME.sub("", text))


class Delivery:
    """Sends messages in order, each once, and counts them by what the brokers confirm.

    What is given is confirmed, waiting, or failed: `failed` has those that the client has given up, until they are sent
    `again`. Everything is done in the thread that calls; the client works in threads of its own.
    """

    def __init__(self, properties: Mapping[str, Any], key: str) -> None:
        self._kafka, self._properties, self._key = import_client(), properties, key
        self.failed: list[Outgoing] = []
        self.heard = ""  #: what the client said last of a connection
        self.messages = self.events = self.bytes = 0  #: confirmed
        self.waiting_bytes = 0
        self._confirmed_at = -math.inf
        self._why = ""  # the last message failed
        self._waiting: dict[int, _Waiting] = {}
        self._refused: set[int] = set()  # those of them that have failed at least once
        self._is_fatal = False
        self._producer = self._new_producer()

    @property
    def waiting(self) -> int:
        """Messages that are not confirmed, failed ones included."""
        return len(self._waiting)

    @property
    def failing(self) -> str:
        """Why messages fail, as long as one that has failed is not confirmed; empty if all is well."""
        return self._why if self._refused else ""

    def waited(self, now: float) -> float:
        """How long the oldest of them has waited, in seconds; `now` is that of the monotonic clock."""
        return now - next(iter(self._waiting.values())).since if self._waiting else 0.0

    def stalled(self, now: float, absent: float = 0.0) -> float:
        """How long nothing has been confirmed although something waits, in seconds; `absent`: nobody was there."""
        return min(max(self.waited(now), absent), now - self._confirmed_at)

    def give(self, message: Outgoing) -> None:
        """Takes a message; it is never refused, but may be among `failed` at once."""
        self._waiting[message.sequence] = _Waiting(message.events, len(message.value), time.monotonic())
        self.waiting_bytes += len(message.value)
        self._produce(message)

    def poll(self, seconds: float = 0.0) -> None:
        """Listens to what the client has to say, at least for so long if there is nothing."""
        self._producer.poll(seconds)

    def again(self) -> None:
        """Sends what has failed once more, in its order."""
        messages, self.failed = sorted(self.failed, key=lambda message: message.sequence), []
        if self._is_fatal:
            self._producer, self._is_fatal = self._new_producer(), False
        for message in messages:
            self._produce(message)

    def give_up(self) -> None:
        """Forgets all that is waiting; some of it may have arrived, unless the brokers never got it."""
        self._producer.purge()
        self._producer.poll(0)
        self._waiting, self._refused, self.failed, self.waiting_bytes = {}, set(), [], 0

    def _new_producer(self) -> Any:
        try:
            return self._kafka.Producer({**self._properties, "error_cb": self._heard})
        except self._kafka.KafkaException as error:
            raise Error(f"the client of Kafka refuses its settings: {text_of(error)}") from error

    def _produce(self, message: Outgoing) -> None:
        def told(error: Any, sent: Any) -> None:
            if error is None:
                self._confirm(message.sequence)
            else:  # only the client has kept the content
                self._fail(Outgoing(message.topic, sent.value(), message.events, message.sequence), text_of(error))

        given, message = message.value, _without_content(message)
        try:
            self._producer.produce(message.topic, given, self._key, on_delivery=told)
        except (self._kafka.KafkaException, BufferError) as error:
            self._is_fatal |= bool(getattr(error.args[0], "fatal", bool)())
            self._fail(Outgoing(message.topic, given, message.events, message.sequence), text_of(error))

    def _confirm(self, sequence: int) -> None:
        waited = self._waiting.pop(sequence, None)
        self._refused.discard(sequence)
        if waited is not None:
            self._confirmed_at = time.monotonic()
            self.messages += 1
            self.events += waited.events
            self.bytes += waited.bytes
            self.waiting_bytes -= waited.bytes

    def _fail(self, message: Outgoing, why: str) -> None:
        if message.sequence in self._waiting:
            self.failed.append(message)
            self._refused.add(message.sequence)
            self._why = f"{why} ({self.heard})" if self.heard and "timed out" in why else why

    def _heard(self, error: Any) -> None:
        """What the client tells of a connection, or of itself."""
        self._is_fatal |= error.fatal()
        if error.name() != "_ALL_BROKERS_DOWN":  # which says less than what was told before
            self.heard = text_of(error)


def _without_content(message: Outgoing) -> Outgoing:
    return Outgoing(message.topic, b"", message.events, message.sequence)
