"""What can be told to the client, what cannot, and what a status is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pixieioc.pipeline import Error, Parameter
from pixieioc.pipeline.declare import parameters_of
from pixieioc.tasks.delivery_status import status_of, why_not_ready
from pixieioc.tasks.kafka_settings import producer_properties, properties_in
from pixieioc.tasks.kafka_watch import Seen
from pixieioc.tasks.publish_events import PublishEvents

PARAMETERS: dict[str, Parameter[Any]] = parameters_of(PublishEvents)
DEFAULTS = {name: parameter.default for name, parameter in PARAMETERS.items()}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("brokers", "kafka1.site:9092, kafka2.site:9092,[::1]:9092,10.0.0.1"),
        ("topic", "DETECTORS_pixie.events-1"),
        ("run_topic", ""),
        ("client_settings", ["security.protocol=SASL_SSL", "ssl.ca.location = /etc/ca.crt"]),
        ("columns", ["time", "cfd", "trace"]),
    ],
)
def test_these_are_accepted(name: str, value: object) -> None:
    assert PARAMETERS[name].check(value) == value


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("brokers", "", "'' must be host:port"),
        ("brokers", "a:9092,b:70000", "'b:70000' must be host:port with a port from 1 to 65535"),
        ("brokers", "https://a", "must be host:port"),
        ("topic", "", "1 to 249 letters"),
        ("topic", "my topic", "1 to 249 letters, digits"),
        ("topic", "..", "1 to 249 letters"),
        ("source_name", "", "1 to 100 printable characters"),
        ("columns", ["energy"], "the column time must be among them"),
        ("columns", ["time", "colour"], "'colour' is no column of events: they are time, cfd, energy"),
        ("client_settings", ["security.protocol"], "must be name=value"),
        ("client_settings", ["acks=1"], "acks cannot be set here: what is delivered would not be known"),
        ("client_settings", ["bootstrap.servers=a:1"], "it is what Brokers says"),
        ("client_settings", ["sasl.password=x"], "sasl.password is secret"),
        ("client_settings", ["ssl.key.pem=x"], "ssl.key.pem is secret"),
        ("message_size", 1, "from 10000 to 100000000"),
    ],
)
def test_these_are_refused(name: str, value: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        PARAMETERS[name].check(value)


def test_secrets_are_in_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    file = tmp_path / "kafka.properties"
    file.write_text("# of the site\n\nsasl.username = daq\nsasl.password=p=w\n")
    file.chmod(0o644)
    with pytest.raises(Error, match=r"everybody can read it or write to it; chmod o-rwx"):
        properties_in(str(file))
    file.chmod(0o640)
    assert properties_in(str(file)) == {"sasl.username": "daq", "sasl.password": "p=w"}
    file.write_text("acks=0\n")
    with pytest.raises(Error, match="acks cannot be set here"):
        properties_in(str(file))
    with pytest.raises(Error, match="No such file"):
        properties_in(str(tmp_path / "none"))
    assert properties_in("") == {}


def test_a_message_is_tried_as_long_as_the_run_waits() -> None:
    waits = producer_properties(DEFAULTS)
    assert (waits["acks"], waits["enable.idempotence"], waits["message.timeout.ms"]) == ("all", "true", 0)
    stops = producer_properties({**DEFAULTS, "on_delivery_error": "Stop", "delivery_timeout": 2.5})
    assert stops["message.timeout.ms"] == 2500
    set_by_a_site = {**DEFAULTS, "client_settings": ["linger.ms=100", "log_level=7"]}
    assert producer_properties(set_by_a_site).items() >= {"linger.ms": "100", "log_level": "7"}.items()


@pytest.mark.parametrize(
    ("seen", "waited", "failed", "status"),
    [
        (Seen(), 0.0, "", ("Unknown", "")),
        (Seen("reachable"), 2.0, "", ("Delivery OK", "")),
        (Seen("reachable"), 4.0, "", ("Delivery late", "the oldest message has waited for 4 s")),
        (Seen("reachable"), 4.0, "too large", ("Refused", "too large")),
        (Seen("refused", "no topic"), 9.0, "", ("Refused", "no topic")),
        (Seen("not reachable", "gone"), 9.0, "timed out", ("Not reachable", "gone")),
    ],
)
def test_the_status_names_the_cause(seen: Seen, waited: float, failed: str, status: tuple[str, str]) -> None:
    assert status_of(seen, waited, failed) == status


def test_a_run_that_needs_the_brokers_waits_for_their_first_answer() -> None:
    assert why_not_ready(Seen()) == ("the brokers have not answered yet", True)
    assert why_not_ready(Seen("not reachable", "gone")) == ("gone", False)
    assert why_not_ready(Seen("reachable")) == ("", False)
