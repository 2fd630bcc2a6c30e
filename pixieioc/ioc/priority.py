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
    if not hasattr(os, "SCHED_RESET_ON_FORK") or (os.environ.get(_VARIABLE) or _DEFAULT).upper() != "YES":
        yield
        return
    before = os.sched_getscheduler(0)
    if before & ~os.SCHED_RESET_ON_FORK != os.SCHED_OTHER:
        yield
        return
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))
    except PermissionError:
        log.info("no real-time priority is allowed (ulimit -r, LimitRTPRIO= of systemd, or CAP_SYS_NICE would)")
        yield
        return
    try:
        yield
    finally:
        # Whoever has only the right to a priority may not have its children inherit one again.
        os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
