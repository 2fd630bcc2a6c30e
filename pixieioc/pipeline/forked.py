"""Whether a task's process runs, asked of itself: the fork server, which tells how it ended, may be gone before."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing import forkserver, popen_forkserver, util
from multiprocessing.connection import wait
from typing import Any

#: The parent runs an event loop and threads, so its memory must not be forked; a small server process forks instead.
PROCESSES = multiprocessing.get_context("forkserver")
#: The exit code of a process of which nobody knows it; those of the system are smaller.
NOT_KNOWN = 256
#: How long the fork server may take to tell how a process ended, in seconds.
_TOLD_WITHIN = 0.2


class _Popen(popen_forkserver.Popen):
    """A process of the fork server, watched and signalled by a descriptor of its own.

    multiprocessing takes the end of the server for that of each of its processes. They go on, though, and their number
    could be another process's by the time somebody kills one that has really ended.
    """

    def _launch(self, process_obj: Any) -> None:
        super()._launch(process_obj)  # pyright: ignore[reportAttributeAccessIssue]
        self._told_by: int = self.sentinel
        self._descriptor = -1
        try:
            self._descriptor = self.sentinel = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            return  # it has ended already, or the system has no such descriptors: the server tells
        ends_with: Any = self.finalizer
        self.finalizer = util.Finalize(self, _close, (ends_with, self._descriptor))

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        """How it has ended, as an exit code or the negative number of a signal; None while it runs."""
        if self.returncode is None and wait([self.sentinel], 0 if flag == os.WNOHANG else None):
            self.returncode = _exit_code(self._told_by)
        return self.returncode

    def _send_signal(self, sig: int) -> None:
        if self._descriptor < 0:
            super()._send_signal(sig)  # pyright: ignore[reportAttributeAccessIssue]
        elif self.returncode is None:
            try:
                signal.pidfd_send_signal(self._descriptor, sig)
            except ProcessLookupError:
                return


def _close(before: Any, descriptor: int) -> None:
    if before is not None:
        before()
    os.close(descriptor)


def _exit_code(told_by: int) -> int:
    """What the fork server says, which is told at once unless it is gone or stands still."""
    try:
        return forkserver.read_signed(told_by) if wait([told_by], _TOLD_WITHIN) else NOT_KNOWN  # pyright: ignore[reportAttributeAccessIssue]
    except (OSError, EOFError):
        return NOT_KNOWN


class Forked(PROCESSES.Process):
    """A process that the fork server makes, and that lives for the pipeline as long as it really does."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802  # the name is multiprocessing's
        return _Popen(process_obj)
