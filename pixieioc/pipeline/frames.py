"""How a message travels: a small MessagePack head, then the raw buffers that it refers to, without copying them.

Nothing is ever unpickled: what a head can describe is numpy arrays (also structured ones), dicts with text or integer
keys, lists, numbers, text, bytes, booleans and None.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import numpy as np

from pixieioc.pipeline.error import Error

Buffer = bytes | memoryview
_ARRAY, _SCALAR, _BYTES = 1, 2, 3
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

    Raises UnsupportedType that names the offending type and its place in the payload.
    """
    buffers: list[Buffer] = []
    tree = _describe(packet.payload, buffers, "")
    return [msgspec.msgpack.encode([packet.kind, packet.run, packet.number, tree]), *buffers]


def unpack(frames: Sequence[Buffer]) -> Packet:
    """The packet that `frames` hold; its arrays are read-only views of the frames.

    Raises MalformedMessage if the frames are no message.
    """
    if not frames:
        raise MalformedMessage("a message without frames")

    def restore(code: int, data: memoryview) -> Any:
        if code == _SCALAR:
            raw, descr = msgspec.msgpack.decode(data, type=tuple[bytes, Any])
            return np.frombuffer(raw, _dtype(descr))[0]
        index, *form = msgspec.msgpack.decode(data, type=list[Any])
        if not 0 < index < len(frames):
            raise ValueError(f"it refers to frame {index} of {len(frames)}")
        buffer = cast("memoryview[int]", frames[index])
        if code == _BYTES:
            return bytes(buffer)
        descr, shape = form
        array = np.frombuffer(buffer, _simple(descr) if isinstance(descr, str) else _dtype(descr)).reshape(shape)
        array.flags.writeable = False
        return array

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


def _describe(value: Any, buffers: list[Buffer], where: str) -> Any:
    """`value` as something that MessagePack can hold, its large parts put into `buffers`."""
    if isinstance(value, np.ndarray):
        return _array(cast("np.ndarray[Any, Any]", value), buffers, where)
    if isinstance(value, np.generic):  # before float, str and bytes, of which some numpy scalars are subclasses
        return _scalar(cast("np.generic[Any]", value), where)
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise UnsupportedType(f"cannot send {_at(where)}: the integer {value} has more than 64 bits")
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return _bytes(bytes(cast("bytes", value)), buffers)
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [_describe(item, buffers, f"{where}[{i}]") for i, item in enumerate(items)]
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value)
        for key in pairs:
            if type(key) not in (str, int):
                raise UnsupportedType(f"cannot send {_at(where)}: a key of type {_name(key)}, only str and int are")
        return {key: _describe(item, buffers, f"{where}[{key!r}]") for key, item in pairs.items()}
    raise UnsupportedType(
        f"cannot send {_at(where)}: type {_name(value)}; what can be sent are numpy arrays, dicts and lists of them, "
        "numbers, str, bytes, bool and None"
    )


def _array(value: np.ndarray[Any, Any], buffers: list[Buffer], where: str) -> msgspec.msgpack.Ext:
    if value.dtype.hasobject:
        raise UnsupportedType(f"cannot send {_at(where)}: numpy array of Python objects (dtype {value.dtype})")
    contiguous = np.ascontiguousarray(value)
    descr = _descr(value.dtype)
    # A zero-size array has no buffer that memoryview could cast.
    buffers.append(contiguous.reshape(-1).view(np.uint8).data if value.nbytes else b"")
    return msgspec.msgpack.Ext(_ARRAY, msgspec.msgpack.encode([len(buffers), descr, value.shape]))


def _scalar(value: np.generic[Any], where: str) -> msgspec.msgpack.Ext:
    if value.dtype.hasobject:
        raise UnsupportedType(f"cannot send {_at(where)}: type {_name(value)}")
    return msgspec.msgpack.Ext(_SCALAR, msgspec.msgpack.encode([value.tobytes(), _descr(value.dtype)]))


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


def _at(where: str) -> str:
    return f"the payload{where}" if where else "the payload"


def _name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
