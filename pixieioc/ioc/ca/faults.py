"""Faults of our own code: each costs the one answer that it is about, and is reported to the event loop's handler."""

from __future__ import annotations

import asyncio
import logging

log = logging.getLogger(__name__)


def report(what: str, error: BaseException) -> None:
    """Reports that something has failed; what else there is to do goes on."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # before the IOC runs
        log.error("%s", what, exc_info=error)
        return
    loop.call_exception_handler({"message": what, "exception": error})
