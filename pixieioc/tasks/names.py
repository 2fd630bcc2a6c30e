"""Names of files: in the order in which people count, and as texts, also those that are not UTF-8."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

_NUMBER = re.compile(r"(\d+)")


def natural_key(name: str | Path) -> list[tuple[int, str]]:
    """Sorts `run_10` behind `run_2`: numbers by their value, everything else as text."""
    parts = _NUMBER.split(str(name))
    return [(int(part), part) if i % 2 else (0, part) for i, part in enumerate(parts)]


def counted(names: list[str]) -> list[str]:
    """The same names; those that differ in their numbers only are brought into the order of these.

    A shell has sorted `run_10` before `run_2`; nobody has meant that. Others stay where they are.
    """
    series: dict[str, list[str]] = {}
    for name in names:
        series.setdefault(_NUMBER.sub("0", name), []).append(name)
    queues = {key: iter(sorted(members, key=natural_key)) for key, members in series.items()}
    return [next(queues[_NUMBER.sub("0", name)]) for name in names]


def shown(name: str | Path) -> str:
    """A name as it can be printed: bytes that are not UTF-8 are written as `\\xe9`."""
    return os.fsencode(name).decode(errors="backslashreplace")


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON that is UTF-8 whatever names are in it: those that are not are escaped so that Python reads them back."""
    return json.dumps(value, indent=indent, ensure_ascii=False).encode(errors="backslashreplace").decode()
