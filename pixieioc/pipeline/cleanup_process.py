"""Who tidies up behind a process that could not do it itself, because it was killed."""

from __future__ import annotations

import subprocess
from pathlib import Path


class CleanupProcess:
    """A process that waits until this one is gone, however it went, and then removes some folders."""

    def __init__(self, *folders: Path | str) -> None:
        # Its standard input ends with this process: nobody else has the other end of it. It is in a session of its own
        # because what comes from the terminal is not for it; nor is what a service manager sends to all processes.
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", 'trap "" HUP INT QUIT TERM; read -r _; exec rm -rf -- "$@"', "sh", *map(str, folders)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Ends it: nothing is removed."""
        self._process.kill()
        self._process.communicate()
