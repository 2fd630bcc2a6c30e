"""Faults of our own code: each costs the one answer that it is about, and is reported to the event loop's handler.

They are *contained*: what else there is has not been touched. Their context says so to the handler, which tells them
from exceptions that nobody has handled, after which nothing is certain.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging

log = logging.getLogger(__name__)

_is_reporting = contextvars.ContextVar("is_reporting", default=False)


def report(what: str, error: BaseException) -> None:
    """Reports that something has failed; what else there is to do goes on."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # before the IOC runs
        log.error("%s", what, exc_info=error)
        return
    if _is_reporting.get():  # showing a fault has another as its consequence, which would be shown, too, and so on
        log.error("%s", what, exc_info=error)
        return
    token = _is_reporting.set(True)
    try:
        loop.call_exception_handler({"message": what, "exception": error, "contained": True})
    finally:
        _is_reporting.reset(token)
