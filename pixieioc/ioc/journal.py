"""The log as entries of systemd's journal, in its own protocol: a message of several lines stays one entry."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable, Mapping

#: Where journald listens.
SOCKET = "/run/systemd/journal/socket"
#: Longest message in bytes: what is longer would have to be handed over as a file.
_LONGEST = 48_000
#: Those of syslog.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


def is_journal(descriptor: int, environment: Mapping[str, str]) -> bool:
    """Whether a file goes to the journal: systemd says in JOURNAL_STREAM which one does."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def priority(level: int) -> int:
    """That of syslog for a level of the log."""
    return next((number for least, number in _PRIORITIES if level >= least), 7)


def entry(fields: Iterable[tuple[str, str]]) -> bytes:
    """An entry as a datagram: what has several lines comes with its length in front."""
    return b"".join(_field(name, value.encode(errors="replace")[:_LONGEST]) for name, value in fields)


def _field(name: str, value: bytes) -> bytes:
    if b"\n" not in value:
        return b"%s=%s\n" % (name.encode(), value)
    return b"%s\n%s%s\n" % (name.encode(), len(value).to_bytes(8, "little"), value)


class JournalHandler(logging.Handler):
    """Writes to the journal; OSError if nobody listens there."""

    def __init__(self, address: str = SOCKET) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.connect(address)

    def emit(self, record: logging.LogRecord) -> None:
        """One entry, with the name of its logger."""
        try:
            self._socket.send(
                entry(
                    (
                        ("MESSAGE", f"{record.name}: {record.getMessage()}"),
                        ("PRIORITY", str(priority(record.levelno))),
                        ("SYSLOG_IDENTIFIER", "pixieioc"),
                        ("LOGGER", record.name),
                        ("CODE_FILE", record.pathname),
                        ("CODE_LINE", str(record.lineno)),
                    )
                )
            )
        except OSError:
            self.handleError(record)

    def close(self) -> None:
        """Nothing is written any more."""
        self._socket.close()
        super().close()
