"""What programs print, without what they print only where nothing has been compiled yet, as in a fresh checkout."""

from __future__ import annotations

import re
from typing import IO

_COMPILING = re.compile(r"^\w+: compiling \w+ \([a-z ]+\)\n", re.MULTILINE)


def without_compiling(printed: str) -> str:
    """The text without the lines in which tasks say that they compile a loop."""
    return _COMPILING.sub("", printed)


def next_line(stream: IO[str]) -> str:
    """The next line of a running program that does not say that a task compiles a loop."""
    return next(line for line in iter(stream.readline, None) if not _COMPILING.match(line))
