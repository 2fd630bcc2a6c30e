"""What a task sends leaves from one thread only: sockets are not made for several."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from pixieioc.pipeline.control import ControlLine, Wiring
from pixieioc.pipeline.frames import unpack
from pixieioc.pipeline.outgoing import Outgoing
from pixieioc.pipeline.payloads import Busy, read
from tests.pipeline.toys import ToySink


@pytest.fixture
def line(tmp_path: Path) -> Iterator[tuple[Outgoing, zmq.Socket[bytes]]]:
    """The sending side of a task's control plane, and the pipeline's socket at its other end."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as pipeline:
        address = f"ipc://{tmp_path}/control"
        pipeline.bind(address)
        control = ControlLine(context, Wiring(address, "Toy.1", f"ipc://{tmp_path}/1"))
        yield Outgoing(ToySink(), control), pipeline
        control.close()


def test_what_a_thread_starts_is_sent_by_the_thread_of_the_callbacks(line: tuple[Outgoing, zmq.Socket[bytes]]) -> None:
    out, pipeline = line
    names = [f"compiling loop {i}" for i in range(200)]
    thread = threading.Thread(target=lambda: [out.starting(name) for name in names])
    thread.start()
    while thread.is_alive():  # both at the same time, as a task that loads in the background does
        out.flush()
    out.flush()
    thread.join()
    received: list[Busy] = []
    while pipeline.poll(1000 if len(received) < len(names) else 0):
        _, *frames = pipeline.recv_multipart()
        packet = unpack(frames)
        received.append(read(packet.kind, packet.payload, Busy))
    assert received == [Busy(name) for name in names]


def test_a_thread_alone_sends_nothing(line: tuple[Outgoing, zmq.Socket[bytes]]) -> None:
    out, pipeline = line
    thread = threading.Thread(target=out.starting, args=("compiling a loop",))
    thread.start()
    thread.join()
    assert not pipeline.poll(50)
    out.flush()
    assert pipeline.poll(1000)
