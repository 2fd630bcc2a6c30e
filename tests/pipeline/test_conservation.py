"""Every item of every link is accounted for, whatever the graph is and whoever is slow: random graphs, real links."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixieioc.pipeline import Message, data_plane
from pixieioc.pipeline.capacity import MEMORY
from pixieioc.pipeline.data_plane import DataPlane
from pixieioc.pipeline.graph import Branch, Graph
from pixieioc.pipeline.output import endpoint_of


class _Node:
    """A task of the test: its data plane, and what came to it. It does something only when it is asked to."""

    def __init__(self, name: str, plane: DataPlane) -> None:
        self.name = name
        self.plane = plane
        self.came: list[int] = []
        self.put = 0
        self.sent_bytes = 0
        self.ended = False

    def step(self) -> bool:
        """Handles one item or the end, if there is one."""
        packet = None if self.ended else self.plane.take()
        if packet is None:
            return False
        if packet.kind == Message.FINISHED:
            self.plane.put_end()
            self.ended = True
        else:
            self.came.append(packet.payload["number"])
            self.give(packet.payload)
        return True

    def give(self, item: Any) -> None:
        self.put += 1
        self.plane.put(item)


class _Network:
    """All tasks of a graph in one process. Who waits for a full link lets those behind it work, unless they sleep."""

    def __init__(self, graph: Graph, context: zmq.Context[Any], folder: Path, asleep: set[str]) -> None:
        self.graph = graph
        self.asleep = asleep
        self.nodes: dict[str, _Node] = {}
        addresses = {name: f"ipc://{folder}/{number}" for number, name in enumerate(graph.tasks)}
        self.sockets: list[zmq.Socket[bytes]] = []
        for name in graph.by_depth:
            control = context.socket(zmq.PAIR)
            self.sockets.append(control)
            plane = DataPlane(
                context, addresses[name], control, lambda name=name: self.work_behind(name), print, lambda seconds: None
            )
            self.nodes[name] = _Node(name, plane)
            link, behind = graph.before(name), graph.behind(name)
            plane.modes = [each.mode for each in behind]
            address = endpoint_of(addresses[link.source], link.output) if link is not None else ""
            plane.connect(address, link is None, not behind)

    @property
    def source(self) -> _Node:
        return self.nodes[self.graph.chain[0]]

    def begin(self, run: int) -> None:
        for name in reversed(self.graph.by_depth):
            self.nodes[name].plane.begin(run)
            self.nodes[name].came, self.nodes[name].put, self.nodes[name].ended = [], 0, False

    def work_behind(self, name: str) -> None:
        for link in self.graph.behind(name):
            if link.target not in self.asleep:
                self.nodes[link.target].step()

    def close(self) -> None:
        for node in self.nodes.values():
            node.plane.close()
        for socket in self.sockets:
            socket.close()


@contextmanager
def _network(graph: Graph, asleep: set[str]) -> Iterator[_Network]:
    context: zmq.Context[Any] = zmq.Context()
    with tempfile.TemporaryDirectory(prefix="net") as folder:
        network = _Network(graph, context, Path(folder), asleep)
        try:
            yield network
        finally:
            network.close()
            context.term()


@st.composite
def _graphs(draw: st.DrawFn) -> Graph:
    names = iter(f"T{number}" for number in range(20))
    graph = Graph(tuple(next(names) for _ in range(draw(st.integers(1, 3)))))
    for _ in range(draw(st.integers(0, 3))):
        behind = draw(st.sampled_from(graph.tasks))
        chain = tuple(next(names) for _ in range(draw(st.integers(1, 2))))
        branch = Branch(behind, chain, draw(st.sampled_from(["lossless", "sampling"])))
        graph = Graph(graph.chain, (*graph.branches, branch))
    return graph


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(graph=_graphs(), data=st.data())
def test_in_is_out_and_missed_at_every_link(graph: Graph, data: st.DataObject) -> None:
    may_sleep = [name for name in graph.tasks if graph.sampled_by(name) is not None]
    asleep = set(data.draw(st.lists(st.sampled_from(may_sleep)))) if may_sleep else set[str]()
    # Who is before one that sleeps would wait for it as soon as the link between them is full.
    sleeping = [graph.way_to(name) for name in asleep]
    asleep |= {link.target for way in sleeping for link in way if graph.sampled_by(link.target) is not None}
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr(data_plane, "_PATIENCE", 1)
        # Some items fill it, as they do in a crate; to make it larger takes most of the time.
        patch.setattr("pixieioc.pipeline.link.MEMORY", 1024**2)
        network = stack.enter_context(_network(graph, asleep))
        for run, items in enumerate(data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=2)), start=1):
            network.begin(run)
            network.asleep = set(asleep)
            size = data.draw(st.sampled_from([1, 20_000]))
            for number in range(items):
                array = network.source.plane.allocate(4 * size).view("<u4") if number % 2 else np.empty(size, "<u4")
                array[:] = number
                network.source.give({"number": number, "array": array})
                for name in data.draw(st.lists(st.sampled_from(graph.tasks), max_size=3)):
                    if name not in network.asleep and name != network.source.name:
                        network.nodes[name].step()
            network.source.plane.put_end()
            network.asleep = set()
            while not all(node.ended for node in network.nodes.values() if node is not network.source):
                for node in network.nodes.values():
                    node.step()
            _check(network, items)


def _check(network: _Network, items: int) -> None:
    graph = network.graph
    assert network.source.put == items
    for link in graph.links:
        source, target = network.nodes[link.source], network.nodes[link.target]
        count = source.plane.links[link.output]
        assert count.sent + count.missed == source.put, link
        assert count.sent == len(target.came), link
        assert count.missed == 0 or link.mode == "sampling", link
        assert (count.missed_bytes > 0) == (count.missed > 0), link
        assert target.came == sorted(set(target.came)), "in order, each once"
        if graph.sampled_by(link.target) is None:
            assert target.came == list(range(items)), link
    assert all(node.plane.dropped == 0 for node in network.nodes.values())


def test_memory_that_the_next_task_is_to_take_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_plane, "_PATIENCE", 1)
    with _network(Graph(("T0", "T1")), set()) as network:
        network.begin(1)
        for number in range(20):
            memory = network.source.plane.allocate(MEMORY // 4)
            assert memory.base is not None, f"item {number} lies in memory of this process and would be copied"
            network.source.give({"number": number, "array": memory})
            del memory
        assert len(network.nodes["T1"].came) == 16  # it worked only when it was waited for
        network.asleep = {"T1"}
        assert network.source.plane.allocate(MEMORY + 1).base is None  # it never fits
        network.source.plane.discarding = True
        assert network.source.plane.allocate(MEMORY // 4).base is None  # nobody will send it
