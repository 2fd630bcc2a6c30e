"""Who may write: users and hosts by access group, from a file that can be read again while the IOC runs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

import msgspec

from pixieioc.config import ConfigError
from pixieioc.ioc.ca.record import Client
from pixieioc.pvinfo.model import Access

#: The groups of process variables that can be written.
GROUPS: tuple[str, ...] = tuple(group for group in get_args(Access) if group)


class AccessRules:
    """Patterns `user@host` by group, as in `*@wall` or `jan@10.0.0.*`; a group that is not named is everybody's.

    User and host are what the client says of itself; the address that it connects from counts as a host, too.
    """

    def __init__(self, rules: Mapping[str, list[str]]) -> None:
        self._rules = dict(rules)

    @classmethod
    def read(cls, file: Path) -> AccessRules:
        """From a TOML file with a list for each group; ConfigError says what is wrong with it."""
        try:
            rules = msgspec.convert(tomllib.loads(file.read_bytes().decode()), dict[str, list[str]])
        except OSError as error:
            raise ConfigError(f"{file}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
            raise ConfigError(f"{file}: {error}") from None
        problems = [
            f"{group}: no access group; there are: {', '.join(GROUPS)}" for group in rules if group not in GROUPS
        ]
        problems += [
            f"{group}: {pattern!r}: must be user@host, with * for any"
            for group, patterns in rules.items()
            for pattern in patterns
            if pattern.count("@") != 1
        ]
        if problems:
            raise ConfigError("; ".join(f"{file}: {problem}" for problem in problems))
        return cls(rules)

    def may_write(self, group: str, client: Client) -> bool:
        """Whether a client may write process variables of a group."""
        patterns = self._rules.get(group)
        if patterns is None:
            return True
        address = client.address.rpartition(":")[0]
        names = [f"{client.user}@{host}" for host in {client.host, address}]
        return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)
