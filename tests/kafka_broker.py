"""A real broker of Kafka on this computer, for tests and benchmarks: one node, in a folder of its own."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any, Self

from confluent_kafka import Consumer, KafkaException, TopicPartition, admin

from tests.ports import free_port

#: Where Kafka's jars are; the test of the alarm server has them, too.
LIBRARY = Path(os.environ.get("KAFKA_LIB", Path.home() / ".cache/pixieioc-tests/kafka-lib"))
#: What it exports without saying so to a type checker.
_ADMIN: Any = admin
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=1000
"""


class NotAvailable(RuntimeError):
    """What a broker needs is not on this computer."""


class KafkaBroker:
    """A broker that can be stopped, killed and started again, with its data and its address."""

    def __init__(self, folder: Path, *, fast: bool = False) -> None:
        """`fast`: its code is compiled thoroughly, which takes longer at the beginning."""
        self._fast = fast
        self._java = shutil.which("java")
        if self._java is None:
            raise NotAvailable("java is not installed")
        if not any(LIBRARY.glob("kafka_2.13-*.jar")):
            raise NotAvailable(f"there are no jars of Kafka in {LIBRARY}")
        self._folder = folder
        port, controller = free_port(), free_port()
        self.address = f"127.0.0.1:{port}"
        self._client = {"bootstrap.servers": self.address, "log_level": 0}
        folder.mkdir(exist_ok=True)
        (folder / "properties").write_text(_PROPERTIES.format(folder=folder, port=port, controller=controller))
        (folder / "data").mkdir()
        # What formatting the folder would write, without a virtual machine of its own.
        identity = f"version=1\ncluster.id={uuid.uuid4().hex[:22]}\nnode.id=1\ndirectory.id={_identity()}\n"
        (folder / "data" / "meta.properties").write_text(identity)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Starts the broker, and returns when it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(
                        self._java or "",
                        "-Xmx512m",
                        "-XX:+UseSerialGC",
                        *([] if self._fast else ["-XX:TieredStopAtLevel=1"]),
                        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                    ),
                    *("-cp", f"{LIBRARY}/*", "kafka.Kafka", str(self._folder / "properties")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 240
        while True:
            try:
                _ADMIN.AdminClient(self._client).list_topics(timeout=5)
                return
            except KafkaException:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"Kafka does not start:\n{(self._folder / 'log').read_text()}") from None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        """Sends a signal to its process."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it as a failure of its computer would; its data stay."""
        if self._process is not None:
            self.signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def make_topic(self, name: str, **settings: str) -> None:
        """Makes a topic, with settings such as max_message_bytes="1000"."""
        named = {key.replace("_", "."): value for key, value in settings.items()}
        client = _ADMIN.AdminClient(self._client)
        client.create_topics([_ADMIN.NewTopic(name, 1, 1, config=named)])[name].result(60)

    def set_topic(self, name: str, **settings: str) -> None:
        """Changes settings of a topic."""
        entries = [
            _ADMIN.ConfigEntry(key.replace("_", "."), value, incremental_operation=_ADMIN.AlterConfigOpType.SET)
            for key, value in settings.items()
        ]
        resource = _ADMIN.ConfigResource(_ADMIN.ConfigResource.Type.TOPIC, name, incremental_configs=entries)
        client = _ADMIN.AdminClient(self._client)
        client.incremental_alter_configs([resource])[resource].result(60)

    def messages(self, topic: str) -> list[bytes]:
        """All messages that are in a topic now."""
        consumer = Consumer({**self._client, "group.id": uuid.uuid4().hex, "enable.auto.commit": False})
        try:
            place = TopicPartition(topic, 0, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=60)
            consumer.assign([place])
            found: list[bytes] = []
            while len(found) < end:
                found += [_value(message) for message in consumer.consume(end - len(found), 10)]
            return found
        finally:
            consumer.close()


def _value(message: Any) -> bytes:
    assert message.error() is None, message.error()
    return message.value()


def _identity() -> str:
    """22 characters, as Kafka writes what identifies a folder."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
