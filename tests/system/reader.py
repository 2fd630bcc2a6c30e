"""A client that has a monitor on each process variable of an IOC, and gets all of them again and again.

`python -m tests.system.reader KIND PREFIX CONFIG` (a kind of client: aioca, caproto, pyepics) says "reading" when it
begins, ends at a line of its standard input, and prints how many values it got, the longest time in seconds that all
of them took together, and what went wrong.
"""

from __future__ import annotations

import contextlib
import importlib
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

#: All values together take no longer, in seconds, also on a busy computer.
_LONGEST = 10.0
#: What gets a value by the name of its process variable; an exception says that it did not.
Get = Callable[[str], object]


def _listed(prefix: str, config: str) -> list[str]:
    command = [sys.executable, "-m", "pixieioc", "run", config, "--prefix", prefix, "--list-pvs"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split()[0] for line in done.stdout.splitlines() if line.startswith(prefix)]


@contextlib.contextmanager
def _aioca(names: Sequence[str]) -> Iterator[Get]:
    """EPICS' libca."""
    from tests.ca_client import CaClient  # not for the others, which have a libca of their own

    client = CaClient("")
    with client.watch(*names):
        yield lambda name: client.raw(name, _LONGEST)


@contextlib.contextmanager
def _caproto(names: Sequence[str]) -> Iterator[Get]:
    """A client without libca."""
    module: Any = importlib.import_module("caproto.threading.client")
    context = module.Context()
    found = dict(zip(names, context.get_pvs(*names), strict=True))
    for pv in found.values():
        pv.wait_for_connection(timeout=60)
        pv.subscribe().add_callback(_heard)
    yield lambda name: found[name].read(timeout=_LONGEST)
    context.disconnect()


@contextlib.contextmanager
def _pyepics(names: Sequence[str]) -> Iterator[Get]:
    """EPICS' libca, as most scripts use it."""
    epics: Any = importlib.import_module("epics")
    found = {name: epics.PV(name, callback=_heard, auto_monitor=True) for name in names}
    for name, pv in found.items():
        if not pv.wait_for_connection(60):
            raise TimeoutError(f"{name} was not found")

    def get(name: str) -> object:
        value = found[name].get(timeout=_LONGEST, use_monitor=False)
        if value is None:
            raise TimeoutError(f"{name}: no value")
        return value

    yield get


def _heard(*_: object, **__: object) -> None:
    """A monitor: that it has come is enough."""


KINDS = {"aioca": _aioca, "caproto": _caproto, "pyepics": _pyepics}
_MODULES = {"pyepics": "epics"}


def there(kind: str) -> bool:
    """Whether this computer has such a client."""
    return find_spec(_MODULES.get(kind, kind)) is not None


def main(kind: str, prefix: str, config: str) -> None:
    """The program."""
    gets, slowest, problems = 0, 0.0, list[str]()
    names = _listed(prefix, config)
    with KINDS[kind](names) as get:
        print("reading", flush=True)
        while not select.select([sys.stdin], [], [], 0.2)[0]:
            began = time.monotonic()
            try:
                for name in names:
                    get(name)
                    gets += 1
            except Exception as error:  # of whatever client: told in the table
                problems.append(f"no answer: {type(error).__name__}: {error}")
            slowest = max(slowest, time.monotonic() - began)
    print(gets, slowest, *problems[:5], sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
