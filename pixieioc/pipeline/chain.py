"""Whether tasks fit into a chain: each says what kinds of items it takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

#: What a task that handles every item takes; what a source takes, and what a task gives that passes nothing on.
ANYTHING, NOTHING = "anything", "nothing"
#: What a task gives that hands on the kind of items that it has got.
SAME = "the same"
#: Names of kinds of items, one or several.
Kinds = str | tuple[str, ...]


class Link(Protocol):
    """What is asked of a task's class."""

    @property
    def takes(self) -> Kinds:
        """The kinds of items that it can handle."""
        ...

    @property
    def gives(self) -> str:
        """The kind of items that it hands on."""
        ...


def taken(task: Link) -> tuple[str, ...]:
    """The kinds that a task takes."""
    return (task.takes,) if isinstance(task.takes, str) else tuple(task.takes)


def described(task: Link) -> str:
    """What a task takes and gives, as part of a sentence."""
    if taken(task) == (NOTHING,):
        return f"makes {task.gives}" if task.gives not in (SAME, ANYTHING) else "is a source"
    gives = {SAME: "passes on the same", NOTHING: "passes nothing on"}.get(task.gives, f"gives {task.gives}")
    return f"takes {' or '.join(taken(task))}, {gives}"


def problems(chain: Mapping[str, Link], others: Callable[[], Mapping[str, Link]]) -> list[str]:
    """What is wrong with a chain, from source to sink; `others` are the tasks that could be put into it."""
    found = list(_problems(chain, others))
    backwards = {name: chain[name] for name in reversed(list(chain))}
    from_a_source = len(chain) > 1 and taken(next(iter(backwards.values()))) == (NOTHING,)
    if found and from_a_source and not list(_problems(backwards, dict)):
        return [f"the chain is backwards: it goes from source to sink, so write {', '.join(backwards)}"]
    return found


def _problems(chain: Mapping[str, Link], others: Callable[[], Mapping[str, Link]]) -> Iterator[str]:
    kind, giver = "", ""  # of the items that come; empty: not known
    names = list(chain)
    for at, (name, task) in enumerate(chain.items()):
        takes = taken(task)
        if at and takes == (NOTHING,):
            yield f"{name} is a source, so it must be the first, not behind {names[at - 1]}"
        elif not at and takes not in ((NOTHING,), (ANYTHING,)):
            yield f"{name} takes {' or '.join(takes)}, so it cannot be the first: the chain begins with a source"
        elif at and kind == NOTHING:
            yield f"{name} would get nothing: {giver} passes nothing on"
        elif kind and not {ANYTHING, kind} & set(takes):
            instead = _help(kind, takes, names[at:], others())
            yield f"{name} takes {' or '.join(takes)}, but gets {kind} from {giver}{instead}"
        if task.gives != SAME:
            kind, giver = ("", "") if task.gives == ANYTHING else (task.gives, name)
        elif not kind and len(takes) == 1 and takes[0] not in (ANYTHING, NOTHING):
            kind, giver = takes[0], name


def _help(kind: str, wanted: Sequence[str], rest: Sequence[str], others: Mapping[str, Link]) -> str:
    makers = [
        name
        for name, task in others.items()
        if task.gives in wanted and task.gives != kind and {ANYTHING, kind} & set(taken(task))
    ]
    later = [name for name in makers if name in rest]
    if later:
        return f"; put {later[0]} before it"
    return f"; put {' or '.join(makers)} before it" if makers else ""
