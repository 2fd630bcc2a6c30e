"""caget and caput over the real libca, in the format of EPICS Base's: for machines that have only Python.

python epics_tools.py caget [-t] [-S] PV...
python epics_tools.py caput [-c] [-w SECONDS] PV VALUE
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

import aioca
import numpy as np


def shown(value: Any, *, text: bool) -> str:
    """A value as EPICS Base shows it."""
    if enums := getattr(value, "enums", None):
        return str(enums[int(value)])
    if isinstance(value, np.ndarray) and text:
        return value.astype(np.uint8).tobytes().partition(b"\0")[0].decode()
    if isinstance(value, np.ndarray):
        return " ".join([str(len(value)), *(f"{item:g}" for item in value)])
    return f"{value:g}" if isinstance(value, float | int) else str(value)


async def line(name: str, terse: bool, text: bool) -> str:
    """What caget says of one PV."""
    value = shown(await aioca.caget(name, format=aioca.FORMAT_CTRL), text=text)
    return value if terse else f"{name} {value}" if text else f"{name:30} {value}"


async def main(command: str, arguments: list[str]) -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(prog=command)
    parser.add_argument("-t", action="store_true")
    parser.add_argument("-S", action="store_true")
    parser.add_argument("-c", action="store_true")
    parser.add_argument("-w", type=float, default=5)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args(arguments)
    if command == "caget":
        for name in options.names:
            print(await line(name, options.t, options.S))
        return
    name, value = options.names
    print("Old :", await line(name, options.t, options.S))
    try:
        await aioca.caput(name, value, wait=options.c, timeout=options.w)
    except aioca.CANothing as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
    print("New :", await line(name, options.t, options.S))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
