"""The graph of a pipeline as plain data: its links, what can be asked of it, and what is wrong with bad ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.pipeline import Task
from pixieioc.pipeline.graph import Branch, Fault, Graph, Link, item_problems, shape_problems

ONLINE = Graph(
    ("A", "B", "C"),
    (Branch("B", ("D", "E"), "sampling"), Branch("E", ("F",)), Branch("A", ("G",)), Branch("C", ("H",), "sampling")),
)


def test_the_links_of_a_graph() -> None:
    assert ONLINE.tasks == ("A", "B", "C", "D", "E", "F", "G", "H")
    assert ONLINE.links == (
        Link("A", "B"),
        Link("B", "C"),
        Link("B", "D", "sampling", 1),
        Link("D", "E"),
        Link("E", "F"),
        Link("A", "G", "lossless", 1),
        Link("C", "H", "sampling"),
    )
    assert ONLINE.before("A") is None
    assert ONLINE.before("D") == Link("B", "D", "sampling", 1)
    assert [link.target for link in ONLINE.behind("B")] == ["C", "D"]
    assert ONLINE.behind("F") == ()


def test_what_may_miss_items() -> None:
    sampled = {task: link.target for task in ONLINE.tasks if (link := ONLINE.sampled_by(task)) is not None}
    assert sampled == {"D": "D", "E": "D", "F": "D", "H": "H"}
    assert ONLINE.below("D") == ("D", "E", "F")
    assert ONLINE.below("A") == ONLINE.tasks
    assert ONLINE.by_depth == ("A", "B", "G", "C", "D", "E", "H", "F")


def test_a_graph_as_text() -> None:
    assert str(Graph(("A", "B"), (Branch("A", ("C", "D"), "sampling"),))) == "A > B; A > C > D (sampling)"


@pytest.mark.parametrize(
    ("graph", "faults"),
    [
        (ONLINE, []),
        (Graph(("A",)), []),
        (Graph(), [Fault("must name at least one task, and each at most once")]),
        (Graph(("A", "A")), [Fault("must name at least one task, and each at most once")]),
        (Graph(("A",), (Branch("A", ()),)), [Fault("chain must name at least one task, and each at most once", 0)]),
        (
            Graph(("A", "B"), (Branch("A", ("B",)),)),
            [Fault("B stands in another place of the pipeline already", 0)],
        ),
        (
            Graph(("A",), (Branch("A", ("B",)), Branch("A", ("C", "B")))),
            [Fault("B stands in another place of the pipeline already", 1)],
        ),
        (Graph(("A",), (Branch("B", ("B",)),)), [Fault("it cannot begin behind B, which is a task of its own", 0)]),
        (
            Graph(("A",), (Branch("X", ("B",)),)),
            [Fault("there is no task X to begin behind; there are: A, B", 0)],
        ),
        (
            Graph(("A",), (Branch("C", ("B",)), Branch("B", ("C",)))),
            [
                Fault("it begins behind C, to which no way leads from A", 0),
                Fault("it begins behind B, to which no way leads from A", 1),
            ],
        ),
        (Graph(("A",), (Branch("A", ("B",), "some"),)), [Fault("mode 'some': must be lossless or sampling", 0)]),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ],
)
def test_graphs_that_cannot_be(graph: Graph, faults: list[Fault]) -> None:
    assert list(shape_problems(graph)) == faults


def _classes(*names: str) -> dict[str, type[Task]]:
    return {name: Task.class_registry[name] for name in names}


def test_items_must_fit_along_each_edge() -> None:
    names = ("LoadFiles", "GatherData", "ConvertToEvents", "FillSpectra", "PrintData")
    good = Graph(names[:2], (Branch("LoadFiles", ("ConvertToEvents", "FillSpectra"), "sampling"),))
    assert list(item_problems(good, _classes(*names), dict)) == []
    bad = Graph(names[:2], (Branch("LoadFiles", ("FillSpectra",)), Branch("GatherData", ("PrintData",))))
    assert list(item_problems(bad, _classes(*names), dict)) == [
        Fault("FillSpectra takes events, but gets list-mode words from LoadFiles", 0)
    ]
    wrong_chain = Graph(("LoadFiles", "FillSpectra"), (Branch("LoadFiles", ("PrintData",)),))
    assert [fault.branch for fault in item_problems(wrong_chain, _classes(*names), dict)] == [None]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3), st.booleans()), max_size=8), st.integers(1, 5))
def test_every_task_of_a_good_graph_is_reached_by_one_way(plan: list[tuple[int, int, bool]], length: int) -> None:
    names = iter(f"T{number}" for number in range(100))
    graph = Graph(tuple(next(names) for _ in range(length)))
    for behind, more, sampling in plan:
        begin = graph.tasks[behind % len(graph.tasks)]
        chain = tuple(next(names) for _ in range(more))
        graph = Graph(graph.chain, (*graph.branches, Branch(begin, chain, "sampling" if sampling else "lossless")))
    assert list(shape_problems(graph)) == []
    assert len(graph.links) == len(graph.tasks) - 1
    for task in graph.tasks:
        way = graph.way_to(task)
        passed = [link.source for link in way] + [task]
        assert passed == [graph.chain[0], *(link.target for link in way)]
        assert [link.output for link in graph.behind(task)] == list(range(len(graph.behind(task))))
        assert (graph.sampled_by(task) is not None) == any(link.mode == "sampling" for link in way)
        assert task in graph.below(graph.chain[0])
