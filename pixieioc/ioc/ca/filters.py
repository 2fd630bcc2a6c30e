"""Channel filters: what a client has the server do to the values of one of its channels, as EPICS Base does it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca.filter_syntax import NoFilter, Scalar, Written
from pixieioc.ioc.ca.listeners import DBE_LOG, DBE_PROPERTY, DBE_VALUE
from pixieioc.ioc.records import Record, Stamp, stamp
from pixieioc.pvinfo.model import PvInfo

_DBE_CHANGE = DBE_VALUE | DBE_LOG
Options = Mapping[str, Scalar]
#: Finds the record that is a state of the IOC, by the name that a client gives; None: there is none.
States = Callable[[str], Record | None]


class Sample(NamedTuple):
    """What a record had at a time: value, time, alarm."""

    value: Any
    when: Stamp
    status: int
    severity: int


class Filter:
    """One filter of one channel. What it does not change is passed on."""

    #: The value behind it is something else than the record's.
    replaces = False
    #: Whether it decides for each subscription of its channel if that gets a first value.
    decides_first = False

    def describe(self, info: PvInfo) -> PvInfo:
        """What a value is behind the filter, if it is `info` before."""
        return info

    def apply(self, value: Any, when: Stamp) -> tuple[Any, Stamp]:
        """A value and its time behind the filter."""
        return value, when

    def begin(self, value: Any) -> None:
        """The first monitor, which every client gets, is of this value."""

    def passes_first(self, sample: Sample) -> bool:
        """Whether a subscription gets the present value as its first, if the filter decides that."""
        return True

    def passes(self, value: Any, events: int) -> int:
        """Which events of a posted value are passed on."""
        return events

    def pass_on(self, sample: Sample, events: int) -> tuple[Sample, int]:
        """What comes out when this is posted, and with which events; none: nothing comes out."""
        events = self.passes(sample.value, events)
        if events:
            value, when = self.apply(sample.value, sample.when)
            sample = sample._replace(value=value, when=when)
        return sample, events


class _Slice(Filter):
    """`arr`: every i-th element of an array from the s-th to the e-th; those below 0 are counted from the end."""

    def __init__(self, options: Options) -> None:
        start, step, end = (_whole(options, name, default) for name, default in (("s", 0), ("i", 1), ("e", -1)))
        self._range = (start, max(step, 1), end)
        self._is_of_array = True

    def describe(self, info: PvInfo) -> PvInfo:
        self._is_of_array = info.length > 1
        if not self._is_of_array:
            return info
        return dataclasses.replace(info, length=len(self._indices(info.length)), initial="" if info.is_text else [])

    def apply(self, value: Any, when: Stamp) -> tuple[Any, Stamp]:
        if not self._is_of_array:
            return value, when
        if isinstance(value, str):
            value = np.frombuffer(value.encode() + b"\0", np.uint8)
        indices = self._indices(len(value))
        return value[indices.start : indices.stop : indices.step], when

    def _indices(self, length: int) -> range:
        start, step, end = self._range
        start = max(0, start + length if start < 0 else start)
        end = min(length - 1, end + length if end < 0 else end)
        return range(min(start, length), max(end + 1, min(start, length)), step)


class _Deadband(Filter):
    """`dbnd`: changes of a number by no more than an amount, or a percentage, are not posted; alarms are."""

    def __init__(self, options: Options) -> None:
        modes = ("abs", "rel")
        mode = options.get("m", 0)
        if mode not in (*modes, 0, 1):
            raise NoFilter(f"dbnd: m {mode!r}: must be abs or rel")
        self._relative = mode in ("rel", 1)
        self._given = _number(options, "d", 0.0)
        for name in modes:
            if name in options:
                self._given, self._relative = _number(options, name, 0.0), name == "rel"
        self._last = math.nan
        self._deadband = self._given

    def begin(self, value: Any) -> None:
        if isinstance(value, int | float):
            self._take(value)

    def passes(self, value: Any, events: int) -> int:
        if not isinstance(value, int | float) or not events & _DBE_CHANGE:
            return events
        # Written so that a change from or to NaN is one.
        if not abs(value - self._last) <= self._deadband:
            self._take(value)
            return events
        return events & ~_DBE_CHANGE

    def _take(self, value: float) -> None:
        self._last = value
        if self._relative:
            self._deadband = abs(value) * self._given / 100


class _Decimation(Filter):
    """`dec`: of n posts the first is passed on, whatever it is about."""

    def __init__(self, options: Options) -> None:
        number = options.get("n")
        if not isinstance(number, int) or number < 1:
            raise NoFilter(f"dec: n {number!r}: must be a whole number from 1")
        self._number = number
        self._since = 0

    def begin(self, value: Any) -> None:
        self._since = 1 % self._number

    def passes(self, value: Any, events: int) -> int:
        if not events & ~DBE_PROPERTY:
            return events
        passes = not self._since
        self._since = (self._since + 1) % self._number
        return events if passes else events & DBE_PROPERTY


class _Sync(Filter):
    """`sync`: what is passed on follows a state of the IOC, which is a record with two states of its own.

    `while` and `unless` it is true; the `first` value that comes when it has become true, and the last one `before`;
    the `last` value before it has become false, and the first `after`.
    """

    decides_first = True

    def __init__(self, mode: str, state: Record) -> None:
        self._mode = mode
        self._state = state
        self._was_true = False
        self._last: Sample | None = None

    def passes_first(self, sample: Sample) -> bool:
        return bool(self.pass_on(sample, _DBE_CHANGE)[1])

    def pass_on(self, sample: Sample, events: int) -> tuple[Sample, int]:
        is_true = bool(self._state.value)
        begins, ends = is_true and not self._was_true, self._was_true and not is_true
        passed: Sample | None = None
        match self._mode:
            case "while" | "unless":
                return sample, events if is_true == (self._mode == "while") else 0
            case "first" | "after":
                passed = sample if (begins if self._mode == "first" else ends) else None
            case "before" | "last":
                passed = self._last if (begins if self._mode == "before" else ends) else None
            case _:
                raise AssertionError(f"sync has no mode {self._mode}")
        self._was_true, self._last = is_true, sample
        return (sample, 0) if passed is None else (passed, events)


class _Now(Filter):
    """`ts` without options: the time is that at which the value is sent."""

    def apply(self, value: Any, when: Stamp) -> tuple[Any, Stamp]:
        return value, stamp()


class _TimeAsValue(Filter):
    """`ts` with `num` or `str`: the value is the time, as a number, two numbers or a text."""

    replaces = True

    def __init__(self, form: Callable[[int, int], Any], info: PvInfo, epoch: int) -> None:
        self._form = form
        self._info = info
        self._epoch = epoch

    def describe(self, info: PvInfo) -> PvInfo:
        return dataclasses.replace(self._info, source=info.source, access=info.access)

    def apply(self, value: Any, when: Stamp) -> tuple[Any, Stamp]:
        seconds, nanoseconds = dbr.epics_time(when)
        return self._form(seconds + self._epoch, nanoseconds), when


def make(written: Written, states: States) -> Filter:
    """The filter that was written; NoFilter if there is none such, or not with these options."""
    name, options = written
    if name == "sync":
        return _sync(options, states)
    known = _KNOWN.get(name)
    if known is None:
        raise NoFilter(f"{name!r} is no filter; there are: {', '.join((*_KNOWN, 'sync'))}")
    kind, allowed = known
    _refuse_unknown(name, options, allowed)
    return kind(options)


# -- sync -------------------------------------------------------------------------------------------------------------

_MODES = ("before", "first", "last", "after", "while", "unless")


def _sync(options: Options, states: States) -> Filter:
    _refuse_unknown("sync", options, frozenset("ms"))
    mode, name = options.get("m"), options.get("s")
    if isinstance(mode, int) and 0 <= mode < len(_MODES):
        mode = _MODES[mode]
    if mode not in _MODES:
        raise NoFilter(f"sync: m {mode!r}: must be one of {', '.join(_MODES)}")
    state = states(name) if isinstance(name, str) else None
    if state is None or state.info.record not in ("bi", "bo"):
        raise NoFilter(f"sync: s {name!r}: must be a record of this IOC with two states, as AcquireBusy")
    return _Sync(str(mode), state)


# -- ts ---------------------------------------------------------------------------------------------------------------


def _epics_text(seconds: int, nanoseconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}.{nanoseconds:09}"


def _iso_text(seconds: int, nanoseconds: int) -> str:
    local = datetime.fromtimestamp(seconds, UTC).astimezone()
    return f"{local:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}{local:%z}"


_WHOLE = PvInfo("time", "int64in", "Time stamp.")
_TEXT = PvInfo("time", "stringin", "Time stamp.", "")
#: By option and choice, the value that a time is, and what that is.
_TIMES: dict[str, dict[Scalar, tuple[Callable[[int, int], Any], PvInfo]]] = {
    "num": {
        "dbl": (lambda seconds, nanoseconds: seconds + nanoseconds / 1e9, PvInfo("time", "ai", "Time stamp.", 0.0)),
        "sec": (lambda seconds, _: float(seconds), _WHOLE),
        "nsec": (lambda _, nanoseconds: float(nanoseconds), _WHOLE),
        "ts": (
            lambda seconds, nanoseconds: np.array([seconds, nanoseconds], np.float64),
            PvInfo("time", "waveform", "Time stamp.", [], length=2),
        ),
    },
    "str": {"epics": (_epics_text, _TEXT), "iso": (_iso_text, _TEXT)},
}
_EPOCHS = {"epics": 0, "unix": dbr.EPICS_EPOCH}


def _time(options: Options) -> Filter:
    chosen = [(option, _choice("ts", options, option, forms)) for option, forms in _TIMES.items() if option in options]
    epoch = _choice("ts", options, "epoch", _EPOCHS) if "epoch" in options else 0
    if not chosen:
        return _Now()
    option, (form, info) = chosen[-1]
    return _TimeAsValue(form, info, dbr.EPICS_EPOCH if option == "str" else epoch)


# -- options ----------------------------------------------------------------------------------------------------------


def _refuse_unknown(name: str, options: Options, allowed: frozenset[str]) -> None:
    if unknown := options.keys() - allowed:
        raise NoFilter(f"{name} has no option {', '.join(sorted(unknown))}; it has {', '.join(sorted(allowed))}")


def _choice(name: str, options: Options, option: str, choices: Mapping[Any, Any]) -> Any:
    if options[option] not in choices:
        raise NoFilter(f"{name}: {option} {options[option]!r}: must be one of {', '.join(choices)}")
    return choices[options[option]]


def _number(options: Options, option: str, default: float) -> float:
    """An option as a number, also one that is written as text."""
    value = options.get(option, default)
    try:
        return float(value)  # pyright: ignore[reportArgumentType]  # None is the TypeError below
    except (TypeError, ValueError, OverflowError):
        raise NoFilter(f"{option} {value!r} is not a number") from None


def _whole(options: Options, option: str, default: int) -> int:
    value = _number(options, option, default)
    if not abs(value) < 2**31:
        raise NoFilter(f"{option} {value:g}: must have at most 31 bits")
    return int(value)


_KNOWN: dict[str, tuple[Callable[[Options], Filter], frozenset[str]]] = {
    "arr": (_Slice, frozenset("sie")),
    "dbnd": (_Deadband, frozenset(("d", "m", "abs", "rel"))),
    "dec": (_Decimation, frozenset("n")),
    "ts": (_time, frozenset(("num", "str", "epoch"))),
}
