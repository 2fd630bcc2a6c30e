"""Channel Access by pyepics, as ophyd uses it; of a put it tells what libca tells, which pyepics does not."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import epics
from epics import ca, dbr

from pixieioc.devices.link import ANSWER_TIME
from pixieioc.devices.point import FACTS, Busy, Facts, Lost

Tell = Callable[[Any], None]
#: Who waits for an answer: libca has the address only.
_waiting: set[Callable[[int], None]] = set()


def _answered(args: Any) -> None:
    """In a thread of libca."""
    answer = args.usr
    _waiting.discard(answer)
    answer(args.status)


_ANSWERED = dbr.make_callback(_answered, dbr.event_handler_args)


class PyepicsLink:
    """A link for the threads of a program. Names have no prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._tell: Tell | None = None
        self._pvs: dict[str, epics.PV] = {}
        busy = FACTS["busy"]
        for name in (*FACTS.values(), "Acquire", "Stop", "WaitForPipeline"):
            followed: dict[str, Any] = {"auto_monitor": False}
            if name == busy:
                followed = {"auto_monitor": True, "callback": self._changed, "connection_callback": self._connected}
            self._pvs[name] = epics.PV(prefix + name, **followed)

    def follow(self, tell: Tell | None) -> None:
        """Tells of `Busy` and `Lost` from now on, what is so now first; None: nobody."""
        self._tell = tell
        busy = self._pvs[FACTS["busy"]]
        if not busy.connected:
            self._connected(conn=False)
        elif busy.value is not None:
            self._changed(value=busy.value)

    def facts(self) -> Facts | None:
        """What the IOC says now; None: it does not answer."""
        values = {key: self.read(name) for key, name in FACTS.items()}
        return None if None in values.values() else Facts.of(values)

    def read(self, name: str) -> str | None:
        """What a process variable is now, as text; None: it is not there in time."""
        pv = self._pvs[name]
        ca.use_initial_context()
        if not pv.wait_for_connection(ANSWER_TIME):
            return None
        return pv.get(use_monitor=False, as_string=True, timeout=ANSWER_TIME)

    def put(self, name: str, answer: Callable[[str], None]) -> None:
        """Writes 1; `answer` is called, in a thread of libca, with why it has failed or an empty text."""
        ca.use_initial_context()
        pv = self._pvs[name]
        if not pv.wait_for_connection(ANSWER_TIME):
            answer("it is not connected")
            return

        def came(status: int) -> None:
            answer("" if status == dbr.ECA_NORMAL else ca.message(status))

        _waiting.add(came)
        one = (dbr.long_t * 1)(1)
        library: Any = ca.libca  # there is one as soon as there is a context
        sent = library.ca_array_put_callback(dbr.LONG, 1, pv.chid, one, _ANSWERED, ctypes.py_object(came))
        ca.flush_io()
        if sent != dbr.ECA_NORMAL:
            _waiting.discard(came)
            answer(ca.message(sent))

    def _changed(self, *, value: Any, **_: Any) -> None:
        if self._tell is not None:
            self._tell(Busy(bool(value)))

    def _connected(self, *, conn: bool, **_: Any) -> None:
        if self._tell is not None and not conn:
            self._tell(Lost(self.prefix + FACTS["busy"]))
