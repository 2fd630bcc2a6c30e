"""What a device needs of the IOC beside its signals: an answer that is not lost, and word of a lost connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pixieioc.devices.point import Event

#: Seconds within which the IOC answers a question.
ANSWER_TIME = 1.0
#: Seconds within which a run ends that is stopped: StopTimeout, and what it takes beside that.
STOP_TIME = 12.0
Tell = Callable[[Event], None]


class Link(Protocol):
    """A connection to an IOC, for the event loop that it is used in. Names have no prefix."""

    async def read(self, names: tuple[str, ...]) -> list[Any] | None:
        """What the process variables are now, enums as their labels; None: they are not all there in time."""
        ...

    def watch(self, name: str, tell: Tell) -> Callable[[], None]:
        """Tells of `Busy` and `Lost` of a process variable until what it returns is called."""
        ...

    async def put(self, name: str, value: Any) -> str:
        """Writes, and returns why that has failed once it was answered, or an empty text."""
        ...


def split_protocol(prefix: str) -> tuple[str, str]:
    """The protocol, `ca` without any, and the prefix of process variables: `pva://PX16:`; ValueError for another."""
    scheme, found, rest = prefix.partition("://")
    if not found:
        return "ca", prefix
    if scheme not in ("ca", "pva"):
        raise ValueError(f"prefix {prefix!r}: the protocol must be ca:// or pva://")
    return scheme, rest


def with_protocol(prefix: str) -> str:
    """The prefix with its protocol."""
    return "://".join(split_protocol(prefix))
