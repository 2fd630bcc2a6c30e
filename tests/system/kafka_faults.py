"""A real broker of Kafka that fails while events are published on a lossless chain, and what must hold then.

`python -m tests.system.kafka_faults` does each fault once and prints a table of what was seen; `--only TEXT` those
whose name contains it.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.kafka_broker import KafkaBroker, NotAvailable
from tests.recorder import Recorder

CHAIN = ("DummyData", "ConvertToEvents", "SortEvents", "PublishEvents")
#: Hits of a channel per second, and what may wait: so much that a broker that is gone makes the source wait at once.
RATE, MAX_WAITING = 20_000, 2
PATIENCE = 40.0
#: So long a Stop may take, in seconds, also on a computer that is busy; nobody who is gone is waited for so long.
STOP_TIMEOUT, FLUSH_TIMEOUT = 20.0, 4.0


@dataclass
class Stream:
    """What is in a topic of one run."""

    sequences: list[int]
    events: int
    ended: bool

    @property
    def complete(self) -> bool:
        """Whether each message is there, in order; a message that is there twice is none too many for its reader."""
        return self.ended and self.sequences == list(range(len(self.sequences)))


def streams_of(messages: list[bytes]) -> dict[int, Stream]:
    """The runs of which there are messages, by number."""
    streams: dict[int, Stream] = {}
    for message in messages:
        with pa.ipc.open_stream(message) as opened:
            about = json.loads(opened.schema.metadata[b"pixieioc"])
            stream = streams.setdefault(about["run_id"], Stream([], 0, False))
            stream.sequences.append(about["sequence"])
            stream.events += opened.read_all().num_rows
            stream.ended |= about["message"] == "end"
    return streams


class Bench:
    """A broker, a topic of its own, and a chain that is ready to run."""

    def __init__(self, broker: KafkaBroker, topic: str, pipeline: Recorder) -> None:
        self.broker, self.topic, self.pipeline = broker, topic, pipeline

    def reported(self, name: str) -> Any:
        """A report of the task."""
        return self.pipeline.reported("PublishEvents", name)

    def until(self, holds: Callable[[], bool]) -> float:
        """Seconds until something holds."""
        began = time.monotonic()
        self.pipeline.until(holds, PATIENCE)
        return time.monotonic() - began

    def start(self) -> None:
        """A run that delivers."""
        self.pipeline.start()
        self.until(lambda: self.reported("events_delivered") > 20_000)

    def stop(self) -> float:
        """Ends the run; seconds until all tasks are at rest or have failed."""
        began = time.monotonic()
        self.pipeline.stop()
        with suppress(Exception):  # what failed is looked at by the one who asks
            self.pipeline.wait(PATIENCE)
        return time.monotonic() - began

    @property
    def stream(self) -> Stream:
        """What is in the topic of the latest run."""
        streams = streams_of(self.broker.messages(self.topic))
        return streams[max(streams)] if streams else Stream([], 0, False)

    def all_is_delivered(self) -> str:
        """A run that ended well is complete in the topic, and counted so."""
        stream, events = self.stream, self.reported("events")
        expect(self.pipeline.errors == [], f"{self.pipeline.errors}")
        expect(stream.complete, f"messages {stream.sequences[:3]}...{stream.sequences[-3:]}")
        counted = (
            self.reported("events_delivered"),
            self.reported("events_waiting"),
            self.reported("events_undelivered"),
        )
        expect(counted == (events, 0, 0), f"{counted} of {events}")
        expect(stream.events == events, f"{stream.events} in the topic, {events} came")
        expect(self.pipeline.reported("DummyData", "dropped") == 0, "the source has dropped items")
        return f"{events:,} events, all there, in order"

    def what_is_not_is_counted(self) -> str:
        """A run that ended badly: what counts as delivered is there, and the rest is counted."""
        stream, events = self.stream, self.reported("events_delivered") + self.reported("events_undelivered")
        delivered, undelivered = self.reported("events_delivered"), self.reported("events_undelivered")
        expect(undelivered > 0, "nothing counts as undelivered")
        expect(self.reported("events_waiting") == 0, "something waits after the run")
        expect(not stream.ended, "the end is in the topic")
        expect(delivered <= stream.events <= events, f"{stream.events} in the topic, {delivered} counted")
        errors = [str(error) for error in self.pipeline.errors]
        expect(
            any("PublishEvents" in text or "confirmed" in text or "delivered" in text for text in errors), f"{errors}"
        )
        return f"{delivered:,} delivered, {undelivered:,} undelivered; {errors[0]}"

    def source_waits(self) -> int:
        """Waits until the broker's absence has come to the source; returns how many events it has made by then."""
        self.until(lambda: self.reported("delivery_status") in ("Not reachable", "Delivery late", "Refused"))
        made = -1
        while made != (made := self.pipeline.reported("DummyData", "events")):
            self.until_later(1.5)
        return made

    def until_later(self, seconds: float) -> None:
        """Handles messages for some time."""
        end = time.monotonic() + seconds
        self.pipeline.until(lambda: time.monotonic() > end, seconds + 5)


def expect(holds: bool, text: str) -> None:
    """AssertionError with the text otherwise."""
    if not holds:
        raise AssertionError(text)


# -- faults ------------------------------------------------------------------------------------------------------------


def nothing_happens(bench: Bench) -> str:
    """A clean stop."""
    bench.start()
    took = bench.stop()
    return f"{bench.all_is_delivered()}; stopped in {took:.2f} s"


def killed_and_started_again(bench: Bench) -> str:
    """The run waits, and goes on; nothing is lost."""
    bench.start()
    bench.broker.kill()
    made = bench.source_waits()
    memory = bench.reported("mem_used")
    bench.broker.start()
    back = bench.until(
        lambda: bench.reported("delivery_status") == "Delivery OK" and bench.reported("events_delivered") > made
    )
    bench.stop()
    return f"{bench.all_is_delivered()}; went on {back:.1f} s after; {memory:.0f} MB while it waited"


def stopped_for_a_while(bench: Bench) -> str:
    """A broker that hangs, and goes on."""
    bench.start()
    bench.broker.signal(signal.SIGSTOP)
    made = bench.source_waits()
    bench.broker.signal(signal.SIGCONT)
    back = bench.until(
        lambda: bench.reported("delivery_status") == "Delivery OK" and bench.reported("events_delivered") > made
    )
    bench.stop()
    return f"{bench.all_is_delivered()}; went on {back:.1f} s after"


def killed_before_the_stop(bench: Bench) -> str:
    """A Stop is bounded; what the broker does not have is counted."""
    bench.start()
    bench.broker.kill()
    bench.source_waits()
    took = bench.stop()
    bench.broker.start()
    expect(took < FLUSH_TIMEOUT + 2, f"the Stop took {took:.1f} s")
    return f"{bench.what_is_not_is_counted()}; stopped in {took:.1f} s"


def the_run_must_not_go_on_without(bench: Bench) -> str:
    """OnDeliveryError=Stop: the run ends by itself, and no other begins before the broker is back."""
    bench.pipeline.configure({"on_delivery_error": "Stop", "delivery_timeout": 3.0})
    bench.start()
    bench.broker.kill()
    took = bench.until(lambda: bench.pipeline.at_rest)
    bench.until(lambda: bench.pipeline.processes["PublishEvents"].failed)
    bench.broker.start()
    return f"{bench.what_is_not_is_counted()}; ended {took:.1f} s after"


def the_task_is_killed(bench: Bench) -> str:
    """The reader sees a run without an end, and the next one is complete."""
    bench.start()
    process = bench.pipeline.processes["PublishEvents"].task
    process.kill()
    bench.until(lambda: bench.pipeline.at_rest)
    first = bench.stream
    expect(not first.ended and first.events > 0, "the run has an end in the topic")
    bench.pipeline.errors.clear()
    bench.start()
    bench.stop()
    return f"{first.events:,} events of the run are there, without an end; the next: {bench.all_is_delivered()}"


def the_topic_takes_no_large_messages(bench: Bench) -> str:
    """A message that is refused waits until the topic takes it."""
    bench.broker.set_topic(bench.topic, max_message_bytes="20000")
    bench.pipeline.configure({"compression": "none"})
    bench.pipeline.start()
    bench.until(lambda: bench.reported("delivery_status") == "Refused")
    why = bench.reported("delivery_message")
    bench.source_waits()
    bench.broker.set_topic(bench.topic, max_message_bytes="1048588")
    back = bench.until(lambda: bench.reported("delivery_status") == "Delivery OK")
    bench.until_later(1)
    bench.stop()
    events, stream = bench.reported("events"), bench.stream
    expect(sorted(stream.sequences) == list(range(len(stream.sequences))), "there are gaps")
    expect(stream.ended and stream.events == events == bench.reported("events_delivered"), "not all events are there")
    return f"{why!r}; went on {back:.1f} s after; {events:,} events, all there"


def there_is_no_such_topic(bench: Bench) -> str:
    """A run waits for its topic."""
    topic = f"{bench.topic}-not-yet"
    bench.pipeline.configure({"topic": topic})
    bench.pipeline.start()
    bench.until(lambda: bench.reported("delivery_status") == "Refused")
    why = bench.reported("delivery_message")
    bench.source_waits()
    bench.broker.make_topic(topic)
    bench.topic = topic
    back = bench.until(lambda: bench.reported("events_delivered") > 20_000)
    bench.stop()
    return f"{why!r}; went on {back:.1f} s after; {bench.all_is_delivered()}"


FAULTS = (
    nothing_happens,
    killed_and_started_again,
    stopped_for_a_while,
    killed_before_the_stop,
    the_run_must_not_go_on_without,
    the_task_is_killed,
    the_topic_takes_no_large_messages,
    there_is_no_such_topic,
)


@contextmanager
def _bench(broker: KafkaBroker, topic: str) -> Iterator[Bench]:
    broker.make_topic(topic)
    settings = {"brokers": broker.address, "topic": topic, "max_waiting": MAX_WAITING, "message_size": 100_000}
    settings["flush_timeout"] = FLUSH_TIMEOUT
    with Recorder() as pipeline:
        pipeline.watchdog.stop_timeout = STOP_TIMEOUT
        pipeline.chain_of(*CHAIN)
        pipeline.configure({"PublishEvents": settings, "DummyData": {"channel_rate": RATE}})
        yield Bench(broker, topic, pipeline)


def main() -> None:
    """Does the faults, and prints what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="faults whose name contains this")
    only = parser.parse_args().only
    failed = 0
    try:
        with tempfile.TemporaryDirectory() as folder, KafkaBroker(Path(folder) / "kafka") as broker:
            for fault in (fault for fault in FAULTS if only in fault.__name__):
                name = fault.__name__.replace("_", " ")
                with _bench(broker, f"t-{fault.__name__}") as bench:
                    try:
                        said = fault(bench)
                    except AssertionError as error:
                        failed, said = failed + 1, f"FAILED: {error}"
                print(f"{name}: {said}", flush=True)
    except NotAvailable as error:
        sys.exit(f"not possible here: {error}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
