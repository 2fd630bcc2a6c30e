"""Reads a stream of events from Kafka and says of each run what has come, and whether that is all.

python kafka_consumer.py localhost:9092 pixieioc-events [NUMBER OF RUNS]
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field

import numpy
import pyarrow
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition


@dataclass
class Run:
    """What has come of a run."""

    sequences: set[int] = field(default_factory=set)
    events: int = 0
    spectrum: numpy.ndarray = field(default_factory=lambda: numpy.zeros(65536, int))

    def add(self, about: dict, table: pyarrow.Table) -> None:
        """Takes a message; one that has come before is left out."""
        if about["sequence"] not in self.sequences:
            self.sequences.add(about["sequence"])
            self.events += len(table)
            self.spectrum += numpy.bincount(table["energy"].to_numpy(), minlength=65536)

    def missing(self, end: dict) -> int:
        """How many events have not come, by what the last message says."""
        return end["first_event"] - self.events


def read(message: bytes) -> tuple[dict, pyarrow.Table]:
    """What a message is, and its events."""
    with pyarrow.ipc.open_stream(message) as stream:
        return json.loads(stream.schema.metadata[b"pixieioc"]), stream.read_all()


def main(brokers: str, topic: str, number: int | None) -> None:
    """Reads all that is in the topic, and what comes, until so many runs have ended."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "none", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    runs: dict[tuple, Run] = {}
    ended = 0
    while ended != number:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            sys.exit(str(message.error()))
        about, table = read(message.value() or b"")
        run = runs.setdefault((about["source"], about["run_id"], about["run_started"]), Run())
        run.add(about, table)
        if about["message"] == "end":
            ended += 1
            missing = run.missing(about)
            print(f"run {about['run_id']} of {about['source']}: {run.events} events,", end=" ")
            print(f"{missing} are missing" if missing else "complete", flush=True)
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None)
