"""Who may write: users and hosts by access group, from a file that can be read again while the IOC runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, get_args

from pixieioc.config import ConfigError, read_toml
from pixieioc.ioc.records import Client
from pixieioc.pvinfo.model import Access

#: The groups of process variables that can be written.
GROUPS: tuple[str, ...] = tuple(group for group in get_args(Access) if group)
_ALLOWED = f"must be lists of user@host, with * for any, by access group ({', '.join(GROUPS)})"


class AccessRules:
    """Patterns `user@host` by group, as in `*@wall` or `jan@10.0.0.*`; a group that is not named is everybody's.

    User and host are what the client says of itself; the address that it connects from counts as a host, too.
    """

    def __init__(self, rules: Mapping[str, list[str]]) -> None:
        self._rules = dict(rules)

    @classmethod
    def read(cls, file: Path) -> AccessRules:
        """From a TOML file with a list for each group; ConfigError says what is wrong with it, and where."""
        text, rules = read_toml(file)
        if problems := list(_problems(rules)):
            lines = text.splitlines()
            said = tuple(f"{file}:{_line(lines, *where)}: {what}" for where, what in problems)
            raise ConfigError("; ".join(said), problems=said)
        return cls(rules)

    def __str__(self) -> str:
        """Who may write, by group: what an operator needs when a put was refused."""
        patterns = {group: self._rules.get(group, ["everybody"]) for group in GROUPS}
        return "; ".join(f"{group}: {', '.join(of_group) or 'nobody'}" for group, of_group in patterns.items())

    def may_write(self, group: str, client: Client) -> bool:
        """Whether a client may write process variables of a group."""
        patterns = self._rules.get(group)
        if patterns is None:
            return True
        address = client.address.rpartition(":")[0]
        names = [f"{client.user}@{host}" for host in {client.host, address}]
        return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _problems(rules: Mapping[str, Any]) -> Iterator[tuple[tuple[str, Any], str]]:
    """What is wrong with the content of a file: the group and the pattern that it is about, and what to say."""
    for group, patterns in rules.items():
        if group not in GROUPS:
            yield (group, None), f"{group}: no access group; there are: {', '.join(GROUPS)}"
        elif not isinstance(patterns, list):
            yield (group, None), f"{group} = {patterns!r}: {_ALLOWED}"
        else:
            for pattern in patterns:
                if not isinstance(pattern, str) or pattern.count("@") != 1:
                    yield (group, pattern), f"{group}: {pattern!r}: must be user@host, with * for any"


def _line(lines: list[str], group: str, pattern: Any) -> int:
    """The line, from 1, of a group in a file, or of a pattern in its list."""
    begin = re.compile(rf"""\s*\[*\s*["']?{re.escape(group)}["']?\s*[=.\]]""")
    first = next((i for i, line in enumerate(lines) if begin.match(line)), 0)
    if pattern is None:
        return first + 1
    return next((i for i, line in enumerate(lines[first:], first) if str(pattern) in line.partition("#")[0]), first) + 1
