"""The real libca as it is, one call after the other, with all of its DBR types."""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from epicscorelibs.ca import cadef

#: Seconds for whatever a test waits for.
DEADLINE = 60.0
STRING, SHORT, FLOAT, ENUM, CHAR, LONG, DOUBLE = range(7)
TIME, CTRL = 14, 28  #: to be added to one of the types before
PUT_ACKT, PUT_ACKS, STSACK_STRING, CLASS_NAME = 35, 36, 37, 38
VALUE, LOG, ALARM, PROPERTY = 1, 2, 4, 8
NORMAL, PUTFAIL, NO_WRITE_ACCESS = 1, 160, 376

#: The sizes of a value and of what stands before it, by type: plain, with status, with time.
_SIZES = {STRING: 40, SHORT: 2, FLOAT: 4, ENUM: 2, CHAR: 1, LONG: 4, DOUBLE: 8}
_CODES = {SHORT: "h", FLOAT: "f", ENUM: "H", CHAR: "B", LONG: "i", DOUBLE: "d"}
_TIME_HEADS = {STRING: 12, SHORT: 14, FLOAT: 12, ENUM: 14, CHAR: 15, LONG: 12, DOUBLE: 16}


class Channel:
    """A connection to one process variable, which may be none (yet)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._id = ctypes.c_void_p()
        cadef.ca_create_channel(name, _connection, None, 0, ctypes.byref(self._id))

    @property
    def connected(self) -> bool:
        """Whether somebody has answered."""
        return cadef.ca_state(self._id) == cadef.cs_conn

    @property
    def native(self) -> int:
        """The DBR type of the value as it is."""
        return cadef.ca_field_type(self._id)

    @property
    def length(self) -> int:
        """The number of elements at most."""
        try:
            return cadef.ca_element_count(self._id)
        except cadef.Disconnected:  # or there is room for none
            return 0

    @property
    def readable(self) -> bool:
        """Whether the server allows to read."""
        return cadef.ca_read_access(self._id)

    @property
    def writable(self) -> bool:
        """Whether the server allows to write."""
        return cadef.ca_write_access(self._id)

    def get(self, kind: int | None = None, count: int = 0) -> Any:
        """The value: a list of str or of numbers, or for other types than the plain ones the bytes; OSError: none."""
        kind = self.native if kind is None else kind
        heard: list[tuple[int, Any]] = []
        handler = _handler(lambda args: heard.append((args.status, _value(args))))
        cadef.ca_array_get_callback(kind, count, self._id, handler, None)
        _until(lambda: bool(heard), f"no answer to a get of {self.name}")
        status, value = heard[0]
        if status != NORMAL:
            raise OSError(status, cadef.ca_message(status))
        return value

    def text(self) -> str:
        """The value as one text."""
        return self.get(STRING, 1)[0]

    def put(self, kind: int, *values: Any) -> int:
        """Writes and waits for completion; returns the ECA status, also of what libca refuses by itself."""
        try:
            with self.put_later(kind, *values) as done:
                _until(lambda: bool(done), f"no answer to a put to {self.name}")
                return done[0]
        except cadef.CAException as error:
            return error.status

    @contextmanager
    def put_later(self, kind: int, *values: Any) -> Iterator[list[int]]:
        """Writes; the list gets the ECA status when it has completed."""
        done: list[int] = []
        handler = _handler(lambda args: done.append(args.status))
        base = SHORT if kind in (PUT_ACKT, PUT_ACKS) else kind
        if base == STRING:
            data = b"".join(value.encode().ljust(40, b"\0") for value in values)
        else:
            data = struct.pack(f"={len(values)}{_CODES[base]}", *values)
        cadef.ca_array_put_callback(kind, len(values), self._id, data, handler, None)
        cadef.ca_flush_io()
        yield done

    @contextmanager
    def monitor(self, kind: int | None = None, mask: int = VALUE | ALARM, count: int = 0) -> Iterator[list[Any]]:
        """What is posted meanwhile, as `get` gives it."""
        heard: list[Any] = []
        handler = _handler(lambda args: heard.append(_value(args)))
        event = ctypes.c_void_p()
        kind = self.native if kind is None else kind
        cadef.ca_create_subscription(kind, count, self._id, mask, handler, None, ctypes.byref(event))
        try:
            yield heard
        finally:
            cadef.ca_clear_subscription(event)

    def close(self) -> None:
        """Ends it."""
        cadef.ca_clear_channel(self._id)


class Libca:
    """A context of libca in this thread; a context manager."""

    def __enter__(self) -> Libca:
        cadef.ca_context_create(1)  # which calls back from threads of its own
        self._channels: list[Channel] = []
        return self

    def __exit__(self, *_: object) -> None:
        for channel in self._channels:
            channel.close()
        cadef.ca_context_destroy()

    def channels(self, names: Iterable[str], seconds: float = DEADLINE) -> dict[str, Channel]:
        """Connections to all of these; those that have not come in this time are as they are."""
        made = {name: Channel(name) for name in names}
        self._channels += made.values()
        wait(lambda: all(channel.connected for channel in made.values()), seconds)
        return made

    def channel(self, name: str) -> Channel:
        """A connection."""
        made = self.channels([name])[name]
        assert made.connected, name
        return made

    def absent(self, names: Iterable[str], present: str, seconds: float = 0.5) -> list[str]:
        """Those of these names that nobody answers to, although he answers to `present`, again and again."""
        made = self.channels(names, seconds)
        self.channel(present)
        return [name for name, channel in made.items() if not channel.connected]


#: Notified of whatever libca has called for.
_news = threading.Condition()
#: libca may call one until its context has gone.
_handlers: list[Any] = []


def wait(holds: Callable[[], bool], seconds: float = DEADLINE) -> bool:
    """Waits until something holds; whether it does."""
    cadef.ca_flush_io()
    with _news:
        return _news.wait_for(holds, seconds)


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    assert wait(holds), otherwise


@cadef.connection_handler
def _connection(_: Any) -> None:
    """Channels are asked whether they are connected."""
    with _news:
        _news.notify_all()


def _handler(heard: Callable[[Any], None]) -> Any:
    def hear(args: Any) -> None:
        with _news:
            heard(args)
            _news.notify_all()

    made = cadef.event_handler(hear)
    _handlers.append(made)
    return made


def _value(args: Any) -> Any:
    """What a callback brings, as `Channel.get` gives it."""
    if args.status != NORMAL or not args.raw_dbr:
        return None
    kind, count = args.type, args.count
    base = STRING if kind in (STSACK_STRING, CLASS_NAME) else kind % 7
    if kind >= 7:
        return ctypes.string_at(args.raw_dbr, _size(kind, count))
    data = ctypes.string_at(args.raw_dbr, _SIZES[base] * count)
    if base == STRING:
        return [data[i : i + 40].partition(b"\0")[0].decode() for i in range(0, len(data), 40)]
    return list(struct.unpack(f"={count}{_CODES[base]}", data))


def _size(kind: int, count: int) -> int:
    size_n: Any = cadef.libca
    sizes = (ctypes.c_ushort * 39).in_dll(size_n, "dbr_size")
    values = (ctypes.c_ushort * 39).in_dll(size_n, "dbr_value_size")
    return sizes[kind] + max(0, count - 1) * values[kind]
