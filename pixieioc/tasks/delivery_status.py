"""Whether messages get into Kafka, in a word and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pixieioc.presentation import Severity
from pixieioc.tasks.kafka_watch import Seen

UNKNOWN, GOOD, LATE, UNREACHABLE, REFUSED = "Unknown", "Delivery OK", "Delivery late", "Not reachable", "Refused"
#: How bad each of them is.
SEVERITIES: Mapping[str, Severity] = MappingProxyType(
    {UNKNOWN: "NO_ALARM", GOOD: "NO_ALARM", LATE: "MINOR", UNREACHABLE: "MAJOR", REFUSED: "MAJOR"}
)
#: What is not confirmed after so long is late, in seconds.
LATE_AFTER = 3.0


def status_of(seen: Seen, waited: float = 0.0, failed: str = "") -> tuple[str, str]:
    """The status, and what is wrong.

    `seen` is what the brokers have said, `waited` how long the oldest message has waited, `failed` why one has failed.
    """
    if seen.state == "not reachable":
        return UNREACHABLE, seen.why
    if failed:
        return REFUSED, failed
    if seen.state == "refused":
        return REFUSED, seen.why
    if waited > LATE_AFTER:
        return LATE, f"the oldest message has waited for {waited:.0f} s"
    return (GOOD, "") if seen.state == "reachable" else (UNKNOWN, "")


def why_not_ready(seen: Seen) -> tuple[str, bool]:
    """Why no run can begin that must not go on without the brokers, and whether that passes by itself."""
    if seen.state == "unknown":
        return "the brokers have not answered yet", True
    return seen.why, False
