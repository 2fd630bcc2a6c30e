"""PublishEvents: the events of a run as a stream in Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import CHUNK_COLUMN, PERIOD_COLUMN
from pixieioc.pipeline import Error, Report, Task
from pixieioc.presentation import AlarmHandling
from pixieioc.tasks.crate import CrateFacts
from pixieioc.tasks.delivery_status import SEVERITIES, UNKNOWN, status_of, why_not_ready
from pixieioc.tasks.drain import Drain
from pixieioc.tasks.ess_messages import ChannelCounts, EssMessages
from pixieioc.tasks.event_batches import EventBatches
from pixieioc.tasks.event_stream import EventStream
from pixieioc.tasks.file_series import STOP
from pixieioc.tasks.items import EVENTS, events_of
from pixieioc.tasks.kafka_delivery import Delivery
from pixieioc.tasks.kafka_settings import client_properties, producer_properties
from pixieioc.tasks.kafka_watch import BrokerWatch, Seen
from pixieioc.tasks.not_ready import NotReady
from pixieioc.tasks.stream_messages import COLUMNS, ArrowMessages, Messages, Position, StreamRun
from pixieioc.tasks.stream_settings import ARROW, StreamSettings

#: What failed is tried again after so long, and a delivery is waited for in such steps, in seconds.
_RETRY, _STEP = 1.0, 0.1
_MEGABYTE = 10**6
#: What an ev44 follows from.
_OF_EV44 = ("time", "cfd", "channel", "module", PERIOD_COLUMN.name, CHUNK_COLUMN.name)
#: What the client is told.
_OF_CLIENT = {"brokers", "topic", "run_topic", "counts_topic", "client_file", "client_settings", "compression"}
_PACKAGES = {
    "confluent_kafka": "confluent-kafka",
    "pyarrow": "pyarrow",
    "streaming_data_types": "ess-streaming-data-types",
}


class PublishEvents(StreamSettings, NotReady, Task):
    """Sends events to a topic of Kafka in the order in which they arrive, and passes them on.

    A message tells the run, and how many messages and events of the run are before it; the first and the last say that
    the run begins and ends. Each event is delivered, waiting, or undelivered: nothing is left out silently.
    """

    takes = EVENTS
    events_known = True
    modules, channels = CrateFacts.modules, CrateFacts.channels

    delivery_status = Report(
        UNKNOWN,
        choices=tuple(SEVERITIES),
        severities=tuple(SEVERITIES.values()),
        doc="Whether the brokers answer, have the topic, and take messages.",
        alarm=AlarmHandling(flickers=True, passes=True, message="REPORT:DeliveryMessage_RBV"),
        guidance="See DeliveryMessage. On a sampling branch the run goes on without the stream; with OnDeliveryError="
        "Wait the stream goes on by itself once the brokers take messages again.",
    )
    delivery_message = Report("", doc="What is wrong with the delivery.")
    events_delivered = Report(0, doc="Events of this run that the brokers have confirmed.")
    events_waiting = Report(0, doc="Events of this run that are not confirmed yet.")
    events_undelivered = Report(
        0,
        doc="Events of this run that came here and that no broker has confirmed: they were given up.",
        alarm_hihi=1,
        guidance="See the task's error: the brokers did not take them in time. Replay sends them again from raw files.",
    )
    messages_delivered = Report(0, doc="Messages of this run that the brokers have confirmed.")
    bytes_delivered = Report(0, unit="B", doc="Bytes of them, before the client compresses them.")
    waiting_time = Report(0.0, unit="s", precision=1, doc="How long the oldest message has not been confirmed.")

    @classmethod
    def do_ready(cls, settings: Mapping[str, Any], run_id: int) -> Iterator[str]:
        if missing := _missing(settings):
            yield f"{cls.__name__} needs {', '.join(missing)}: pip install 'pixieioc[kafka]'"

    def do_init(self) -> None:
        self._watch: BrokerWatch | None = None
        self._stream: EventStream | None = None
        self._problem = ""
        ev.warm_up()
        self._prepare_messages()
        try:
            self._prepare()
        except Error as error:  # shown as long as it holds: other settings may mend it
            self._problem = str(error)
        self._show()

    def do_configure(self, config: dict[str, Any]) -> None:
        if config.keys() & _OF_CLIENT:
            self._prepare()
            self._problem = ""
        if config.keys() & {"format", "counts_topic"}:
            self._prepare_messages()
        self._show()

    def do_start(self) -> None:
        self.events_delivered = self.events_waiting = self.events_undelivered = 0
        self.messages_delivered, self.bytes_delivered, self.waiting_time = 0, 0, 0.0
        self._drain, self._retry_at = Drain(self.run_stop_timeout), 0.0
        if self.on_delivery_error == STOP and self._watch is not None and (why := self._watch.first_answer().why):
            raise Error(why)
        self._stream = self._new_stream()
        with self._letting_go() as stream:
            stream.begin({task: dict(values) for task, values in self.run_settings.items()})

    def do_work(self, datum: Any) -> None:
        with self._letting_go() as stream:
            block = events_of(datum, self.name)
            if "begins" in block:
                stream.recorded_run(block["begins"].get("run_id"))
            stream.add(block["events"])
            self._look_after(stream)
        self.events += ev.size(block["events"])
        self.send(block)

    def do_wait(self) -> None:
        if self.running:
            with self._letting_go() as stream:
                self._look_after(stream)
        self._show()

    def do_report(self) -> None:
        if self._stream is not None:
            self._count(self._stream)

    def do_stop(self) -> None:
        self._drain.begin(time.monotonic())
        self.flush_report()  # counts what was dropped
        with self._letting_go() as stream:
            stream.end("IOC lost" if self.pipeline_lost else "run ended", self.dropped)
        self._let_go(stream)

    def do_quit(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch.join()

    # -- the run -------------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Looks for the brokers from now on; Error if the client refuses its settings."""
        settings = self.parameter_values
        if _missing(settings):  # a start says so
            return
        Delivery(producer_properties(settings), self.source_name)
        topics = {self.topic, self.run_topic or self.topic, self.counts_topic or self.topic}
        watch, self._watch = self._watch, BrokerWatch(client_properties(settings), sorted(topics))
        if watch is not None:
            watch.close()

    def _prepare_messages(self) -> None:
        """The first message of a process takes its time, for which no start should wait."""
        run, needed = StreamRun("", 0, 0.0), packages_for(self.parameter_values)
        if _missing(self.parameter_values):  # a start says so
            return
        if "pyarrow" in needed:
            ArrowMessages(run, [*COLUMNS.values()]).begin(Position(0, 0), {})
        if "streaming_data_types" in needed:
            EssMessages(run, 0, 0).begin(Position(0, 0), {})

    def _new_stream(self) -> EventStream:
        run = StreamRun(self.source_name, self.run_id, self.run_started)
        names = self.columns if self.format == ARROW else _OF_EV44
        columns = [column for name, column in COLUMNS.items() if name in names]
        messages: Messages
        if self.format == ARROW:
            messages = ArrowMessages(run, columns)
        else:
            messages = EssMessages(run, self.first_pixel, self.channels)
        delivery = Delivery(producer_properties(self.parameter_values), self.source_name)
        topics = (self.topic, self.run_topic or self.topic)
        stream = EventStream(messages, EventBatches(columns, self.message_size), delivery, topics, self._until)
        stream.most = _MEGABYTE * self.max_waiting
        if self.counts_topic:
            stream.count_channels(ChannelCounts(self.source_name, self.modules, self.channels), self.counts_topic)
        return stream

    def _look_after(self, stream: EventStream) -> None:
        """Sends what is due, and hears what has become of what was sent."""
        stream.most = _MEGABYTE * self.max_waiting
        stream.send_due(self.max_delay)
        self._hear(stream.delivery)
        self._hear_of_a_stop()

    def _until(self, holds: Callable[[], bool]) -> None:
        """Waits until something holds, or is given up because the run is to end."""
        assert self._stream is not None
        delivery = self._stream.delivery
        self._hear(delivery)
        while not holds():
            self._hear_of_a_stop()
            now = time.monotonic()
            # Who has not been there for long is not waited for again at the end of each run.
            stalled = delivery.stalled(now, self._watch.absent(now) if self._watch is not None else 0.0)
            if self._drain.is_over(now, stalled, self.flush_timeout):
                why = self.delivery_message or delivery.failing or delivery.heard or "they are too slow"
                raise Error(f"the brokers have not confirmed all events in time: {why}")
            self._hear(delivery, _STEP)
            self._show()
            self.send_heart_beat()
            self.send_report({})

    def _hear_of_a_stop(self) -> None:
        if self.stopping:
            self._drain.begin(time.monotonic())

    def _hear(self, delivery: Delivery, seconds: float = 0.0) -> None:
        """Hears of deliveries; Error if one has failed and the run is to end, otherwise it is tried again."""
        delivery.poll(seconds)
        if not delivery.failed:
            return
        if self.on_delivery_error == STOP:
            raise Error(f"a message was not delivered to {self.brokers}: {delivery.failing}")
        if time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + _RETRY
            delivery.again()

    @contextmanager
    def _letting_go(self) -> Iterator[EventStream]:
        """The stream of the run; after an error, of whatever kind, what is not delivered is given up, and counted."""
        stream = self._stream
        assert stream is not None
        try:
            yield stream
        except Exception:  # it goes on from here as it came
            self._let_go(stream)
            raise

    def _let_go(self, stream: EventStream) -> None:
        self._show()
        self._stream = None
        stream.delivery.give_up()
        self._count(stream)
        self.events_undelivered, self.events_waiting, self.waiting_time = stream.waiting, 0, 0.0

    # -- what is shown -------------------------------------------------------------------------------------------------

    def _count(self, stream: EventStream) -> None:
        delivery = stream.delivery
        self.events_delivered, self.messages_delivered = delivery.events, delivery.messages
        self.bytes_delivered, self.events_waiting = delivery.bytes, stream.waiting
        self.waiting_time = delivery.waited(time.monotonic())

    def _show(self) -> None:
        """Says what is known of the brokers, and whether a run can begin."""
        seen = Seen("refused", self._problem) if self._problem else self._watch.seen if self._watch else Seen()
        waited, failed = 0.0, ""
        if self._stream is not None:
            delivery = self._stream.delivery
            waited, failed = delivery.waited(time.monotonic()), delivery.failing
        self.delivery_status, self.delivery_message = status_of(seen, waited, failed)
        must_be_there = self._problem or (self.on_delivery_error == STOP and self._watch is not None)
        self.not_ready, self.becoming_ready = why_not_ready(seen) if must_be_there else ("", False)


def packages_for(settings: Mapping[str, Any]) -> list[str]:
    """The packages that are needed, by the names with which they are imported."""
    needed = ["confluent_kafka"]
    needed += ["pyarrow"] if settings["format"] == ARROW else []
    needed += ["streaming_data_types"] if settings["format"] != ARROW or settings["counts_topic"] else []
    return needed


def _missing(settings: Mapping[str, Any]) -> list[str]:
    return [_PACKAGES[package] for package in packages_for(settings) if find_spec(package) is None]
