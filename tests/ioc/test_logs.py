"""The log: its lines, its files, the journal, and what becomes of lines that cannot be written."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixieioc.ioc.journal import JournalHandler, entry, is_journal, priority
from pixieioc.ioc.logs import LogFile, Logs

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (\w+) (\S+): (.*)")


@pytest.fixture
def logged() -> Iterator[Callable[[logging.Handler], tuple[logging.Logger, Logs]]]:
    """Makes a logger of one's own that writes to a handler."""
    logger = logging.Logger("pixieioc.test", logging.INFO)

    def to(writer: logging.Handler) -> tuple[logging.Logger, Logs]:
        logs = Logs(writer, "somewhere")
        logger.addHandler(logs)
        return logger, logs

    yield to
    for handler in logger.handlers:
        handler.close()


def test_a_line_has_its_time_and_its_source(tmp_path: Path, logged: Callable[..., tuple[logging.Logger, Logs]]) -> None:
    file = tmp_path / "new" / "ioc.log"
    logger, logs = logged(LogFile(file, 1, 2))
    logger.warning("%d things", 3)
    logger.debug("too little")
    logger.warning("first\nsecond")
    logs.flush()
    line, first, second = file.read_text().splitlines()
    assert LINE.fullmatch(first)
    assert second == "    second"
    found = LINE.fullmatch(line)
    assert found is not None
    assert found.groups() == ("WARNING", "pixieioc.test", "3 things")
    assert (logs.lost, logs.problem) == (0, "")


def test_files_are_rotated_and_one_that_was_moved_is_made_again(
    tmp_path: Path, logged: Callable[..., tuple[logging.Logger, Logs]]
) -> None:
    file = tmp_path / "ioc.log"
    logger, logs = logged(LogFile(file, 0.001, 2))
    for i in range(100):
        logger.warning("line %d", i)
    logs.flush()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ioc.log", "ioc.log.1", "ioc.log.2"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert "line 99" in file.read_text()
    file.rename(tmp_path / "taken away")
    logger.warning("after")
    logs.flush()
    assert "after" in file.read_text()
    assert logs.lost == 0


def test_what_cannot_be_written_is_counted_and_on_stderr_until_it_can(
    tmp_path: Path, logged: Callable[..., tuple[logging.Logger, Logs]], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "logs"
    folder.write_text("in the way")
    logger, logs = logged(LogFile(folder / "ioc.log", 1, 2))
    logger.warning("kept in mind")
    logs.flush()
    assert (logs.lost, logs.problem) == (1, os.strerror(errno.EEXIST))
    assert "kept in mind" in capfd.readouterr().err
    folder.unlink()
    logger.warning("all is well")
    logs.flush()
    assert "all is well" in (folder / "ioc.log").read_text()
    assert logs.lost == 1


def test_a_full_disk_loses_lines_and_not_the_ioc(logged: Callable[..., tuple[logging.Logger, Logs]]) -> None:
    logger, logs = logged(logging.FileHandler("/dev/full"))
    logger.warning("no room")
    logs.flush()
    assert (logs.lost, logs.problem) == (1, os.strerror(errno.ENOSPC))


def test_nobody_waits_for_a_writer_that_hangs(
    logged: Callable[..., tuple[logging.Logger, Logs]], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    class _Hanging(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            go_on.wait(60)

    logger, logs = logged(_Hanging())
    for i in range(10_100):
        logger.warning("line %d", i)
    assert 0 < logs.lost <= 100
    assert (logs.silent, logs.problem) == (False, "10000 lines wait to be written")
    monkeypatch.setattr("pixieioc.ioc.logs._SILENT", 0.0)
    assert (logs.silent, logs.problem) == (True, "does not answer, lines wait: is its disk or file server there?")
    go_on.set()
    logs.flush()
    assert (logs.silent, logs.problem) == (False, "")  # what is over is in the count only


@contextlib.contextmanager
def journald(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(60)
        yield sock


def test_the_journal_gets_one_entry_with_level_and_source(
    tmp_path: Path, logged: Callable[..., tuple[logging.Logger, Logs]]
) -> None:
    with journald(tmp_path / "journal") as sock:
        logger, logs = logged(JournalHandler(str(tmp_path / "journal")))
        logger.error("no lines")
        got = sock.recv(100_000)
        assert b"MESSAGE=pixieioc.test: no lines\nPRIORITY=3\nSYSLOG_IDENTIFIER=pixieioc\nLOGGER=pixieioc.test\n" in got
        assert b"CODE_FILE=" + __file__.encode() in got
        try:
            raise ValueError("what")
        except ValueError:
            logger.exception("two")
        got = sock.recv(100_000)
        assert got.startswith(b"MESSAGE\n")
        length = int.from_bytes(got[8:16], "little")
        message = got[16 : 16 + length].decode()
        assert message.startswith("pixieioc.test: two\nTraceback")
        assert message.endswith("ValueError: what")
        logger.error("x" * 1_000_000)
        assert len(sock.recv(100_000)) < 60_000
    logger.error("nobody listens")
    logs.flush()
    assert logs.lost == 1


def test_what_goes_to_the_journal_is_what_systemd_says(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as file:
        found = os.fstat(file.fileno())
        assert is_journal(file.fileno(), {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not is_journal(file.fileno(), {"JOURNAL_STREAM": "1:2"})
        assert not is_journal(file.fileno(), {})
    assert not is_journal(file.fileno() if not file.closed else 9999, {"JOURNAL_STREAM": "1:2"})


def test_entries_and_priorities() -> None:
    assert entry([("A", "b"), ("C", "d\ne")]) == b"A=b\nC\n\x03\0\0\0\0\0\0\0d\ne\n"
    levels = (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
    assert [priority(level) for level in levels] == [2, 3, 4, 6, 7]


def test_what_a_silent_disk_has_not_taken_is_known_at_the_end(
    tmp_path: Path, logged: Callable[..., tuple[logging.Logger, Logs]]
) -> None:
    pipe = tmp_path / "ioc.log"
    os.mkfifo(pipe)  # opening one that nobody reads does not return
    logger, logs = logged(LogFile(pipe, 0, 0))
    assert list(logs.unwritten()) == []
    for text in ("one", "two"):
        logger.warning(text)
    while list(logs.unwritten()) != ["2 lines of the log (somewhere)"]:  # the thread may just be taking one
        threading.Event().wait(0.01)
    with pipe.open() as reader:
        assert [reader.readline().rpartition(": ")[2] for _ in "12"] == ["one\n", "two\n"]
        logs.flush()
        assert list(logs.unwritten()) == []


def test_a_message_has_an_end(tmp_path: Path, logged: Callable[..., tuple[logging.Logger, Logs]]) -> None:
    file = tmp_path / "ioc.log"
    logger, logs = logged(LogFile(file, 1, 2))
    logger.warning("x" * 1_000_000)
    logs.flush()
    assert file.read_text().endswith("xxx...\n")
    assert file.stat().st_size < 25_000
