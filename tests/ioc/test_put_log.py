"""The log of puts: lines as caPutLog writes them, to files and collectors that may be there or not."""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixieioc.config_ioc import Collector, collector_of
from pixieioc.ioc.put_entry import line_of
from pixieioc.ioc.put_sinks import FileSink, Sink, TcpSink, UdpSink
from pixieioc.ioc.records import Client
from pixieioc.ioc.records.written import Written
from tests.stopwatch import Stopwatch

JAN = Client("jan", "wall", "10.0.0.7:5000")
#: 2026-08-10 13:02:08.124 UTC.
STAMP = 1_786_366_928_124_900_000
WHOLE = (1 << 20, 2)


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("utc")
def test_a_line_has_the_properties_of_caputlog_in_its_order_and_the_outcome() -> None:
    line = line_of(Written(STAMP, JAN, "PX16:StopTimeout", 77.5, 1.0, "refused", "too long"))
    assert line == (
        b'{"date":"2026-08-10","time":"13:02:08.124","host":"wall","user":"jan","address":"10.0.0.7:5000",'
        b'"pv":"PX16:StopTimeout","new":77.5,"old":1.0,"outcome":"refused","why":"too long"}\n'
    )


@pytest.mark.parametrize(
    ("value", "is_array", "shown", "size"),
    [
        (3, False, 3, None),
        (math.nan, False, "Nan", None),
        (math.inf, False, "Infinity", None),
        (-math.inf, False, "-Infinity", None),
        ("a \"text\"\n", False, 'a "text"\n', None),
        (np.float64(2.5), False, 2.5, None),
        (None, False, None, None),
        ("run 12", True, ["run 12"], 7),
        ("", True, [""], 0),
        ("x" * 500, True, ["x" * 400], 501),
        (np.array([4.5, math.nan]), True, [4.5, "Nan"], 2),
        (np.arange(200.0), True, [float(i) for i in range(50)], 200),
        (np.arange(200, dtype=np.int32), True, list(range(100)), 200),
        (np.arange(500, dtype=np.int16), True, list(range(200)), 500),
        (np.full(500, 7, np.uint8), True, [7] * 400, 500),
        (np.full(2, 0.1, np.float32), True, [0.1, 0.1], 2),
        (np.array(["a"] * 11), True, ["a"] * 10, 11),
        (np.array([]), True, [], 0),
        (None, True, [], 0),
        (["12", "13"], False, ["12", "13"], None),
    ],
)  # fmt: skip
def test_values_in_the_form_of_caputlog(value: Any, is_array: bool, shown: Any, size: int | None) -> None:
    entry = json.loads(line_of(Written(STAMP, JAN, "x", value, value, "accepted", "", is_array)))
    assert (entry["new"], entry["old"]) == (shown, shown)
    assert (entry.get("new-size"), entry.get("old-size")) == (size, size)


def _put(sink: Sink, *lines: bytes) -> None:
    for line in lines:
        sink.put(line)


def _content(file: Path) -> bytes:
    """What a file has, which may be moved away at any time."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def test_a_file_is_rotated_and_goes_on_where_it_was_moved_away(tmp_path: Path) -> None:
    file = tmp_path / "puts.log"
    file.write_bytes(b"before\n")
    sink = FileSink(file, 20, 2, 100)
    sink.start()
    for i in range(6):
        _put(sink, b"line %d......\n" % i)
        _until(lambda i=i: b"line %d" % i in _content(file))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["puts.log", "puts.log.1", "puts.log.2"]
    assert [len((tmp_path / name).read_bytes().splitlines()) for name in ("puts.log.2", "puts.log.1")] == [2, 2]
    file.rename(tmp_path / "away")
    _put(sink, b"after\n")
    _until(lambda: _content(file) == b"after\n")
    sink.close(5)
    assert (sink.lost, sink.problem) == (0, "")


def test_a_file_that_cannot_be_written_is_told_and_gets_what_waited_when_it_can(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    sink = FileSink(folder / "puts.log", *WHOLE, 5)
    sink.start()
    _put(sink, b"1\n")
    _until(lambda: sink.problem != "")
    assert sink.problem == f"{folder}/puts.log: No such file or directory"
    _put(sink, *(b"%d\n" % i for i in range(2, 9)))
    assert sink.lost == 3
    folder.mkdir()
    _until(lambda: (folder / "puts.log").exists() and (folder / "puts.log").read_bytes() == b"1\n2\n3\n4\n5\n")
    _until(lambda: sink.problem == "")
    sink.close(5)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_disk_that_is_full_is_told_of_and_ends_in_time() -> None:
    sink = FileSink(Path("/dev/full"), *WHOLE, 5)
    sink.start()
    _put(sink, b"1\n")
    _until(lambda: "No space left" in sink.problem)
    begin = Stopwatch()
    sink.close(5)
    assert begin.taken < 1


def test_a_disk_that_does_not_answer_is_told_of_as_long_as_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "puts.log")  # whoever opens it waits for somebody who reads
    sink = FileSink(tmp_path / "puts.log", *WHOLE, 5)
    sink.start()
    _put(sink, b"1\n")
    monkeypatch.setattr("pixieioc.ioc.put_sinks._SILENT", 0.05)
    _until(lambda: sink.problem != "")
    assert sink.problem == f"{sink.name}: does not answer, lines wait: is its disk or file server there?"
    with (tmp_path / "puts.log").open("rb") as reader:
        assert reader.readline() == b"1\n"
        _until(lambda: sink.problem == "")
        sink.close(5)


def test_a_collector_that_is_down_gets_what_waited_when_it_is_back() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    listening.close()
    sink = TcpSink("collector", "127.0.0.1", port, 5)
    sink.start()
    _put(sink, b"1\n", b"2\n")
    _until(lambda: sink.problem == "collector: Connection refused")
    with socket.create_server(("127.0.0.1", port), reuse_port=False) as listening:
        listening.settimeout(60)
        connection, _ = listening.accept()
        connection.settimeout(60)
        with connection:
            assert connection.recv(100) == b"1\n2\n"
            _until(lambda: sink.problem == "")
        _put(sink, b"3\n")  # to a connection that has gone
        connection, _ = listening.accept()
        connection.settimeout(60)
        with connection:
            assert connection.recv(100) == b"3\n"
            sink.close(5)


def test_a_collector_that_stays_gets_later_lines_at_once_over_the_same_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sink = TcpSink("collector", "127.0.0.1", listening.getsockname()[1], 5)
        sink.start()
        listening.settimeout(60)
        _put(sink, b"1\n")
        connection, _ = listening.accept()
        connection.settimeout(60)
        with connection:
            assert connection.recv(100) == b"1\n"
            for line in (b"2\n", b"3\n"):
                began = Stopwatch()
                _put(sink, line)
                assert connection.recv(100) == line
                assert began.taken < 4  # less than what a step of the collector may take
            sink.close(5)


def test_a_collector_of_datagrams_gets_whole_lines() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.settimeout(60)
        collector.bind(("127.0.0.1", 0))
        sink = UdpSink("collector", "127.0.0.1", collector.getsockname()[1], 100)
        lines = [b"%d" % i + b"x" * 500 + b"\n" for i in range(5)]
        _put(sink, *lines)
        sink.start()
        got = [collector.recv(65536) for _ in range(3)]
        assert b"".join(got) == b"".join(lines)
        assert all(datagram.endswith(b"\n") for datagram in got)
        sink.close(5)


def test_a_collector_that_takes_nothing_holds_up_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sink = TcpSink("collector", "127.0.0.1", listening.getsockname()[1], 100)
        sink.start()
        begin = Stopwatch()
        _put(sink, *[b"x" * 1_000_000] * 300)
        assert begin.taken < 1
        assert sink.lost >= 190
        sink.close(0.1)
    for thread in threading.enumerate():
        if thread.name == "pixieioc collector":
            thread.join(10)


@pytest.mark.parametrize(
    ("text", "collector"),
    [
        ("tcp://log:7004", Collector("tcp", "log", 7004)),
        ("udp://10.0.0.1:514", Collector("udp", "10.0.0.1", 514)),
        ("log", Collector("tcp", "log", 7011)),
        ("log:7012", Collector("tcp", "log", 7012)),
    ],
)
def test_addresses_of_collectors(text: str, collector: Collector) -> None:
    assert collector_of(text) == collector


@pytest.mark.parametrize("text", ["http://log", "tcp://", "tcp://log:99999", "tcp://log:x", "tcp://log/path", ""])
def test_what_is_no_address_of_a_collector(text: str) -> None:
    with pytest.raises(ValueError, match="must be host:port, tcp://host:port or udp://host:port"):
        collector_of(text)
