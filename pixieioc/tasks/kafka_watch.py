"""Whether brokers of Kafka answer and have a topic: asked now and then, in a thread, as an answer may take long."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pixieioc.pipeline import Error
from pixieioc.tasks.kafka_delivery import import_client, text_of

#: So often they are asked, and so long an answer is waited for, in seconds.
_INTERVAL, _PATIENCE = 2.0, 2.0

State = Literal["unknown", "reachable", "not reachable", "refused"]


@dataclass(frozen=True)
class Seen:
    """What the last question has shown, and why if it is not good."""

    state: State = "unknown"
    why: str = ""


class BrokerWatch:
    """Asks from its beginning until it is closed; what it has `seen` may be read at any time."""

    def __init__(self, properties: Mapping[str, Any], topics: list[str]) -> None:
        self._kafka = import_client()
        self.seen = Seen()
        self._topics, self._heard = topics, ""
        self._answered = -math.inf  # when that was the last time
        self._brokers = properties["bootstrap.servers"]
        try:
            self._client = self._kafka.admin.AdminClient({**properties, "error_cb": self._hear})
        except self._kafka.KafkaException as error:
            raise Error(f"the client of Kafka refuses its settings: {text_of(error)}") from error
        self._closed, self._has_asked = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._ask_on, name="brokers", daemon=True)
        self._thread.start()

    def first_answer(self) -> Seen:
        """What was seen last, once anything was."""
        self._has_asked.wait(_PATIENCE + 1)
        return self.seen

    def absent(self, now: float) -> float:
        """How long no broker has answered, in seconds; for ever if none has yet. `now` is the monotonic clock's."""
        return now - self._answered if self.seen.state == "not reachable" else 0.0

    def close(self) -> None:
        """Ends the thread, after the question that is being asked."""
        self._closed.set()

    def join(self) -> None:
        """Waits for the end of the thread: the client must not be used while the interpreter ends."""
        self._thread.join(_PATIENCE + 1)

    def _ask_on(self) -> None:
        while not self._closed.is_set():
            self.seen = self._ask()
            if self.seen.state != "not reachable":
                self._answered = time.monotonic()
            self._has_asked.set()
            self._client.poll(0)
            self._closed.wait(_INTERVAL)

    def _ask(self) -> Seen:
        try:
            for topic in self._topics:
                found = self._client.list_topics(topic, timeout=_PATIENCE).topics[topic]
                if found.error is not None:
                    return Seen("refused", f"topic {topic}: {text_of(found.error)}")
        except self._kafka.KafkaException as error:
            self._client.poll(0)  # the reason was told apart
            return Seen("not reachable", f"no answer from {self._brokers}: {self._heard or text_of(error)}")
        self._heard = ""
        return Seen("reachable")

    def _hear(self, error: Any) -> None:
        if error.name() != "_ALL_BROKERS_DOWN":
            self._heard = text_of(error)
