"""Real-time priority for the thread that serves clients, as EPICS gives its own threads where the system allows that.

The tasks fill every processor that there is: without it, an operator's Stop waits its turn behind them.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

log = logging.getLogger(__name__)

#: EPICS' own switch, and its default.
_VARIABLE, _DEFAULT = "EPICS_ALLOW_POSIX_THREAD_PRIORITY_SCHEDULING", "YES"
#: Before all that is ordinary, behind the kernel's threads (50); EPICS' threads for clients have 16 to 20.
_PRIORITY = 20


@contextlib.contextmanager
def real_time() -> Iterator[None]:
    """Meanwhile this thread comes first; what it starts, threads and processes, does not inherit that.

    Nothing changes if the system or the EPICS variable do not allow it, or if it has a priority of its own already.
    """
    taken = _take()
    try:
        yield
    finally:
        if taken:  # who has only the right to a priority must leave it so that nothing inherits one
            os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))


def _take() -> bool:
    if not hasattr(os, "SCHED_RESET_ON_FORK") or (os.environ.get(_VARIABLE) or _DEFAULT).upper() != "YES":
        return False
    if os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK != os.SCHED_OTHER:
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))
    except OSError as error:
        log.info("no real-time priority (ulimit -r, or LimitRTPRIO= of systemd, would allow it): %s", error.strerror)
        return False
    return True
