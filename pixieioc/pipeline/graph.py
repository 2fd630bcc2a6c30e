"""The graph of a pipeline as plain data: a chain of tasks, and branches that begin behind one of them.

Each task has one task before it and any number behind it. What it hands on goes to all of these. A link is lossless (a
full one makes the task wait) or sampling (what it cannot take at once is missed, and counted).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

from pixieioc.pipeline import chain
from pixieioc.pipeline.chain import Link as Taking

Mode = Literal["lossless", "sampling"]
MODES: tuple[str, ...] = get_args(Mode)


@dataclass(frozen=True)
class Branch:
    """Tasks that get the same items as the one that follows `behind` in its own chain.

    With the mode "sampling" the first of them gets what it can take without anybody having to wait.
    """

    behind: str
    chain: tuple[str, ...]
    mode: Mode = "lossless"

    def __str__(self) -> str:
        return f"{self.behind} > {' > '.join(self.chain)} ({self.mode})"


@dataclass(frozen=True)
class Link:
    """A way from one task to another; `output` counts those of the source, from 0."""

    source: str
    target: str
    mode: Mode = "lossless"
    output: int = 0


@dataclass(frozen=True)
class Graph:
    """A chain of tasks from source to sink, and its branches. Ask `problems` before anything else is asked of it."""

    chain: tuple[str, ...] = ()
    branches: tuple[Branch, ...] = ()
    #: By what they lead to.
    _links: Mapping[str, Link] = field(init=False, repr=False, compare=False, default_factory=dict[str, Link])

    def __post_init__(self) -> None:
        links: dict[str, Link] = {}

        def add(source: str, target: str, mode: Mode = "lossless") -> None:
            output = sum(link.source == source for link in links.values())
            links.setdefault(target, Link(source, target, mode, output))

        for source, target in pairwise(self.chain):
            add(source, target)
        for branch in self.branches:
            for target in branch.chain[:1]:
                add(branch.behind, target, branch.mode)
            for source, target in pairwise(branch.chain):
                add(source, target)
        object.__setattr__(self, "_links", links)

    def __str__(self) -> str:
        return "; ".join([" > ".join(self.chain), *map(str, self.branches)])

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks: those of the chain, then those of the branches in their order."""
        return (*self.chain, *(task for branch in self.branches for task in branch.chain))

    @property
    def links(self) -> tuple[Link, ...]:
        """All links, in the order of the tasks that they lead to."""
        return tuple(self._links.values())

    def before(self, task: str) -> Link | None:
        """The link that leads to a task; None for the source."""
        return self._links.get(task)

    def behind(self, task: str) -> tuple[Link, ...]:
        """The links that begin at a task, in the order of its outputs: that of its own chain first."""
        return tuple(link for link in self._links.values() if link.source == task)

    def way_to(self, task: str) -> tuple[Link, ...]:
        """The links from the source to a task."""
        found: list[Link] = []
        link = self.before(task)
        while link is not None and link not in found:
            found.insert(0, link)
            link = self.before(link.source)
        return tuple(found)

    def sampled_by(self, task: str) -> Link | None:
        """The sampling link nearest to the source through which a task gets its items; None if it misses none."""
        return next((link for link in self.way_to(task) if link.mode == "sampling"), None)

    def below(self, task: str) -> tuple[str, ...]:
        """A task and all those that get their items through it, in the order of `tasks`."""
        ways = {each: self.way_to(each) for each in self.tasks}
        return tuple(each for each, way in ways.items() if each == task or any(link.source == task for link in way))

    @property
    def by_depth(self) -> tuple[str, ...]:
        """All tasks, each behind the one that it gets its items from."""
        return tuple(sorted(self.tasks, key=lambda task: len(self.way_to(task))))


@dataclass(frozen=True)
class Fault:
    """What is wrong with a graph: in its chain (`branch` is None), or in the branch of this index."""

    text: str
    branch: int | None = None


def shape_problems(graph: Graph) -> Iterator[Fault]:
    """What is wrong with a graph, whatever its tasks are."""
    if not graph.chain or len(set(graph.chain)) < len(graph.chain):
        yield Fault("must name at least one task, and each at most once")
    known = set(graph.chain)
    for i, branch in enumerate(graph.branches):
        if branch.mode not in MODES:
            yield Fault(f"mode {branch.mode!r}: must be {' or '.join(MODES)}", i)
        if not branch.chain or len(set(branch.chain)) < len(branch.chain):
            yield Fault("chain must name at least one task, and each at most once", i)
        if again := [task for task in branch.chain if task in known]:
            yield Fault(f"{', '.join(again)} stands in another place of the pipeline already", i)
        if branch.behind in branch.chain:
            yield Fault(f"it cannot begin behind {branch.behind}, which is a task of its own", i)
        known |= set(branch.chain)
    if len(graph.tasks) == len(set(graph.tasks)):
        yield from _unreachable(graph)


def _unreachable(graph: Graph) -> Iterator[Fault]:
    """Branches that begin behind nothing, or behind each other."""
    for i, branch in enumerate(graph.branches):
        if branch.behind not in graph.tasks:
            yield Fault(f"there is no task {branch.behind} to begin behind; there are: {', '.join(graph.tasks)}", i)
        elif branch.behind not in branch.chain:
            way = graph.way_to(branch.behind)
            if (way[0].source if way else branch.behind) not in graph.chain[:1]:
                yield Fault(f"it begins behind {branch.behind}, to which no way leads from {graph.chain[0]}", i)


def item_problems(
    graph: Graph, classes: Mapping[str, Taking], others: Callable[[], Mapping[str, Taking]]
) -> Iterator[Fault]:
    """Where a task would get items that it does not take; `others` are the tasks that could be put before it."""
    yield from (Fault(text) for text in chain.problems(_of(graph.chain, classes), others))
    for i, branch in enumerate(graph.branches):
        way = tuple(link.source for link in graph.way_to(branch.chain[0]))
        before = set(chain.problems(_of(way, classes), dict))
        found = chain.problems(_of((*way, *branch.chain), classes), others)
        yield from (Fault(text, i) for text in found if text not in before)


def _of(names: Sequence[str], classes: Mapping[str, Taking]) -> dict[str, Taking]:
    return {name: classes[name] for name in names}
