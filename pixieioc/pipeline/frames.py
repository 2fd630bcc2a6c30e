"""How a message travels: a small MessagePack head, then the raw buffers that it refers to, without copying them.

Nothing is ever unpickled: what a head can describe is numpy arrays (also structured ones), dicts with text or integer
keys, lists, numbers, text, bytes, booleans and None. An array that is one value many times (`np.broadcast_to`) travels
as that value.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import numpy as np

from pixieioc.pipeline.error import Error

Buffer = bytes | memoryview
_ARRAY, _SCALAR, _BYTES, _TEXT, _CONSTANT = 1, 2, 3, 4, 5
# Made once: to make them takes longer than to use them.
_FORM = msgspec.msgpack.Decoder(list[Any])
_SCALAR_FORM = msgspec.msgpack.Decoder(tuple[bytes, Any])
_CONSTANT_FORM = msgspec.msgpack.Decoder(tuple[bytes, Any, int])
#: Bytes up to this length travel in the head.
_SMALL = 1024


class UnsupportedType(Error):
    """Something that cannot be sent; the sender is told its type and where in the payload it is."""


class MalformedMessage(Error):
    """Frames that are not a message of this pipeline."""


@dataclass(frozen=True)
class Packet:
    """One message on a socket: its kind (an emoji), the run it belongs to, its number on its link, what it carries."""

    kind: str
    run: int = 0
    number: int = 0
    payload: Any = None


def pack(packet: Packet) -> list[Buffer]:
    """The frames of `packet`. Arrays are referred to, not copied: do not change them after sending.

    Arrays that lie side by side in one piece of memory share a frame: each frame costs what 100 kB cost.
    Raises UnsupportedType that names the offending type and its place in the payload.
    """
    buffers: list[Buffer] = []
    tree = _describe(packet.payload, buffers, _TOP, _side_by_side(packet.payload, buffers))
    return [msgspec.msgpack.encode([packet.kind, packet.run, packet.number, tree]), *buffers]


def pack_value(value: Any) -> None:
    """Raises UnsupportedType if `value` cannot be part of a message."""
    buffers: list[Buffer] = []
    msgspec.msgpack.encode(_describe(value, buffers, _TOP, {}))


def unpack(frames: Sequence[Buffer]) -> Packet:
    """The packet that `frames` hold; its arrays are read-only views of the frames.

    Raises MalformedMessage if the frames are no message.
    """
    if not frames:
        raise MalformedMessage("a message without frames")
    memory: dict[int, np.ndarray[Any, Any]] = {}

    def restore(code: int, data: memoryview) -> Any:
        if code == _TEXT:
            return bytes(data).decode(errors="surrogatepass")
        if code == _SCALAR:
            raw, descr = _SCALAR_FORM.decode(data)
            return np.frombuffer(raw, _dtype(descr))[0]
        if code == _CONSTANT:
            raw, descr, count = _CONSTANT_FORM.decode(data)
            kind = _simple(descr) if isinstance(descr, str) else _dtype(descr)
            return np.ndarray(count, kind, raw, 0, (0,))  # ten times faster than np.broadcast_to
        index, *form = _FORM.decode(data)
        if not 0 < index < len(frames):
            raise ValueError(f"it refers to frame {index} of {len(frames)}")
        buffer = cast("memoryview[int]", frames[index])
        if code == _BYTES:
            return bytes(buffer)
        descr, shape, offset = form
        if index not in memory:  # one base for all arrays of a frame, so that they can travel on together
            memory[index] = np.frombuffer(buffer, np.uint8)
            memory[index].flags.writeable = False
        kind = _simple(descr) if isinstance(descr, str) else _dtype(descr)
        return np.ndarray(shape, kind, memory[index], offset)

    try:
        kind, run, number, payload = msgspec.msgpack.decode(frames[0], ext_hook=restore)
    except (msgspec.DecodeError, ValueError, TypeError, IndexError, KeyError) as error:
        raise MalformedMessage(f"not a message: {error}") from error
    if not (isinstance(kind, str) and isinstance(run, int) and isinstance(number, int)):
        raise MalformedMessage(f"not a message: head {[kind, run, number]!r}")
    return Packet(kind, run, number, payload)


def nbytes(frames: Sequence[Buffer]) -> int:
    """The size of a message on the wire, in bytes."""
    return sum(frame.nbytes if isinstance(frame, memoryview) else len(frame) for frame in frames)


#: Where something is in a payload: the keys and indices that lead to it, the last one first. A text is made of it only
#: if something is wrong there.
_Path = tuple[Any, ...]
_TOP: _Path = ()
#: Where an array begins, by its identity: in which frame, and how many bytes from the frame's begin.
_Places = dict[int, tuple[int, int]]
#: That of arrays without bytes: no object has this identity.
_EMPTY = 0


def _side_by_side(payload: Any, buffers: list[Buffer]) -> _Places:
    """Puts pieces of memory that are shared by several arrays into `buffers`."""
    by_base: dict[int, list[np.ndarray[Any, Any]]] = {}
    for array in _arrays_in(payload):
        base = array.base
        if isinstance(base, np.ndarray) and base.flags.c_contiguous and array.flags.c_contiguous and array.nbytes:
            by_base.setdefault(id(base), []).append(array)
    places: _Places = {}
    for arrays in by_base.values():
        base = cast("np.ndarray[Any, Any]", arrays[0].base)
        begins = [_address(array) for array in arrays]
        first = min(begins)
        end = max(begin + array.nbytes for begin, array in zip(begins, arrays, strict=True))
        # What lies between them travels too, so that must not be much.
        if len(arrays) > 1 and not base.dtype.hasobject and 10 * sum(a.nbytes for a in arrays) >= 9 * (end - first):
            at = first - _address(base)
            buffers.append(base.reshape(-1).view(np.uint8).data[at : at + end - first])
            places |= {id(a): (len(buffers), begin - first) for begin, a in zip(begins, arrays, strict=True)}
    return places


def _arrays_in(value: Any) -> list[np.ndarray[Any, Any]]:
    found: list[np.ndarray[Any, Any]] = []
    rest = [value]
    for item in rest:  # which grows
        if isinstance(item, np.ndarray):
            found.append(cast("np.ndarray[Any, Any]", item))
        elif isinstance(item, list):
            rest += cast("list[Any]", item)
        elif isinstance(item, dict):
            rest += cast("dict[Any, Any]", item).values()
    return found


def _address(array: np.ndarray[Any, Any]) -> int:
    return array.__array_interface__["data"][0]


def _describe(value: Any, buffers: list[Buffer], where: _Path, places: _Places) -> Any:
    """`value` as something that MessagePack can hold, its large parts put into `buffers`."""
    kind = cast("type[object]", type(value))
    if kind is np.ndarray:
        return _array(value, buffers, where, places)
    if kind is float or kind is bool or value is None:
        return value
    if kind is str:
        return value if value.isascii() else _text(value)
    if kind is int:
        if not -(2**63) <= value < 2**64:
            raise UnsupportedType(f"cannot send {_at(where)}: the integer {value} has more than 64 bits")
        return value
    if kind is dict:
        pairs = cast("dict[Any, Any]", value)
        for key in pairs:
            if type(key) is not str and type(key) is not int:
                raise UnsupportedType(f"cannot send {_at(where)}: a key of type {_name(key)}, only str and int are")
        return {key: _describe(item, buffers, (key, where), places) for key, item in pairs.items()}
    if kind is list:
        items = cast("list[Any]", value)
        return [_describe(item, buffers, (i, where), places) for i, item in enumerate(items)]
    return _describe_other(value, buffers, where, places)


#: What a subclass of them is described as.
_PLAIN: tuple[Callable[[Any], Any], ...] = (str, float, int, dict, list)


def _describe_other(value: Any, buffers: list[Buffer], where: _Path, places: _Places) -> Any:
    """The same for what is rare, subclasses among it."""
    if isinstance(value, np.ndarray):
        return _array(cast("np.ndarray[Any, Any]", value), buffers, where, places)
    if isinstance(value, np.generic):  # before float, str and bytes, of which some numpy scalars are subclasses
        return _scalar(cast("np.generic[Any]", value), where)
    if isinstance(value, bytes | bytearray | memoryview):
        return _bytes(bytes(cast("bytes", value)), buffers)
    for plain in _PLAIN:
        if isinstance(value, cast("type[object]", plain)):
            made = str.__str__(value) if isinstance(value, str) else plain(value)
            return _describe(made, buffers, where, places)
    raise UnsupportedType(
        f"cannot send {_at(where)}: type {_name(value)}; what can be sent are numpy arrays, dicts and lists of them, "
        "numbers, str, bytes, bool and None"
    )


def _array(value: np.ndarray[Any, Any], buffers: list[Buffer], where: _Path, places: _Places) -> msgspec.msgpack.Ext:
    if value.dtype.hasobject:
        raise UnsupportedType(f"cannot send {_at(where)}: numpy array of Python objects (dtype {value.dtype})")
    if value.strides == (0,) and value.size > 1:
        form = [value[:1].tobytes(), _descr(value.dtype), value.size]
        return msgspec.msgpack.Ext(_CONSTANT, msgspec.msgpack.encode(form))
    index, offset = places.get(id(value) if value.nbytes else _EMPTY, (0, 0))
    if not index:
        # A zero-size array has no buffer that memoryview could cast.
        contiguous = np.ascontiguousarray(value)
        buffers.append(contiguous.reshape(-1).view(np.uint8).data if value.nbytes else b"")
        index = len(buffers)
        if not value.nbytes:  # all of them share a frame: most modules of a crate that is quiet have nothing
            places[_EMPTY] = index, 0
    form = [index, _descr(value.dtype), value.shape, offset]
    return msgspec.msgpack.Ext(_ARRAY, msgspec.msgpack.encode(form))


def _scalar(value: np.generic[Any], where: _Path) -> msgspec.msgpack.Ext:
    if value.dtype.hasobject:
        raise UnsupportedType(f"cannot send {_at(where)}: type {_name(value)}")
    return msgspec.msgpack.Ext(_SCALAR, msgspec.msgpack.encode([value.tobytes(), _descr(value.dtype)]))


def _text(value: str) -> Any:
    """A text as it is, also one that UTF-8 cannot hold: the name of a file may have any bytes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return msgspec.msgpack.Ext(_TEXT, value.encode(errors="surrogatepass"))
    return value


def _bytes(data: bytes, buffers: list[Buffer]) -> Any:
    if len(data) <= _SMALL:
        return data
    buffers.append(data)
    return msgspec.msgpack.Ext(_BYTES, msgspec.msgpack.encode([len(buffers)]))


@functools.lru_cache(256)
def _descr(dtype: np.dtype[Any]) -> Any:
    return np.lib.format.dtype_to_descr(dtype)


@functools.lru_cache(256)
def _simple(descr: str) -> np.dtype[Any]:
    return np.lib.format.descr_to_dtype(cast(Any, descr))


def _dtype(descr: Any) -> np.dtype[Any]:
    """A dtype from its description, whose tuples MessagePack made lists."""
    return np.lib.format.descr_to_dtype(_fields(descr))


def _fields(descr: Any) -> Any:
    if isinstance(descr, str):
        return descr
    return [(_as_tuple(name), _fields(form), *map(_as_tuple, rest)) for name, form, *rest in descr]


def _as_tuple(item: Any) -> Any:
    """A title with its name, or a shape, which MessagePack made a list."""
    return tuple(cast("list[Any]", item)) if isinstance(item, list) else item


def _at(where: _Path) -> str:
    keys: list[Any] = []
    while where:
        key, where = where
        keys.append(key)
    return "the payload" + "".join(f"[{key!r}]" for key in reversed(keys))


def _name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
