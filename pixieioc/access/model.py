"""Access security as plain data: groups of users and hosts, access groups and their rules, and what they give."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pixieioc.access.calc import Calc

#: The group of whatever has none of its own, or one that no file defines.
DEFAULT = "DEFAULT"


class Right(enum.IntEnum):
    """What somebody may do; whoever may write may read, too."""

    NONE = 0
    READ = 1
    WRITE = 2


class Verdict(NamedTuple):
    """What a group gives to a client: its right, and whether what it writes is to be trapped (TRAPWRITE)."""

    right: Right
    trap: bool


class Problem(NamedTuple):
    """What is wrong in a file: the line, from 1, and a sentence."""

    line: int
    text: str


class BadRules(Exception):
    """A file that cannot be used, with everything that is wrong in it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"line {line}: {text}" for line, text in self.problems))


@dataclass(frozen=True)
class Input:
    """`INPA(pv)` of a group: the index of its letter, and the process variable whose value it is."""

    index: int
    pv: str
    line: int = 0


@dataclass(frozen=True, eq=False)
class Rule:
    """`RULE(level, right)` and its conditions: who is in one of `users` and on one of `hosts`, if there are any."""

    level: int
    right: Right
    trap: bool = False
    users: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    calc: Calc | None = None
    #: Something in it is not understood, as it may be of a later version of EPICS: it gives nothing to anybody.
    never: bool = False


@dataclass(frozen=True)
class Group:
    """An access group: `ASG(name)`."""

    name: str
    inputs: tuple[Input, ...] = ()
    rules: tuple[Rule, ...] = ()

    @property
    def traps(self) -> bool:
        """Whether what is written by anybody is trapped."""
        return any(rule.trap for rule in self.rules if rule.right == Right.WRITE)


@dataclass(frozen=True)
class Rules:
    """What a file says. `users` and `hosts` are its UAGs and HAGs; hosts are in lower case."""

    users: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    hosts: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    groups: Mapping[str, Group] = field(default_factory=lambda: {DEFAULT: Group(DEFAULT)})
    #: What the file has that is not understood, and costs the rules that have it.
    warnings: tuple[Problem, ...] = ()

    def group(self, name: str) -> Group:
        """The group of this name, or DEFAULT."""
        return self.groups.get(name) or self.groups[DEFAULT]

    @property
    def all_hosts(self) -> frozenset[str]:
        """All hosts that it names."""
        return frozenset[str]().union(*self.hosts.values())

    @property
    def all_inputs(self) -> frozenset[str]:
        """All process variables that its rules depend on."""
        return frozenset(each.pv for group in self.groups.values() for each in group.inputs)

    def by_address(self, addresses: Mapping[str, Iterable[str]]) -> Rules:
        """The same with the addresses of its hosts; a host whose address is not known is none."""
        resolved = {
            name: frozenset(a for h in hosts for a in addresses.get(h, ())) for name, hosts in self.hosts.items()
        }
        return replace(self, hosts=resolved)

    def with_addresses(self, addresses: Mapping[str, Iterable[str]]) -> Rules:
        """The same with the addresses of its hosts beside their names."""
        resolved = self.by_address(addresses).hosts
        return replace(self, hosts={name: hosts | resolved[name] for name, hosts in self.hosts.items()})
