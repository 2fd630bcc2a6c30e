"""Events into a real broker of Kafka on this computer: how many a second, and whether each is delivered or counted.

The recording of `examples/data`, repeated, goes through LoadFiles, ConvertToEvents, SortEvents and PublishEvents, each
waiting for the next, into a topic of a broker with one node (KRaft, in the temporary folder). The time is that from the
call of `start()` until all tasks are at rest, when every event is confirmed (`acks=all`). Then the same is stopped by a
Stop in its middle, and the broker is killed in the middle of a third run. After each, the topic is read: all messages
must be there, in order, with the events that the task counts as delivered. CPU is that of the processes, by the kernel.

The exit code is 1 if anything is missing that is not counted, or if the bar is missed. Needs java and Kafka's jars, see
`tests/kafka_broker.py`.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import common
import numpy as np
import pyarrow as pa
import typer

from pixieioc.listmode import events as ev
from pixieioc.listmode.stream import Decoder
from pixieioc.listmode.variant import variant
from pixieioc.pipeline import Pipeline
from pixieioc.tasks.event_batches import EventBatches
from pixieioc.tasks.stream_messages import COLUMNS, USUAL, ArrowMessages, Position, StreamRun

sys.path.insert(0, str(common.ROOT))
from tests.kafka_broker import KafkaBroker, NotAvailable

RECORDING = common.ROOT / "examples" / "data" / "pixie16_binary_data-full.bin"
CHAIN = ["LoadFiles", "ConvertToEvents", "SortEvents", "PublishEvents"]
#: Events per second into one broker.
BAR = 1e6
LAYOUT = variant(500, 34688)


class NotExact(Exception):
    """Events are neither in the topic nor counted as undelivered."""


@dataclass
class Topic:
    """What is in a topic that has one run."""

    messages: int
    events: int
    ended: bool
    in_order: bool


def main(
    events: Annotated[float, typer.Option(min=1, help="Events of a run, millions.")] = 20.0,
    runs: Annotated[int, typer.Option(min=1, help="Whole runs.")] = 3,
    compression: Annotated[str, typer.Option(help="none, gzip, snappy, lz4 or zstd.")] = "lz4",
    as_json: common.Json = False,
) -> None:
    """Measure the delivery of events to Kafka."""
    folder = common.private_folder()
    recording = RECORDING.read_bytes()
    file = folder / "list-mode.bin"
    with file.open("wb") as out:
        for _ in range(round(events * 1e6 / 24_598)):
            out.write(recording)
    rows = [*_alone(recording)]
    try:
        with KafkaBroker(folder / "kafka", fast=True) as broker, _pipeline(file, broker, compression) as pipeline:
            rows += _whole_runs(pipeline, broker, runs, file.stat().st_size // 16, folder)
            rows += _stopped(pipeline, broker)
            rows += _killed(pipeline, broker)
    except NotAvailable as error:
        sys.exit(f"not possible here: {error}")
    except NotExact as error:
        sys.exit(str(error))
    common.show(f"Kafka: {events:g} M events a run, {compression}", rows, as_json=as_json)
    sys.exit(0 if all(row.met is not False for row in rows) else 1)


def _alone(recording: bytes) -> list[common.Row]:
    """What it costs to make the messages, without a broker."""
    decoder = Decoder(LAYOUT)
    once = ev.concatenate(decoder.feed(np.frombuffer(recording, "<u4")) + decoder.finish())
    once |= {"period": np.zeros(ev.size(once), np.uint32)}
    columns = [COLUMNS[name] for name in USUAL]
    messages, size, count = ArrowMessages(StreamRun("PX16", 1, 0.0), columns), 0, 0
    took = 0.0
    for turn in range(2):  # the first one imports
        batches, size, count = EventBatches(columns, 500_000), 0, 0
        began = time.process_time()
        for _ in range(40):
            for batch in batches.add(once):
                size += len(messages.events(Position(1, count), batch))
                count += ev.size(batch)
        took = time.process_time() - began
        common.note(f"messages alone, turn {turn}: {took:.2f} s")
    return [
        common.Row("making messages alone, CPU", "ns/event", took / count * 1e9),
        common.Row("size of messages", "B/event", size / count),
    ]


def _pipeline(file: Path, broker: KafkaBroker, compression: str) -> Pipeline:
    pipeline = Pipeline(
        {
            "LoadFiles": {"files": [str(file)]},
            "SortEvents": {"reset_time": 5.0},
            "PublishEvents": {"brokers": broker.address, "compression": compression},
        }
    )
    pipeline.follow(pipeline.creating(CHAIN))
    pipeline.connect(CHAIN)
    return pipeline


def _begin(pipeline: Pipeline, broker: KafkaBroker, topic: str) -> None:
    broker.make_topic(topic)
    pipeline.configure({"PublishEvents": {"topic": topic}})


def _whole_runs(pipeline: Pipeline, broker: KafkaBroker, runs: int, count: int, folder: Path) -> list[common.Row]:
    rates, costs = [], []
    for number in range(1 + runs):  # the first run of each process is that in which everything is cold
        topic = f"run{number}"
        _begin(pipeline, broker, topic)
        before, began = _cpu(pipeline, broker), time.monotonic()
        pipeline.start()
        pipeline.wait(20 * common.PATIENCE)
        took = time.monotonic() - began
        common.note(f"run {number} of {runs}: {count / took / 1e6:.2f} M events/s")
        _check(pipeline, _read(broker, topic), count)
        if number:
            rates.append(count / took)
            costs.append({name: (cpu - before[name]) / count * 1e9 for name, cpu in _cpu(pipeline, broker).items()})
    stored = sum(path.stat().st_size for path in (folder / "kafka" / "data" / "run0-0").glob("*.log")) / count
    rate = statistics.median(rates)
    return [
        common.Row("events confirmed by the broker", "events/s", rate, None, BAR, rate >= BAR),
        common.Row("the fastest run", "events/s", max(rates)),
        *(common.Row(f"CPU of {n}", "ns/event", statistics.median(cost[n] for cost in costs)) for n in costs[0]),
        common.Row("stored by the broker", "B/event", stored),
    ]


def _stopped(pipeline: Pipeline, broker: KafkaBroker) -> list[common.Row]:
    """A Stop in the middle: what has come is delivered."""
    _begin(pipeline, broker, "stopped")
    pipeline.start()
    _until_delivered(pipeline, 2_000_000)
    began = time.monotonic()
    pipeline.stop()
    pipeline.wait(common.PATIENCE)
    took = time.monotonic() - began
    came = pipeline.processes["PublishEvents"].reports["events"]
    _check(pipeline, _read(broker, "stopped"), came)
    return [
        common.Row("a clean Stop: events that came, all in the topic", "events", came),
        common.Row("the Stop took", "s", took),
    ]


def _killed(pipeline: Pipeline, broker: KafkaBroker) -> list[common.Row]:
    """The broker is killed in the middle, and the run is stopped: what is not delivered is counted."""
    _begin(pipeline, broker, "killed")
    pipeline.start()
    _until_delivered(pipeline, 2_000_000)
    broker.kill()
    _until(pipeline, lambda reports: reports["delivery_status"] == "Not reachable")
    began = time.monotonic()
    pipeline.stop()
    while not pipeline.at_rest and time.monotonic() < began + common.PATIENCE:
        pipeline.wait(1)
    took = time.monotonic() - began
    broker.start()
    reports, topic = pipeline.processes["PublishEvents"].reports, _read(broker, "killed")
    delivered, undelivered = reports["events_delivered"], reports["events_undelivered"]
    if not undelivered or reports["events_waiting"] or not delivered <= topic.events <= delivered + undelivered:
        raise NotExact(f"killed: {delivered} delivered, {undelivered} not, {topic.events} in the topic")
    return [
        common.Row("the broker is killed: events delivered", "events", delivered),
        common.Row("events counted as undelivered", "events", undelivered),
        common.Row("of these, in the topic all the same", "events", topic.events - delivered),
        common.Row("the Stop took", "s", took),
    ]


def _until_delivered(pipeline: Pipeline, events: int) -> None:
    _until(pipeline, lambda reports: reports["events_delivered"] >= events)


def _until(pipeline: Pipeline, holds: Any) -> None:
    end, reports = time.monotonic() + common.PATIENCE, pipeline.processes["PublishEvents"].reports
    while not holds(reports):
        if time.monotonic() > end or pipeline.errors:
            raise NotExact(f"it does not go on: {pipeline.errors or reports}")
        if not pipeline.poll():
            pipeline.processes.wait(0.05)


def _cpu(pipeline: Pipeline, broker: KafkaBroker) -> dict[str, float]:
    """CPU seconds of each process so far."""
    pids = {name: pipeline.processes[name].task.pid for name in CHAIN} | {"the broker": broker.pid}
    return {name: common.cpu_of(pid) for name, pid in pids.items() if pid is not None}


def _read(broker: KafkaBroker, topic: str) -> Topic:
    found, sequences = Topic(0, 0, False, True), []
    for message in broker.messages(topic):
        with pa.ipc.open_stream(message) as stream:
            about = json.loads(stream.schema.metadata[b"pixieioc"])
            sequences.append(about["sequence"])
            found.events += sum(batch.num_rows for batch in stream)
            found.ended |= about["message"] == "end"
    found.messages, found.in_order = len(sequences), sequences == list(range(len(sequences)))
    return found


def _check(pipeline: Pipeline, topic: Topic, count: int) -> None:
    reports = pipeline.processes["PublishEvents"].reports
    counted = (reports["events_delivered"], reports["events_waiting"], reports["events_undelivered"])
    if pipeline.errors or counted != (count, 0, 0) or not (topic.in_order and topic.ended and topic.events == count):
        raise NotExact(f"{count} events: {counted} counted, {topic} in the topic; {pipeline.errors}")


if __name__ == "__main__":
    typer.run(main)
