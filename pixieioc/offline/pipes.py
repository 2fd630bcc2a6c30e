"""What a shell hands over as an open file, `/dev/stdin` or `<(...)`, made readable for tasks, which do not have it."""

from __future__ import annotations

import contextlib
import os
import re
import select
import stat
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from pixieioc.config import ConfigError

_NAMES = re.compile(r"-|/dev/stdin|/dev/fd/(\d+)|/proc/(?:self|thread-self)/fd/(\d+)")
_PIECE = 1 << 16


class Handed:
    """Names of files, of which those that only this process can open are replaced by names that its children can open.

    A context manager: as long as it is entered, the names can be opened.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """ConfigError if there is nothing behind a name, or something that cannot be read."""
        self._stack = contextlib.ExitStack()
        self._typed: dict[str, str] = {}
        self.names = [self._reachable(name) for name in names]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def as_typed(self, text: str) -> str:
        """`text` with the names that were given."""
        for name, typed in self._typed.items():
            text = text.replace(name, typed)
        return text

    def _reachable(self, name: str) -> str:
        match = _NAMES.fullmatch(name)
        if match is None:
            return name
        descriptor = int(match[1] or match[2] or 0)
        try:
            kind = os.fstat(descriptor).st_mode
        except OSError:
            raise ConfigError(f"no file {name}: it is not open") from None
        if stat.S_ISCHR(kind):
            what = "the terminal" if os.isatty(descriptor) else "a character device"
            raise ConfigError(f"{name} is {what}: give it raw data, as in 'zcat run.bin.gz | pixieioc replay {name}'")
        if stat.S_ISFIFO(kind):
            found = f"/proc/{os.getpid()}/fd/{descriptor}"
        elif stat.S_ISREG(kind) and (path := _path_of(descriptor)) is not None:
            found = path
        else:
            found = self._stack.enter_context(_copied(descriptor))
        if found in self._typed:
            raise ConfigError(f"{name} is given twice")
        self._typed[found] = name
        return found


def _path_of(descriptor: int) -> str | None:
    """The name of an open file; None if it has none, or has been read in part, so that its rest is meant."""
    path = Path(f"/proc/self/fd/{descriptor}").readlink()
    if os.lseek(descriptor, 0, os.SEEK_CUR):
        return None
    return str(path) if path.exists() and path.samefile(f"/proc/self/fd/{descriptor}") else None


@contextlib.contextmanager
def _copied(descriptor: int) -> Iterator[str]:
    """The name of a pipe, through which comes what is read from `descriptor`: a socket cannot be opened by a name."""
    end, begin = os.pipe()
    ending, to_end = os.pipe()
    thread = threading.Thread(target=_copy, args=(descriptor, begin, ending), name="standard input", daemon=True)
    thread.start()
    try:
        yield f"/proc/{os.getpid()}/fd/{end}"
    finally:
        os.close(end)
        os.close(to_end)
        thread.join()
        os.close(ending)


def _copy(source: int, target: int, ending: int) -> None:
    """Copies until there is no more, nobody reads it, or `ending` is closed on its other side."""
    os.set_blocking(target, False)
    try:
        while True:
            ready, _, _ = select.select([source, ending], [], [])
            if ending in ready or not (piece := os.read(source, _PIECE)):
                return
            while piece:
                ready, writable, _ = select.select([ending], [target], [])
                if ready:
                    return
                if writable:
                    piece = piece[os.write(target, piece) :]
    except BrokenPipeError:
        return  # the reader has gone, and says why
    finally:
        os.close(target)
