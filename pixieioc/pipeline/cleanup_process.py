"""Who tidies up behind a process that could not do it itself, because it was killed."""

from __future__ import annotations

import contextlib
import math
import subprocess
from collections.abc import Iterable
from pathlib import Path

#: Keeps the last line that it was given until there are no more, which is when whoever wrote them is gone. What stands
#: still goes on then, and what has not ended in time is killed; a number that another process has got is left alone.
_SCRIPT = """
trap "" HUP INT QUIT TERM
there() {
    read -r stat < "/proc/$1/stat" || return 1
    set -- "$2" ${stat##*) }
    [ "$1" = "${21}" ] && [ "$2" != Z ]
}
signal() {
    found=1
    for each in $processes; do
        if there "${each%:*}" "${each#*:}"; then kill "$1" "${each%:*}"; found=0; fi
    done
    return $found
}
while read -r seconds noted; do limit=$seconds processes=$noted; done
signal -CONT
tenths=$((10 * ${limit:-0}))
while [ "$tenths" -gt 0 ] && signal -0; do sleep 0.1; tenths=$((tenths - 1)); done
signal -KILL
exec rm -rf -- "$@"
"""


class CleanupProcess:
    """A process that waits until this one is gone, however it went, and then tidies up.

    The tasks' processes end by themselves then; those that stand still (SIGSTOP) it has go on, and those that take
    longer than they may it kills. Then it removes some folders.
    """

    def __init__(self, *folders: Path | str) -> None:
        self._folders = folders
        self._line = b""
        self._begin()

    def _begin(self) -> None:
        # Its standard input ends with this process: nobody else has the other end of it. It is in a session of its own
        # because what comes from the terminal is not for it; nor is what a service manager sends to all processes.
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "sh", *map(str, self._folders)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def note(self, processes: Iterable[int], seconds: float) -> None:
        """The processes that there are now, by number, in place of those of the last time, and how long they may take
        to end."""
        marks = filter(None, map(_mark, processes))
        self._line = " ".join((str(math.ceil(seconds)), *marks)).encode() + b"\n"
        self._write()

    def watch(self) -> None:
        """Has another one begin if somebody has killed it; to be called now and then."""
        if self._process.poll() is not None:
            self._process.communicate()
            self._begin()
            self._write()

    def _write(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it was killed: the next look has another one begin
            self._process.stdin.write(self._line)

    def dismiss(self) -> None:
        """Ends it: nothing is removed."""
        self._process.kill()
        self._process.communicate()


def _mark(process: int) -> str:
    """The number of a process and when it began, by which it is known from a later one; empty if it has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    return f"{process}:{fields[19].decode()}"
