"""What can be set of a stream of events into Kafka."""

from __future__ import annotations

from pixieioc.pipeline import Error, Parameter
from pixieioc.tasks import kafka_settings
from pixieioc.tasks.file_series import STOP, WAIT
from pixieioc.tasks.stream_messages import COLUMNS, USUAL

ARROW, EV44 = "arrow", "ev44"


def _check_columns(names: list[str]) -> None:
    if unknown := [name for name in names if name not in COLUMNS]:
        raise Error(f"{unknown[0]!r} is no column of events: they are {', '.join(COLUMNS)}")
    if "time" not in names:
        raise Error("the column time must be among them")


def _check_topic_or_none(name: str) -> None:
    if name:
        kafka_settings.check_topic(name)


class StreamSettings:
    """The parameters of a task that publishes events."""

    brokers = Parameter(
        "localhost:9092",
        rule=kafka_settings.check_brokers,
        doc="Brokers that are asked for all others, host:port, separated by commas.",
    )
    topic = Parameter("pixieioc-events", rule=kafka_settings.check_topic, doc="The topic that events are sent to.")
    run_topic = Parameter(
        "",
        rule=_check_topic_or_none,
        doc="The topic of the messages with which a run begins and ends; empty: that of the events.",
    )
    counts_topic = Parameter(
        "",
        rule=_check_topic_or_none,
        doc="The topic of the number of events of each channel, once a second as f144; empty: they are not sent.",
    )
    source_name = Parameter(
        "pixie16",
        rule=kafka_settings.check_source,
        doc="The name of the stream: the key of each message, so that all go to one partition, in order.",
    )
    format = Parameter(
        ARROW, choices=(ARROW, EV44), doc="arrow: all that Columns names; ev44: ESS' schema, channel and time only."
    )
    columns = Parameter(
        USUAL, rule=_check_columns, doc="The columns of an event in the format arrow, see the reference of events."
    )
    first_pixel = Parameter(0, low=0, doc="The pixel of channel 0 of module 0 in the format ev44.")
    message_size = Parameter(
        500_000,
        unit="B",
        low=10_000,
        high=100_000_000,
        doc="Size of a message; the brokers and the topic must allow it (message.max.bytes, by default 1 MB).",
    )
    max_delay = Parameter(0.1, unit="s", low=0, high=60, live=True, doc="Longest time that events wait for others.")
    max_waiting = Parameter(
        64,
        unit="MB",
        low=1,
        high=16_000,
        live=True,
        doc="Most that is sent and not confirmed; beyond, the chain waits.",
    )
    compression = Parameter(
        "lz4", choices=("none", "gzip", "snappy", "lz4", "zstd"), doc="How the client compresses messages."
    )
    on_delivery_error = Parameter(
        WAIT,
        choices=(STOP, WAIT),
        doc="What is done when the brokers do not take messages: the run ends (and none begins while they cannot be "
        "reached), or what comes waits until they do.",
    )
    delivery_timeout = Parameter(
        10.0, unit="s", low=1, high=3600, doc="With OnDeliveryError=Stop: so long a message is tried."
    )
    flush_timeout = Parameter(
        10.0,
        unit="s",
        low=0.1,
        high=3600,
        live=True,
        doc="At the end of a run: so long the next confirmation is waited for; four fifths of StopTimeout are the most "
        "for all of them.",
    )
    client_settings = Parameter(
        [],
        rule=kafka_settings.check_client_settings,
        doc="Properties of the client (librdkafka's), name=value, such as security.protocol=SASL_SSL; no secrets.",
    )
    client_file = Parameter(
        "",
        path=True,
        must_exist=True,
        access="EN",
        doc="A file with more of them, a line each, secrets included; others than its owner and group cannot read it.",
    )
