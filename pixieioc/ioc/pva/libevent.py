"""libevent, with which pvxs waits for clients: what it says of those that it cannot take.

While the process may open no more files it tries to take a client again and again, as fast as a processor goes, and
says so each time: gigabytes of log within a minute, in a thread that a root's IOC has in real time.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

_Heard = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p)


def listen(heard: Callable[[str], None]) -> Callable[[], None]:
    """Calls `heard` with each thing that libevent says, in pvxs' thread, which goes on then; returns what ends that.

    Where its library is not to be found nothing is heard.
    """
    if (library := _library()) is None:
        return lambda: None

    def said(severity: int, text: bytes) -> None:
        heard(text.decode(errors="replace"))

    callback = _Heard(said)
    library.event_set_log_callback(callback)

    def end() -> None:
        library.event_set_log_callback(None)
        _kept.append(callback)  # its thread may be in it just now

    return end


_kept: list[object] = []


def _library() -> ctypes.CDLL | None:
    """That which this process has loaded, wherever it came from."""
    maps = Path("/proc/self/maps")
    mapped = os.fsdecode(maps.read_bytes()).splitlines() if maps.exists() else []  # it is Linux' own
    loaded = {line.split(maxsplit=5)[-1] for line in mapped}
    for path in loaded:
        if Path(path).name.startswith("libevent_core"):
            library = ctypes.CDLL(path)
            library.event_set_log_callback.restype = None
            return library
    return None
