"""The checksum of a file, made while it is written."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pixieioc.checksums import SHA256

#: This many bytes may wait to be hashed: who adds more waits.
_BEHIND = 16 * 1024**2
#: From this many bytes on, it is worth to have the thread hash them.
_WORTH = 64 * 1024
_ZEROS = bytes(1024**2)

#: What the checksum was at a moment.
Mark = Future[Any]


class Digest:
    """SHA-256 of all that was added; a thread hashes, so that who writes does not wait, but for a little at the end."""

    def __init__(self) -> None:
        self._hash = hashlib.new(SHA256)
        self._little = bytearray()  # what is not worth the way to the thread yet
        self._thread = ThreadPoolExecutor(1, "hash")
        self._waiting: deque[tuple[Future[None], int]] = deque()
        self._behind = 0

    def add(self, data: Any) -> None:
        """Takes a copy of `data`, which may change afterwards."""
        view = memoryview(data).cast("B")
        if len(self._little) + len(view) < _WORTH:
            self._little += view
        else:
            self._hand_over()
            self._add(bytes(view))

    def add_zeros(self, count: int) -> None:
        """Takes this many bytes that are 0."""
        self._hand_over()
        while count > 0:
            self._add(_ZEROS if count >= len(_ZEROS) else _ZEROS[:count])
            count -= len(_ZEROS)

    def mark(self) -> Mark:
        """Now, for `go_back`."""
        self._hand_over()
        return self._thread.submit(self._copy)

    def go_back(self, mark: Mark) -> None:
        """Takes back what was added since a moment."""
        self._little.clear()
        self._thread.submit(self._restore, mark)

    def end(self) -> str:
        """The checksum, in hexadecimal digits; nothing can be added afterwards."""
        self._settle(0)
        self._thread.shutdown()
        self._hash.update(self._little)
        self._little.clear()
        return self._hash.hexdigest()

    def _hand_over(self) -> None:
        if self._little:
            self._add(bytes(self._little))
            self._little.clear()

    def _add(self, data: bytes) -> None:
        self._waiting.append((self._thread.submit(self._update, data), len(data)))
        self._behind += len(data)
        self._settle(_BEHIND)

    def _update(self, data: bytes) -> None:
        self._hash.update(data)

    def _copy(self) -> Any:
        return self._hash.copy()

    def _restore(self, mark: Mark) -> None:
        self._hash = mark.result().copy()

    def _settle(self, behind: int) -> None:
        while self._waiting and (self._behind > behind or self._waiting[0][0].done()):
            future, size = self._waiting.popleft()
            future.result()
            self._behind -= size
