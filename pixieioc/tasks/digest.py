"""The checksum of a file, made while it is written."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

#: The algorithm: the fastest of hashlib's good ones on processors of this decade, and what `sha256sum` checks.
SHA256 = "sha256"
#: This many bytes may wait to be hashed: who adds more waits.
_BEHIND = 16 * 1024**2


class Digest:
    """SHA-256 of all that was added; a thread hashes, so that who writes does not wait."""

    def __init__(self) -> None:
        self._hash = hashlib.new(SHA256)
        self._thread = ThreadPoolExecutor(1, "hash")
        self._waiting: deque[tuple[Future[None], int]] = deque()
        self._behind = 0

    def add(self, data: Any) -> None:
        """Takes a copy of `data`, which may change afterwards."""
        copy = bytes(data)
        self._waiting.append((self._thread.submit(self._hash.update, copy), len(copy)))
        self._behind += len(copy)
        self._settle(_BEHIND)

    def end(self) -> str:
        """The checksum, in hexadecimal digits; nothing can be added afterwards."""
        self._settle(0)
        self._thread.shutdown()
        return self._hash.hexdigest()

    def _settle(self, behind: int) -> None:
        while self._waiting and (self._behind > behind or self._waiting[0][0].done()):
            future, size = self._waiting.popleft()
            future.result()
            self._behind -= size
