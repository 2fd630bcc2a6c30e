"""The example that publishes events, with a real broker: a run is complete in its topic, or it is known that it is not.

What the broker does to a lossless chain is in `kafka_faults.py`, a command of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.ca_client import PutFailed
from tests.running_ioc import ROOT, Ioc, ioc_folder, running
from tests.test_readme import read, section

try:
    from tests.kafka_broker import KafkaBroker, NotAvailable
    from tests.system.kafka_faults import Stream, streams_of
except ImportError as error:
    pytest.skip(f"the extra kafka is not installed: {error}", allow_module_level=True)

CONSUMER = ROOT / "examples" / "kafka_consumer.py"
TOPIC = "pixieioc-events"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    try:
        made = KafkaBroker(tmp_path_factory.mktemp("kafka") / "broker")
    except NotAvailable as error:
        pytest.skip(str(error))
    with made:
        made.make_topic(TOPIC)
        yield made


@pytest.fixture(scope="module")
def ioc(broker: KafkaBroker) -> Iterator[Ioc]:
    """The IOC of the example."""
    options = (
        f"PublishEvents.brokers={broker.address}",
        "DummyData.channel_rate=5000",
        "run.stop_timeout=20",
    )
    with ioc_folder() as folder:
        arguments = [word for option in options for word in ("--set", option)]
        with running(Ioc(folder, "run", ROOT / "examples" / "kafka.toml", *arguments)) as ioc:
            yield ioc


def delivering(ioc: Ioc) -> None:
    """A run has begun, and events arrive."""
    ioc.put_and_forget("Acquire", 1)
    ioc.until("DetectorState_RBV", "Acquire", 60)
    ioc.until("PublishEvents:REPORT:EventsDelivered_RBV", lambda events: events > 5000, 60)


def counted(ioc: Ioc) -> tuple[int, int, int]:
    """Delivered, waiting, undelivered."""
    names = ("EventsDelivered", "EventsWaiting", "EventsUndelivered")
    delivered, waiting, undelivered = (int(ioc.get(f"PublishEvents:REPORT:{name}_RBV")) for name in names)
    return delivered, waiting, undelivered


def stream(ioc: Ioc, broker: KafkaBroker) -> Stream:
    """What is in the topic of the latest run."""
    return streams_of(broker.messages(TOPIC))[int(ioc.get("RunId_RBV"))]


def test_a_run_is_complete_in_its_topic(ioc: Ioc, broker: KafkaBroker) -> None:
    delivering(ioc)
    ioc.put("Stop", 1)
    events = int(ioc.get("SortEvents:Events_RBV"))
    assert counted(ioc) == (events, 0, 0)
    assert ioc.get("PublishEvents:REPORT:DeliveryStatus_RBV") == "Delivery OK"
    assert stream(ioc, broker).complete
    line = [sys.executable, CONSUMER, broker.address, TOPIC, "1"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout == f"run {ioc.get('RunId_RBV')} of PX16: {events} events, complete\n"


def test_a_broker_that_hangs_costs_neither_data_nor_events(ioc: Ioc, broker: KafkaBroker) -> None:
    delivering(ioc)
    broker.signal(signal.SIGSTOP)
    try:
        ioc.until("PublishEvents:REPORT:WaitingTime_RBV", lambda seconds: seconds > 1, 60)
        saved = ioc.get("GatherData:Counter_RBV")
        ioc.until("GatherData:Counter_RBV", lambda count: count > saved + 5, 60)
    finally:
        broker.signal(signal.SIGCONT)
    ioc.until("PublishEvents:REPORT:WaitingTime_RBV", lambda seconds: seconds < 1, 60)
    ioc.put("Stop", 1)
    events = int(ioc.get("SortEvents:Events_RBV"))
    assert counted(ioc) == (events, 0, 0)
    found = stream(ioc, broker)
    assert (found.complete, found.events) == (True, events)
    assert ioc.get("ErrorLatched_RBV") == "OK"


def test_a_task_that_is_killed_leaves_a_run_without_an_end(ioc: Ioc, broker: KafkaBroker) -> None:
    delivering(ioc)
    os.kill(ioc.pid_of("PublishEvents"), signal.SIGKILL)
    ioc.until("PublishEvents:ERROR", "ERROR", 60)
    assert ioc.get("Acquire_RBV") == "Acquiring"
    ioc.put("Stop", 1)
    assert ioc.get("RunEndReason_RBV") == "Operator stop"
    found = stream(ioc, broker)
    assert found.events > 5000
    assert not found.ended
    ioc.put("ErrorAck", 1)


def test_what_a_broker_that_is_gone_does_not_have_is_counted_and_the_run_is_good(ioc: Ioc, broker: KafkaBroker) -> None:
    delivering(ioc)
    broker.kill()
    ioc.put("PublishEvents:FlushTimeout", 1.0)
    ioc.until("PublishEvents:REPORT:DeliveryStatus_RBV", "Not reachable", 60)
    assert ioc.severity("PublishEvents:REPORT:DeliveryStatus_RBV") == 2
    # The client of Kafka may give the reason later than the end of its patience.
    ioc.until("PublishEvents:REPORT:DeliveryMessage_RBV", lambda text: "Connection refused" in text, 60)
    ioc.put("Stop", 1)
    assert (ioc.get("RunEndReason_RBV"), ioc.get("GatherData:Dropped_RBV")) == ("Operator stop", 0)
    delivered, waiting, undelivered = counted(ioc)
    assert (delivered > 5000, waiting, undelivered > 0) == (True, 0, True)
    assert ioc.severity("PublishEvents:REPORT:EventsUndelivered_RBV") == 2
    assert "have not confirmed all events in time" in ioc.get("PublishEvents:ErrorMessage_RBV")
    assert ioc.get("Ready_RBV") == "Yes", "online analysis keeps no run from being started"
    ioc.put("PublishEvents:OnDeliveryError", "Stop")
    with pytest.raises(PutFailed):
        ioc.put("Acquire", 1)
    assert "start: PublishEvents: no answer from" in ioc.get("CmdMessage_RBV")


def test_the_reader_is_shown_as_it_is() -> None:
    page = "docs/reference/kafka.md"
    [shown] = [block.text for block in section(page, "A reader") if block.file == "examples/kafka_consumer.py"]
    assert shown == read("examples/kafka_consumer.py")
