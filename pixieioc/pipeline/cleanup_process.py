"""Who tidies up behind a process that could not do it itself, because it was killed."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

#: Keeps the last line that it was given until there are no more, which is when whoever wrote them is gone.
_SCRIPT = """
trap "" HUP INT QUIT TERM
while read -r line; do processes=$line; done
[ -z "$processes" ] || kill -CONT $processes
exec rm -rf -- "$@"
"""


class CleanupProcess:
    """A process that waits until this one is gone, however it went, and then tidies up.

    It removes some folders, and has processes go on that stand still (SIGSTOP): a task ends by itself when its
    pipeline is gone, but one that stands still does not notice, and keeps the fork server, too.
    """

    def __init__(self, *folders: Path | str) -> None:
        # Its standard input ends with this process: nobody else has the other end of it. It is in a session of its own
        # because what comes from the terminal is not for it; nor is what a service manager sends to all processes.
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "sh", *map(str, folders)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def note(self, processes: Iterable[int]) -> None:
        """The processes that there are now, by number, in place of those of the last time."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it was killed itself: nobody tidies up
            self._process.stdin.write(" ".join(map(str, processes)).encode() + b"\n")

    def dismiss(self) -> None:
        """Ends it: nothing is removed."""
        self._process.kill()
        self._process.communicate()
