"""What travels arrives as it was, and nothing else does."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pixieioc.pipeline.frames import MalformedMessage, Packet, UnsupportedType, nbytes, pack, unpack

_TEXTS = st.text() | st.text(st.sampled_from("a\xe9\udce9\udcff\ud800"))  # also those that UTF-8 cannot hold
_SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | _TEXTS | st.binary(max_size=3000)
)
_ARRAYS = hnp.arrays(
    hnp.integer_dtypes() | hnp.floating_dtypes() | hnp.unsigned_integer_dtypes() | hnp.boolean_dtypes(),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0),
)
_PAYLOADS = st.recursive(
    _SCALARS | _ARRAYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(0, 255), inner, max_size=4),
    max_leaves=10,
)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(_same, a, b))
    return type(a) is type(b) and (a == b or (a != a and b != b))


def _over(payload: Any) -> Any:
    return unpack([bytes(frame) for frame in pack(Packet("📶", 7, 8, payload))]).payload


@given(_PAYLOADS)
def test_what_goes_in_comes_out(payload: Any) -> None:
    assert _same(payload, _over(payload))


@pytest.mark.parametrize(
    "dtype",
    [
        [("time", "<i8"), ("energy", ">u2")],
        np.dtype([("a", "u1"), ("b", "<f8", (2, 3))], align=True),
        [("outer", [("inner", "<u4"), ("name", "S5")]), ("label", "<U3")],
        [(("a title", "field"), "<f4")],
    ],
    ids=["plain", "padded with a subarray", "nested", "titled"],
)
def test_structured_arrays_keep_their_type(dtype: Any) -> None:
    array = np.zeros(3, dtype)
    back = _over({"events": array})["events"]
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()


def test_numpy_scalars_keep_their_type() -> None:
    for value in (np.float32(1.5), np.uint8(200), np.str_("hi"), np.datetime64("2026-01-01"), np.bool_(True)):
        back = _over([value])[0]
        assert type(back) is type(value)
        assert back == value


def test_arrays_are_not_copied() -> None:
    array = np.arange(1000)
    frames = pack(Packet("📶", 0, 0, [array]))
    assert np.shares_memory(np.frombuffer(frames[1], np.int64), array)
    back = unpack(frames).payload[0]
    assert np.shares_memory(back, array)
    assert not back.flags.writeable


def test_a_strided_array_arrives_whole() -> None:
    array = np.arange(24).reshape(4, 6)[::2, ::3]
    assert np.array_equal(_over(array), array)


@pytest.mark.parametrize("value", [np.uint32(7), np.float64(0.1), np.zeros(1, [("a", "<u2"), ("b", "<f8")])[0]])
def test_one_value_many_times_travels_as_that_value(value: np.generic) -> None:
    array = np.broadcast_to(value, 1_000_000)
    frames = pack(Packet("📶", 0, 0, {"period": array}))
    assert nbytes(frames) < 200
    back = unpack(frames).payload["period"]
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    assert not back.flags.writeable
    assert nbytes(pack(Packet("📶", 0, 0, back))) < 200  # and on from there


def test_the_head_carries_kind_run_and_number() -> None:
    assert unpack(pack(Packet("🏁", 12, 34))) == Packet("🏁", 12, 34, None)
    assert nbytes(pack(Packet("📶", 0, 0, np.zeros(100)))) > 800


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({1, 2}, "the payload: type set"),
        ({"a": [1, {"b": object()}]}, r"the payload\['a'\]\[1\]\['b'\]: type object"),
        ((1, 2), "type tuple"),
        (1 + 2j, "type complex"),
        (datetime.date(2026, 1, 1), "type datetime.date"),
        ({1.5: 0}, "a key of type float"),
        ({True: 0}, "a key of type bool"),
        (2**64, "more than 64 bits"),
        (np.array([object()]), "numpy array of Python objects"),
        ([1, {"x": lambda: 0}], "type function"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_type_and_place(payload: Any, says: str) -> None:
    with pytest.raises(UnsupportedType, match=says):
        pack(Packet("📶", 0, 0, payload))


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_garbage_is_no_message(frames: list[bytes]) -> None:
    try:
        packet = unpack(frames)
    except MalformedMessage:
        return
    assert isinstance(packet.kind, str)
    assert isinstance(packet.run, int)


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_message_that_lost_frames_is_malformed(cut: int) -> None:
    frames = pack(Packet("📶", 0, 0, [np.zeros(9), np.ones(9), np.zeros(9), np.ones(9), b"x" * 2000]))
    with pytest.raises(MalformedMessage, match="it refers to frame"):
        unpack(frames[:cut])


def test_a_frame_of_the_wrong_size_is_malformed() -> None:
    frames = pack(Packet("📶", 0, 0, np.zeros(9)))
    with pytest.raises(MalformedMessage):
        unpack([frames[0], b"1234567"])
    with pytest.raises(MalformedMessage, match="head"):
        unpack([msgspec.msgpack.encode([1, 2, 3, 4])])
