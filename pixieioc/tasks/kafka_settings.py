"""What can be told to the client of a Kafka cluster: checked here as far as that is possible without the client."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pixieioc.pipeline import Error
from pixieioc.tasks.file_series import WAIT
from pixieioc.tasks.names import shown

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_BROKER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")
#: Names of properties with values that are secret: settings can be read by everybody, and stand beside the data.
_SECRET = re.compile(r"password|secret|token|\.pem$|sasl\.jaas|oauthbearer\.config")
#: What PublishEvents promises depends on these, or has a parameter of its own for them.
_OURS = {
    "bootstrap.servers": "Brokers",
    "metadata.broker.list": "Brokers",
    "compression.type": "Compression",
    "compression.codec": "Compression",
    "message.timeout.ms": "DeliveryTimeout",
    "delivery.timeout.ms": "DeliveryTimeout",
    "message.max.bytes": "MessageSize",
    "acks": "",
    "request.required.acks": "",
    "enable.idempotence": "",
    "transactional.id": "",
    "queue.buffering.max.messages": "MaxWaiting",
    "queue.buffering.max.kbytes": "MaxWaiting",
    "retries": "",
    "message.send.max.retries": "",
}
#: What is asked of the client unless settings say otherwise: it is back soon after the brokers are, and says nothing on
#: stderr of what the task reports.
_DEFAULTS = {"reconnect.backoff.max.ms": 1000, "socket.connection.setup.timeout.ms": 5000, "log_level": 0}
#: Limits of the client's queue that are never reached: what waits is limited by the task.
_UNLIMITED = {"queue.buffering.max.messages": 0, "queue.buffering.max.kbytes": 2**31 - 1}


def check_brokers(text: str) -> None:
    """Error unless these are names or addresses, each with or without a port, separated by commas."""
    for broker in text.split(","):
        found = _BROKER.fullmatch(broker.strip())
        if found is None or not 1 <= int(found["port"] or 1) <= 65535:
            raise Error(f"{broker.strip()!r} must be host:port with a port from 1 to 65535; separate several by commas")


def check_topic(name: str) -> None:
    """Error unless a topic can have this name."""
    if not _TOPIC.fullmatch(name) or name in (".", ".."):
        raise Error("the name of a topic has 1 to 249 letters, digits, '.', '_' or '-'")


def check_source(name: str) -> None:
    """Error unless a stream can have this name."""
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise Error("must have 1 to 100 printable characters")


def properties(lines: Iterable[str]) -> dict[str, str]:
    """`name=value` as properties of the client; Error with the line that is none, or that is not for settings."""
    found: dict[str, str] = {}
    for line in lines:
        name, separator, value = (part.strip() for part in line.partition("="))
        if not separator or not name:
            raise Error(f"{line!r} must be name=value, as in security.protocol=SASL_SSL")
        if name in _OURS:
            instead = f"it is what {_OURS[name]} says" if _OURS[name] else "what is delivered would not be known"
            raise Error(f"{name} cannot be set here: {instead}")
        found[name] = value
    return found


def check_client_settings(lines: list[str]) -> None:
    """Error if a line is no property, or one that must not be read by everybody."""
    if secret := next((name for name in properties(lines) if _SECRET.search(name)), ""):
        raise Error(f"{secret} is secret, and settings can be read by everybody: write it into the file of ClientFile")


def properties_in(path: str) -> dict[str, str]:
    """The properties in a file, a line each, `#` before comments; Error if it cannot be read, or everybody can."""
    if not path:
        return {}
    try:
        if Path(path).stat().st_mode & 0o007:
            raise Error(f"{shown(path)}: everybody can read it or write to it; chmod o-rwx")
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Error(f"{shown(path)}: {error}") from error
    return properties(line for line in lines if line.strip() and not line.lstrip().startswith(("#", "!")))


def client_properties(settings: Mapping[str, Any]) -> dict[str, str | int]:
    """The properties that every client of the cluster has, for connecting to it; Error if they cannot be had."""
    given = {**properties_in(settings["client_file"]), **properties(settings["client_settings"])}
    return {**_DEFAULTS, **given, "bootstrap.servers": settings["brokers"].replace(" ", "")}


def producer_properties(settings: Mapping[str, Any]) -> dict[str, str | int]:
    """Those of a producer: every message is kept by all replicas in sync, once, and in order.

    Where the run waits for the brokers, a message is tried for as long as it takes.
    """
    timeout = 0 if settings["on_delivery_error"] == WAIT else settings["delivery_timeout"]
    return {
        "linger.ms": 5,
        **client_properties(settings),
        **_UNLIMITED,
        "acks": "all",
        "enable.idempotence": "true",
        "compression.type": settings["compression"],
        "message.max.bytes": min(1_000_000_000, 1_000_000 + 2 * settings["message_size"]),
        "message.timeout.ms": int(1000 * timeout),
    }
