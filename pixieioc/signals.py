"""Signals that a terminal, the end of a session or a service manager sends to all processes at once.

They are for the process that began the others and ends them in order; the others leave them to it.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

#: From a terminal (programs that a task starts ignore these, too), and from elsewhere.
_TERMINAL = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_ELSEWHERE = {signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
TO_ALL = _TERMINAL | _ELSEWHERE


@contextlib.contextmanager
def blocked_for_children() -> Iterator[None]:
    """Processes that are started in here have them blocked until they say what signals mean to them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, TO_ALL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_to_the_first() -> None:
    """For a process that another one began: only SIGKILL ends it, beside what that one tells it and that one's end."""
    for number in _TERMINAL:
        signal.signal(number, signal.SIG_IGN)
    for number in _ELSEWHERE:
        signal.signal(number, lambda *_: None)
        signal.siginterrupt(number, False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TO_ALL)
