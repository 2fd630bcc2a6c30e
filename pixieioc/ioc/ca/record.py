"""A record: one process variable's value, alarm and time, and who wants to hear of them."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca.alarm import Judge
from pixieioc.pvinfo.model import PvInfo

#: Event masks of Channel Access.
DBE_VALUE, DBE_LOG, DBE_ALARM, DBE_PROPERTY = 1, 2, 4, 8

_NATIVE = {
    "ai": dbr.DOUBLE,
    "ao": dbr.DOUBLE,
    "int64in": dbr.DOUBLE,
    "int64out": dbr.DOUBLE,
    "longin": dbr.LONG,
    "longout": dbr.LONG,
    "bi": dbr.ENUM,
    "bo": dbr.ENUM,
    "mbbi": dbr.ENUM,
    "mbbo": dbr.ENUM,
    "stringin": dbr.STRING,
    "stringout": dbr.STRING,
}
_ELEMENTS = {"CHAR": dbr.CHAR, "LONG": dbr.LONG, "DOUBLE": dbr.DOUBLE}


@dataclass(frozen=True)
class Client:
    """Who writes: what the client said of itself, and where it connects from."""

    user: str
    host: str
    address: str = ""

    def __str__(self) -> str:
        return f"{self.user}@{self.host}"


class PutRefused(Exception):
    """A put that is not accepted: the client's put-callback fails."""


class Listener(Protocol):
    """A subscription, as a record sees it."""

    dbr: int
    count: int
    mask: int

    def tell(self, size: int, count: int, payload: bytes) -> None:
        """Takes a message body: its size in bytes, the number of elements, the padded payload."""


Put = Callable[[Any, Client], Awaitable[None] | None]
Stamp = tuple[int, int]


def stamp(unix: float | None = None) -> Stamp:
    """A Unix time (now if None) as seconds and nanoseconds since the EPICS epoch."""
    nanoseconds = time.time_ns() if unix is None else round(unix * 1e9)
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return max(0, seconds - dbr.EPICS_EPOCH), rest


class Record:
    """A process variable. Values: float, int (also the index of an enum's label), str, or a numpy array.

    `put` is what happens when a client writes: it gets the converted value and the client, posts what is accepted, and
    raises to refuse; what it awaits, the client's put-callback awaits. Without it the record is read only.
    """

    def __init__(self, info: PvInfo, name: str, put: Put | None = None) -> None:
        self.info = info
        self.name = name
        self.put = put
        self.native = _ELEMENTS[info.element] if info.record == "waveform" else _NATIVE[info.record]
        self.length = info.length
        self.status, self.severity = dbr.STATUS_NONE, dbr.NO_ALARM
        self.stamp: Stamp = stamp()
        self.listeners: list[Listener] = []
        #: Called with the old severity when it has changed.
        self.on_severity: Callable[[Record, int], None] | None = None
        self.meta = dbr.Meta(info.unit, info.precision, info.labels, _display(info), info.limits, _finite(info.drive))
        self._judge = Judge(info)
        self._packed: dict[tuple[int, int], tuple[int, int, bytes]] = {}
        self.value: Any = None
        self.value = self._own(info.initial)
        self.status, self.severity = self._judged(self.value)

    def __repr__(self) -> str:
        return f"<Record {self.name} = {self.value!r}>"

    # -- posting ------------------------------------------------------------------------------------------------------

    def post(
        self,
        value: Any,
        when: Stamp | None = None,
        *,
        severity: int | None = None,
        status: int = dbr.STATUS_SOFT,
        force: bool = False,
    ) -> None:
        """Gives the record a value, and tells whoever listens if value or alarm have changed (or `force`).

        An enum takes its label or index. The severity follows from the value unless one is given. Raises ValueError
        for a value that the record cannot have.
        """
        value = self._own(value)
        if severity is None:
            status, severity = self._judged(value)
        elif severity == dbr.NO_ALARM:
            status = dbr.STATUS_NONE
        old = self.severity
        events = 0
        if force or not _same(self.value, value):
            events = DBE_VALUE | DBE_LOG
        if severity != old or status != self.status:
            events |= DBE_ALARM
        self.value, self.status, self.severity = value, status, severity
        self.stamp = when or stamp()
        self._packed.clear()
        if events:
            for listener in self.listeners:
                if listener.mask & events:
                    listener.tell(*self.packed(listener.dbr, listener.count))
        if severity != old and self.on_severity is not None:
            self.on_severity(self, old)

    def post_alarm(self, severity: int, status: int = dbr.STATUS_SOFT, when: Stamp | None = None) -> None:
        """Changes the severity alone."""
        self.post(self.value, when or self.stamp, severity=severity, status=status)

    @property
    def label(self) -> str:
        """An enum's value as its label."""
        return self.info.labels[self.value]

    # -- reading ------------------------------------------------------------------------------------------------------

    def packed(self, kind: int, count: int) -> tuple[int, int, bytes]:
        """The body of a message of DBR type `kind`: size, number of elements, payload padded to 8 bytes.

        `count` 0 is as many elements as there are. Made once for a value, however many listen.
        """
        key = (kind, count)
        if key not in self._packed:
            values, elements = self._elements(kind % 7 if kind <= dbr.HIGHEST_DATA_TYPE else dbr.STRING, count)
            if kind == dbr.CLASS_NAME:
                payload, elements = dbr.text(self.info.record), 1
            elif kind == dbr.STSACK_STRING:
                payload = self.status.to_bytes(2) + self.severity.to_bytes(2) + b"\0\1\0\0" + values
            else:
                payload = dbr.pack(kind, values, self.status, self.severity, self.stamp, self.meta)
            payload += b"\0" * (-len(payload) % 8)
            self._packed[key] = (len(payload), elements, payload)
        return self._packed[key]

    def _elements(self, base: int, count: int) -> tuple[bytes, int]:
        """The value in a base type, and how many elements it has; at most `count` unless that is 0, then all."""
        if self.info.is_text:
            return self._text_elements(base, count)
        if base == dbr.STRING:
            texts = [dbr.text(self._shown(v)) for v in np.atleast_1d(np.asarray(self.value, object))]
            data, size = b"".join(texts), len(texts)
        else:
            data = dbr.numbers(self._number(), base)
            size = len(data) // dbr.ELEMENT_SIZE[base]
        return _fit(data, size, count, dbr.ELEMENT_SIZE[base])

    def _text_elements(self, base: int, count: int) -> tuple[bytes, int]:
        if base == dbr.STRING:
            return _fit(dbr.text(self.value), 1, count, dbr.STRING_SIZE)
        data = self.value.encode() + b"\0"
        if base != dbr.CHAR:
            data = dbr.numbers(np.frombuffer(data, np.uint8), base)
        size = dbr.ELEMENT_SIZE[base]
        return _fit(data, len(data) // size, count, size)

    def _number(self) -> Any:
        if self.native != dbr.STRING:
            return self.value
        try:
            return float(self.value)
        except ValueError:
            raise dbr.Unconvertible(f"{self.name} is the text {self.value!r}, not a number") from None

    def _shown(self, value: Any) -> str:
        if self.info.is_enum:
            return self.info.labels[value]
        if isinstance(value, float):
            return (
                f"{value:.{self.info.precision}f}" if abs(value) < 1e16 else f"{value:.{max(self.info.precision, 6)}e}"
            )
        return str(value)

    # -- writing ------------------------------------------------------------------------------------------------------

    def accept(self, kind: int, count: int, payload: bytes) -> Any:
        """What a client sent, as a value of this record; Unconvertible says why it cannot be one."""
        sent = dbr.unpack(kind, count, payload)
        if self.info.is_text:
            return self._accept_text(sent)
        if not len(sent):
            raise dbr.Unconvertible("no value was sent")
        if self.info.record == "waveform":
            return self._accept_array(sent)
        value = sent[0].item() if isinstance(sent, np.ndarray) else sent[0]
        if self.info.is_enum:
            return self._index(value)
        return str(value) if self.native == dbr.STRING else self._accept_number(value)

    def _accept_text(self, sent: Any) -> str:
        value = dbr.decode(sent.astype(np.uint8).tobytes()) if isinstance(sent, np.ndarray) else "".join(sent[:1])
        if isinstance(sent, np.ndarray) and sent.dtype != np.uint8:
            raise dbr.Unconvertible("this is a text: send characters or a string")
        if len(value.encode()) >= self.length:
            raise dbr.Unconvertible(f"the text has {len(value.encode())} bytes, {self.length - 1} fit")
        return value

    def _accept_array(self, sent: Any) -> Any:
        if not isinstance(sent, np.ndarray):
            raise dbr.Unconvertible("this is an array: send numbers")
        if len(sent) > self.length:
            raise dbr.Unconvertible(f"{len(sent)} elements, {self.length} fit")
        return sent

    def _accept_number(self, value: Any) -> float | int:
        if isinstance(value, str):
            try:
                value = int(value, 0) if value.strip().lstrip("+-").lower().startswith("0x") else float(value)
            except ValueError:
                raise dbr.Unconvertible(f"{value!r} is not a number") from None
        if self.native == dbr.DOUBLE and not self.info.record.startswith("int64"):
            return float(value)
        if not math.isfinite(value) or value != int(value):
            raise dbr.Unconvertible(f"{value!r} is not a whole number")
        low, high = dbr.RANGES[dbr.LONG] if self.native == dbr.LONG else (-(2**53), 2**53)
        if not low <= value <= high:
            raise dbr.Unconvertible(f"{value!r} does not fit: must be from {low} to {high}")
        return int(value)

    def _index(self, value: Any) -> int:
        """The index of a label, or an index as such, also one that is written as text."""
        labels = self.info.labels
        if isinstance(value, str):
            if value in labels:
                return labels.index(value)
            value = int(value) if value.strip().isdecimal() else value
        if isinstance(value, int | float) and value in range(len(labels)):
            return int(value)
        known = ", ".join(f"{i} {label}" for i, label in enumerate(labels))
        raise dbr.Unconvertible(f"{value!r} is none of: {known}")

    def _own(self, value: Any) -> Any:
        """`value` as this record keeps it."""
        info = self.info
        if info.is_enum:
            return self._index(value)
        if info.is_text or self.native == dbr.STRING:
            text = str(value).replace("\0", " ")
            limit = self.length - 1 if info.is_text else dbr.STRING_SIZE - 1
            # The part that fits, and of characters those that can be sent: a lone surrogate cannot.
            return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
        if info.record == "waveform":
            array = np.atleast_1d(np.asarray(value, np.float64 if self.native == dbr.DOUBLE else np.int32))
            if len(array) > self.length:
                raise ValueError(f"{self.name}: {len(array)} elements, {self.length} fit")
            return array
        return int(value) if self.native == dbr.LONG else float(value)

    def _judged(self, value: Any) -> tuple[int, int]:
        return self._judge.judge(value) if isinstance(value, int | float) else (dbr.STATUS_NONE, dbr.NO_ALARM)


def _fit(data: bytes, elements: int, count: int, size: int) -> tuple[bytes, int]:
    """Exactly `count` elements, cut or filled with zeros; 0: as many as there are."""
    if not count or count == elements:
        return data, elements
    return data[: count * size].ljust(count * size, b"\0"), count


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return a == b or (a != a and b != b)


def _finite(limits: tuple[float, float]) -> tuple[float, float]:
    return limits if all(map(math.isfinite, limits)) else (0.0, 0.0)


def _display(info: PvInfo) -> tuple[float, float]:
    if info.unit == "%":
        return (0.0, 100.0)
    return _finite(info.drive)
