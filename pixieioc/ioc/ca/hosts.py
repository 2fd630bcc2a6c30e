"""Names of hosts: looked up once, all at a time, off the event loop; one that fails is logged and left out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Iterable

log = logging.getLogger(__name__)


def is_address(host: str) -> bool:
    """Whether this is an IPv4 address in dotted form."""
    try:
        socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        return False
    return True


def look_up(name: str) -> list[str]:
    """The addresses of a host, which may take as long as a name server does; raises OSError or UnicodeError."""
    return socket.gethostbyname_ex(name)[2]


async def resolve(hosts: Iterable[str], what: str, *, needed: str = "", quiet: bool = False) -> dict[str, list[str]]:
    """The addresses of hosts by their names (or addresses, which are themselves); `what` says what they are for.

    A host that is not known is left out, and logged unless `quiet`. If it is needed that one is known, OSError that
    begins with `needed` is raised when none is. A name server that does not answer holds up neither the event loop nor
    the end of the program.
    """
    known = {host: [host] for host in hosts}
    names = [host for host in known if not is_address(host)]
    answers = await asyncio.gather(*map(_in_thread, names), return_exceptions=True)
    unknown: dict[str, str] = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, OSError | UnicodeError):
            unknown[name] = getattr(answer, "strerror", None) or str(answer)
            del known[name]
        elif isinstance(answer, BaseException):
            raise answer
        else:
            known[name] = answer
    if needed and not known:
        raise OSError(f"{needed}: " + ", ".join(f"{name!r}: {why}" for name, why in unknown.items()))
    for name, why in () if quiet else unknown.items():
        log.error("%s: the host %r is left out: %s", what, name, why)
    return known


def _in_thread(name: str) -> asyncio.Future[list[str]]:
    """What `look_up` gives, in a thread that nobody waits for when the program ends."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[str]] = loop.create_future()

    def settle(answer: list[str] | Exception) -> None:
        if future.done():  # nobody wants it any longer
            return
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    def work() -> None:
        try:
            answer: list[str] | Exception = look_up(name)
        except Exception as error:
            answer = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, answer)

    threading.Thread(target=work, name=f"look up {name}", daemon=True).start()
    return future
