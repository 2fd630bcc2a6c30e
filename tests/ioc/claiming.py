"""A client on the real libca that claims to be somebody else: another account of this computer, on another host.

A program of its own: `claiming.py USER HOST` has a host name of its own (a UTS namespace) and becomes this user. Each
line of its standard input is a JSON list, answered by a line of JSON; it ends with its standard input.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NEW_UTS, _NEW_USER = 0x04000000, 0x10000000


class Claiming:
    """What the program says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def rights(self, name: str, wanted: tuple[bool, bool]) -> tuple[bool, bool]:
        """Whether libca may read and write, once that is what is wanted, or after a while."""
        return tuple(self._ask("rights", name, wanted))

    def put(self, name: str, value: float) -> int:
        """The ECA status of a put with callback."""
        return self._ask("put", name, value)

    def put_text(self, name: str, text: str) -> int:
        """The same of a text."""
        return self._ask("put text", name, text)

    def get(self, name: str) -> Any:
        """The value; `ECA 368` if it must not be read."""
        return self._ask("get", name)

    def _ask(self, *what: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the client has ended"
        return json.loads(line)


@contextmanager
def claiming(user: str, host: str) -> Iterator[Claiming]:
    """The program runs meanwhile."""
    process = subprocess.Popen(
        [sys.executable, Path(__file__), user, host],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Claiming(process)
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


# -- in the program ---------------------------------------------------------------------------------------------------


def become(user: str, host: str) -> None:
    """Another user and host, as far as this process goes; root can, and others where user namespaces are allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    wanted, outer = pwd.getpwnam(user).pw_uid, os.getuid()
    flags = _NEW_UTS if outer == 0 else _NEW_UTS | _NEW_USER
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")
    if outer:
        Path("/proc/self/uid_map").write_text(f"{wanted} {outer} 1")
    socket.sethostname(host)
    if not outer:
        os.setuid(wanted)


def main(user: str, host: str) -> None:
    """All of it."""
    from epicscorelibs.ca.cadef import CAException

    from tests.ioc.ca.libca import DOUBLE, STRING, Libca, wait

    become(user, host)
    with Libca() as client:
        channels: dict[str, Any] = {}
        for line in sys.stdin:
            what, name, *arguments = json.loads(line)
            channel = channels.get(name) or channels.setdefault(name, client.channel(name))
            match what:
                case "rights":
                    wait(lambda: [channel.readable, channel.writable] == arguments[0], 5.0)  # noqa: B023
                    said: Any = [channel.readable, channel.writable]
                case "put":
                    said = channel.put(DOUBLE, float(arguments[0]))
                case "put text":
                    said = channel.put(STRING, arguments[0])
                case _:
                    try:
                        said = channel.get(DOUBLE)[0]
                    except CAException as error:  # libca refuses at once what the channel does not allow
                        said = f"ECA {error.status}"
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
