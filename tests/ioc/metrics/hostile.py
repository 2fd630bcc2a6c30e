"""What hostile clients of the page of metrics cost a running IOC: `python -m tests.ioc.metrics.hostile --seconds 8`.

For each kind of client it says the IOC's CPU time, how long a get over Channel Access took then, whether the page could
be read, and how long that took. The first line is without any of them.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable

import psutil

from tests.ports import free_port
from tests.running_ioc import Ioc, ioc_folder, running

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "SortEvents", "GatherEvents", "FillSpectra"]
[crate]
modules = 4
channels = 16
[ioc.metrics]
on = true
port = {port}
"""


def _connected(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), 1)
    sock.settimeout(1)
    return sock


def _thousand(port: int, held: list[socket.socket]) -> None:
    """Connects, and says nothing; a thousand of them at a time."""
    held.append(_connected(port))
    if len(held) > 1000:
        held.pop(0).close()


def _slow(port: int, held: list[socket.socket]) -> None:
    """A letter of a head now and then, on many connections."""
    if len(held) < 200:
        held.append(_connected(port))
        held[-1].sendall(b"GET /metrics HTTP/1.1\r\nX: ")
    try:
        held[0].send(b"x")
        held.append(held.pop(0))
    except OSError:
        held.pop(0).close()


def _greedy(port: int, held: list[socket.socket]) -> None:
    """Asks again and again, as fast as it gets answers."""
    with _connected(port) as sock:
        sock.sendall(GET)
        while sock.recv(1 << 16):
            pass


def _deaf(port: int, held: list[socket.socket]) -> None:
    """Asks, and does not read."""
    held.append(_connected(port))
    held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    held[-1].sendall(GET)
    if len(held) > 500:
        held.pop(0).close()


def _fat(port: int, held: list[socket.socket]) -> None:
    """A head of a megabyte."""
    with _connected(port) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\n" + b"X: yyyyyyyy\r\n" * 80_000)
        sock.recv(1 << 16)


def _posts(port: int, held: list[socket.socket]) -> None:
    """Posts."""
    with _connected(port) as sock:
        sock.sendall(b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n" + bytes(60_000))
        sock.recv(1 << 16)


def _garbage(port: int, held: list[socket.socket]) -> None:
    """Sends bytes of chance."""
    with _connected(port) as sock:
        sock.sendall(os.urandom(20_000))
        sock.recv(1 << 16)


KINDS: dict[str, Callable[[int, list[socket.socket]], None]] = {
    "a thousand connections": _thousand,
    "slow heads": _slow,
    "greedy": _greedy,
    "deaf": _deaf,
    "fat heads": _fat,
    "posts": _posts,
    "garbage": _garbage,
}


def attack(kind: str, port: int, seconds: float) -> None:
    held: list[socket.socket] = []
    end, done, failed = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        try:
            KINDS[kind](port, held)
            done += 1
        except OSError:
            failed += 1
            time.sleep(0.001)  # it would otherwise only measure how fast this computer refuses
    print(f"  {kind}: {done} times, {failed} of them not", file=sys.stderr)


def measure(ioc: Ioc, port: int, kind: str, seconds: float) -> None:
    process = psutil.Process(ioc.process.pid)
    # Nice: they would be on other computers, and are not to take this one's processors from the IOC and its client.
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.ioc.metrics.hostile"]
    command += ["--kind", kind, "--port", str(port), "--seconds", str(seconds + 2)]
    attackers = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2 if kind else 0)]
    time.sleep(2)
    before, began = sum(process.cpu_times()[:2]), time.monotonic()
    gets: list[float] = []
    reads: list[float] = []
    failed = 0
    while time.monotonic() < began + seconds:
        for _ in range(50):
            start = time.perf_counter()
            ioc.get("RunId_RBV")
            gets.append((time.perf_counter() - start) * 1e3)
        start = time.perf_counter()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as page:
                page.read()
            reads.append((time.perf_counter() - start) * 1e3)
        except OSError:
            failed += 1
    took = time.monotonic() - began
    cpu = 100 * (sum(process.cpu_times()[:2]) - before) / took
    for attacker in attackers:
        attacker.kill()
        attacker.wait()
    gets.sort()
    reads.sort()
    slowest, middle = (reads[-1], reads[len(reads) // 2]) if reads else (0, 0)
    said = (
        f"{kind or 'nobody':22} CPU {cpu:4.1f} %",
        f"{len(gets) / took:4.0f} gets/s, {gets[len(gets) // 2]:.2f} ms (median)",
        f"{gets[-len(gets) // 100]:.1f} ms (p99)",
        f"page {len(reads)} times, {failed} not, {middle:.1f} ms (median), {slowest:.1f} ms (worst)",
        f"{process.memory_info().rss / 1e6:.0f} MB, {process.num_fds()} files; load {os.getloadavg()[0]:.0f}",
    )
    print("; ".join(said), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--kind", default="", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.kind:
        attack(options.kind, options.port, options.seconds)
        return
    port = free_port()
    with ioc_folder() as folder:
        (folder / "test.toml").write_text(CONFIG.format(port=port))
        with running(Ioc(folder, "run", folder / "test.toml")) as ioc:
            for kind in ("", *KINDS, ""):
                measure(ioc, port, kind, options.seconds)


if __name__ == "__main__":
    main()
