"""A client that has a monitor on each process variable of an IOC, and gets all of them again and again.

`python -m tests.system.reader KIND FILE` (a kind: aioca, caproto, pyepics, p4p; the file has the names) prints
"reading" once it begins. After a line "away" on its standard input it may get nothing; after "back" it must again get
all values, and prints "back" then. At the end of its input it prints how many values it got, the longest time in
seconds that all of them took together, and what went wrong.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: No value takes longer, in seconds, also on a busy computer; the pause between two times of all of them.
_LONGEST, _PAUSE = 10.0, 4.0
#: Once an IOC is back, all values are there again within so many seconds: clients look for names less and less often.
_RECONNECTED = 60.0
#: What gets a value by the name of its process variable; an exception says that it did not.
Get = Callable[[str], object]


@contextlib.contextmanager
def _aioca(names: Sequence[str]) -> Iterator[Get]:
    """EPICS' libca."""
    from tests.ca_client import CaClient  # not for the others, which have a libca of their own

    aioca: Any = importlib.import_module("aioca")
    client = CaClient("")

    async def subscribe() -> list[Any]:
        return aioca.camonitor(list(names), _heard, format=aioca.FORMAT_TIME, all_updates=True)

    monitors = client._start(subscribe()).result()
    yield lambda name: client.raw(name, _LONGEST)
    assert len(monitors) == len(names)


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


@contextlib.contextmanager
def _p4p(names: Sequence[str]) -> Iterator[Get]:
    """PVAccess, by EPICS' own library: also the structures of tasks, which Channel Access has not."""
    module: Any = importlib.import_module("p4p.client.thread")
    logging.getLogger(module.__name__).setLevel(logging.CRITICAL)  # it complains of updates before it has begun
    search = {
        "EPICS_PVA_ADDR_LIST": "127.0.0.1",
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        "EPICS_PVA_BROADCAST_PORT": os.environ["EPICS_PVAS_BROADCAST_PORT"],
    }
    with module.Context("pva", conf=search, useenv=False, nt=False) as context, contextlib.ExitStack() as monitors:
        for name in names:
            monitors.callback(context.monitor(name, _heard, notify_disconnect=True).close)
        yield lambda name: context.get(name, timeout=_LONGEST)


def _heard(*_: object, **__: object) -> None:
    """A monitor: that it has come is enough."""


KINDS = {"aioca": _aioca, "caproto": _caproto, "pyepics": _pyepics, "p4p": _p4p}
_MODULES = {"pyepics": "epics"}


def there(kind: str) -> bool:
    """Whether this computer has such a client."""
    return find_spec(_MODULES.get(kind, kind)) is not None


def _with_structures(names: Sequence[str]) -> list[str]:
    """PVAccess has a structure for each task, too."""
    return [*names, *(name.removesuffix(":Status") for name in names if name.endswith(":Status"))]


class _Reader:
    """Gets all values again and again, and does what it is told meanwhile."""

    def __init__(self, names: Sequence[str], get: Get) -> None:
        self._names, self._get = names, get
        self.gets, self.slowest, self.problems = 0, 0.0, list[str]()
        self._told = queue.Queue[str]()
        threading.Thread(target=self._listen, daemon=True).start()
        self._away = False
        self._due = 0.0  # by when all values must be there again; 0: they are

    def _listen(self) -> None:
        for line in sys.stdin:
            self._told.put(line.strip())
        self._told.put("end")

    def until_the_end(self) -> None:
        """Until there is no more to be read from the standard input."""
        told = ""
        while told != "end":
            match told:
                case "away":
                    self._away = True
                case "back":
                    self._away, self._due = False, time.monotonic() + _RECONNECTED
                case _:
                    pass
            if not self._away:
                self._all()
            with contextlib.suppress(queue.Empty):
                told = ""
                told = self._told.get(timeout=_PAUSE)

    def _all(self) -> None:
        began = time.monotonic()
        try:
            for name in self._names:
                self._get(name)
                self.gets += 1
        except Exception as error:  # of whatever client: it stands in the table
            if not self._told.empty() or time.monotonic() < self._due:
                return  # the IOC may have gone away in between, or is only coming back
            self.problems.append(f"no answer: {type(error).__name__}: {error}")
        else:
            self.slowest = max(self.slowest, time.monotonic() - began)
        if self._due:
            print("back", flush=True)
            self._due = 0.0


def main(kind: str, file: str) -> None:
    """The program."""
    names = Path(file).read_text().split()
    names = _with_structures(names) if kind == "p4p" else names
    with KINDS[kind](names) as get:
        reader = _Reader(names, get)
        print("reading", flush=True)
        reader.until_the_end()
    print(reader.gets, reader.slowest, *reader.problems[:5], sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
