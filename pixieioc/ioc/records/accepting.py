"""What a client may send: made into a value of a record as EPICS Base does, or refused, whatever the protocol."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pixieioc.ioc.records import conversion
from pixieioc.ioc.records.conversion import Unconvertible
from pixieioc.ioc.records.limits import drive_limits
from pixieioc.ioc.records.values import index_of
from pixieioc.pvinfo.model import LONGEST_STRING, PvInfo

#: What whole numbers of 32 and of 64 bits can be.
INT32, INT64 = (-(2**31), 2**31 - 1), (-(2**63), 2**63 - 1)


class Accepting:
    """What the values of one record may be: `labels` are those of an enum, `whole` the range of whole numbers."""

    __slots__ = ("_info", "_labels", "_whole")

    def __init__(self, info: PvInfo, labels: tuple[str, ...], whole: tuple[int, int] | None) -> None:
        self._info = info
        self._labels = labels
        self._whole = whole

    def accept(self, sent: Any, *, single: bool = False) -> Any:
        """What a client sent (texts as a list, numbers as an array), as a value of this record, or Unconvertible.

        It is converted as by EPICS Base. What Base would take with a loss (the beginning of a text, a number modulo the
        size of a type, the first of several elements) is refused; docs/reference/puts.md says it in full. A number is
        clipped to DRVL and DRVH where the description wants it and there is something between them. `single`: numbers
        came in 32 bits.
        """
        value = self._accept(sent, single=single)
        if not self._info.clips:
            return value
        low, high = drive_limits(self._info)
        return type(value)(min(max(value, low), high)) if low < high else value

    def _accept(self, sent: Any, *, single: bool) -> Any:
        if self._info.is_text:
            return self._accept_text(sent)
        if self._info.record == "waveform":
            return self._accept_array(sent)
        if len(sent) != 1:
            raise Unconvertible(f"{len(sent)} elements, 1 fits" if len(sent) else "no value was sent")
        value = sent[0].item() if isinstance(sent, np.ndarray) else sent[0]
        if self._labels:
            return self._accept_index(value)
        if self._info.record in ("stringin", "stringout"):
            return self._fitting(
                value if isinstance(value, str) else conversion.shown(value, single=single), LONGEST_STRING
            )
        return self._accept_number(value)

    def _accept_text(self, sent: Any) -> str:
        """One string is the text; numbers of any type, also several written as strings, are its characters."""
        if isinstance(sent, list) and len(sent) < 2:
            value = "".join(sent)
        else:
            codes = np.array([*map(conversion.whole, sent)], float) if isinstance(sent, list) else sent
            value = _text_of(codes)
        return self._fitting(value, self._info.length - 1)

    def _fitting(self, text: str, longest: int) -> str:
        if (size := len(text.encode())) > longest:
            raise Unconvertible(f"the text has {size} bytes, {longest} fit")
        return text

    def _accept_array(self, sent: Any) -> Any:
        if len(sent) > self._info.length:
            raise Unconvertible(f"{len(sent)} elements, {self._info.length} fit")
        if isinstance(sent, list):
            sent = np.array([*map(conversion.whole if self._whole else conversion.number, sent)], float)
        return _whole(sent, *self._whole).astype(np.int32) if self._whole else sent.astype(np.float64)

    def _accept_number(self, value: Any) -> float | int:
        if isinstance(value, str):
            value = dict(self._info.named).get(value, value)
        if isinstance(value, str):
            value = conversion.whole(value) if self._whole else conversion.number(value)
        if self._whole is None:
            return float(value)
        if not math.isfinite(value):
            raise Unconvertible(f"{value!r} is not a whole number")
        low, high = self._whole
        if not low <= int(value) <= high:
            raise Unconvertible(f"{value!r} does not fit: must be from {low} to {high}")
        return int(value)

    def _accept_index(self, value: Any) -> int:
        if isinstance(value, float) and math.isfinite(value):
            value = int(value)
        try:
            return index_of(value, self._labels)
        except ValueError as error:
            raise Unconvertible(str(error)) from None


def _text_of(codes: Any) -> str:
    """Bytes of UTF-8 as a text. Numbers that are no characters of Channel Access may be UTF-16, letter by letter."""
    whole = _whole(codes, -128, 0xFFFF)
    try:
        if whole.max(initial=0) <= 255:
            # Some programs have signed bytes, and send those beyond ASCII as negative numbers.
            return conversion.decode((whole & 0xFF).astype(np.uint8).tobytes())
    except Unconvertible:
        if codes.dtype == np.uint8 or whole.min() < 0:
            raise
    # Phoebus sends the code of each letter as a DBR_LONG.
    try:
        return _whole(codes, 0, 0xFFFF).astype("<u2").tobytes().decode("utf-16-le").partition("\0")[0]
    except UnicodeDecodeError as error:
        raise Unconvertible(f"the numbers are no text: {error}") from None


def _whole(values: Any, low: int, high: int) -> Any:
    """The numbers of an array, truncated; Unconvertible names the first that is none from `low` to `high`."""
    truncated = np.trunc(values)
    wrong = values[~((truncated >= low) & (truncated <= high))]  # NaN is neither
    if len(wrong):
        raise Unconvertible(f"{wrong[0].item()!r} is not a number from {low} to {high}")
    return truncated.astype(np.int64)
