"""Reports: what a task tells about itself, and which values each of them can have.

A value is checked where it is made, in the task's process at the line that assigns it; the pipeline checks once more
what reaches it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, Generic, Never, Self, TypeVar, cast, overload

import numpy as np

from pixieioc.pipeline import channel_values
from pixieioc.pipeline.declaration import (
    CHANNELS,
    DOUBLE_EXACT,
    LONG_HIGH,
    LONG_LOW,
    MODULES,
    Declaration,
    Per,
    Value,
    fits,
    shorten,
    unknown_arguments,
)
from pixieioc.pipeline.error import Error
from pixieioc.presentation import PLAIN, SEVERITIES, AlarmHandling, Archive, Severity, SharedSection

T = TypeVar("T")
#: The longest text of a report, in bytes of UTF-8; what its process variable shows is shorter.
LONGEST_REPORT = 65536
#: The alarm limits of a report, by EPICS field; plain `low` and `high` are the range that a parameter accepts.
ALARM_LIMITS = {name: f"alarm_{name}" for name in ("lolo", "low", "high", "hihi")}


class BadReport(Error):
    """A report that cannot be made: told where it is made, with task, report, value and what is possible."""


class Report(Declaration, Generic[T]):
    """A value that a task tells about itself; assigning it on an instance puts it into the task's next report.

    The type is that of the initial value: bool, int, float, str, or, with `choices`, one of those texts. Numbers and
    texts of numpy are taken as Python's; a value of another type is refused where it is assigned.

    With `per="channel"` the value is a numpy array whose first two axes are modules and channels, as many as the task's
    `fixed` parameters `modules` and `channels` say, and the initial value an empty one, `np.zeros((0, 0))`: nothing is
    known yet. With `per="module"` it has one axis, and `choices` are the states that its whole numbers stand for. Such
    an array counts as changed when it is assigned, not when something in it changes.

    With `large` the arrays of all channels are never in one place: what is assigned is a mapping of channels,
    `(0, 3)`, to their arrays, and only these are reported and shown. Those assigned since the last report are merged.
    """

    def __init__(
        self,
        initial: T,
        *,
        doc: str,
        unit: str = "",
        precision: int = 3,
        alarm_lolo: float = math.nan,
        alarm_low: float = math.nan,
        alarm_high: float = math.nan,
        alarm_hihi: float = math.nan,
        hysteresis: float = 0.0,
        choices: tuple[str, ...] = (),
        severities: tuple[Severity, ...] = (),
        small: bool = False,
        longest: int = 512,
        per: Per = "task",
        length: str = "",
        times: str = "",
        large: bool = False,
        of_process: bool = False,
        shared: bool = False,
        section: SharedSection = "run",
        pv: str = "",
        guidance: str = "",
        alarm: AlarmHandling | None = None,
        archive: Archive | None = None,
        **unknown: Never,
    ) -> None:
        """Declares a report.

        Arguments:
            initial: The value before the task has reported one; it says the type, too.
            doc: What the value means, one sentence for the operator.
            unit: Unit of the value.
            precision: Digits after the point that are shown, of a float.
            alarm_lolo: The value is in MAJOR alarm from here down.
            alarm_low: The value is in MINOR alarm from here down.
            alarm_high: The value is in MINOR alarm from here up.
            alarm_hihi: The value is in MAJOR alarm from here up.
            hysteresis: How far the value must come back from a limit before the alarm ends.
            choices: The texts that are possible, 2 to 16 of at most 25 bytes; the initial value is one of them.
            severities: The severities of a bool's two states (False first), or of the choices.
            small: Whether an int fits 32 bits; otherwise it may count up to 2^53.
            longest: Characters of a text that its process variable shows.
            per: "channel" ("module") if there is a value for each channel (module), otherwise "task".
            length: With per="channel", the name of the fixed parameter that is the longest length of the array of each
                channel, a third axis; it is filled up with NaN. With per="module" of the array of each module.
            times: With per="channel", the name of the fixed parameter that says how many values a channel has, a third
                axis.
            large: With per="channel" and `length`, whether single channels are reported, each as long as it was made.
            of_process: Whether it tells of the task's process: without one it is as initially, and not unknown.
            shared: Whether it is the whole pipeline's: its process variable has the pipeline's prefix, not the task's.
            section: The section of the screens and of the alarm tree for what is shared.
            pv: The name of the process variable, without prefix and task; by default `bytes_read` becomes BytesRead.
                With `times`, {} stands for the number, which counts from 1.
            guidance: What to do when it is in alarm, for the operator.
            alarm: What limits, severities and hysteresis do not say of its alarm: why the alarm tree omits it, ...
            archive: When an archiver keeps it: "always", "running" or "" for never; None: numbers during a run, states
                always, texts and arrays never.
        """
        if unknown:
            raise TypeError(unknown_arguments("Report", unknown, inspect.signature(Report).parameters, ALARM_LIMITS))
        self.doc = doc
        self.unit = unit
        self.precision = precision
        self.limits = (alarm_lolo, alarm_low, alarm_high, alarm_hihi)
        self.hysteresis = hysteresis
        self.choices = choices
        self.severities = severities
        self.small = small
        self.longest = longest
        self.per: Per = per
        self.length = length
        self.times = times
        self.large = large
        self.of_process = of_process
        self.shared = shared
        self.section: SharedSection = section
        self.alarm = alarm or PLAIN
        self.archive: Archive | None = archive
        self.pv = pv
        self.guidance = guidance
        self.check_declaration()
        self.initial = initial
        self.initial = cast(T, self._check_initial(initial))

    def _check_initial(self, initial: object) -> Any:
        """The initial value, if it and the other arguments fit together; TypeError or ValueError otherwise."""
        if self.large and not (self.per == "channel" and self.length):
            raise ValueError("large goes with per='channel' and length")
        if self.per != "task":
            if not isinstance(initial, np.ndarray) or initial.dtype.kind not in "biuf":
                shape = "(0, 0)" if self.per == "channel" else "0"
                raise TypeError(
                    f"the initial value of a report per {self.per} is a numpy array of numbers, np.zeros({shape})"
                )
            if self.choices and (self.per == "channel" or self.length or initial.dtype.kind not in "iu"):
                raise TypeError("choices go with a text, or with per='module' and whole numbers that stand for them")
            if self.per == "module" and self.times:
                raise ValueError("times goes with per='channel'")
            if self.length and initial.dtype.kind in "iu" and not np.can_cast(initial.dtype, np.int32):
                raise TypeError(f"{initial.dtype}: the whole numbers of an array have at most 32 bits; take np.float64")
            if self.length and self.times:
                raise ValueError("a report has a length or times, not both")
            initial = initial.copy()
            initial.flags.writeable = False
            return initial
        if self.length or self.times:
            raise ValueError("length and times go with per='channel' or 'module'")
        if type(initial) not in (bool, int, float, str):
            raise TypeError(
                "the initial value of a report is bool, int, float or str (or, with per='channel', a numpy array), "
                f"not {type(initial).__name__}"
            )
        states = 2 if isinstance(initial, bool) else len(self.choices)
        if self.severities and len(self.severities) != states:
            raise ValueError(f"severities: must be {states}, one for each state, not {len(self.severities)}")
        if wrong := [severity for severity in self.severities if severity not in SEVERITIES]:
            raise ValueError(f"severities: {wrong[0]!r} is none of {', '.join(SEVERITIES)}")
        try:
            return self.check(initial, {})
        except ValueError as error:
            raise ValueError(f"initial = {initial!r}: {error}") from None

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        return instance.__dict__["report_values"].get(self.name, self.initial)

    def __set__(self, instance: object, value: T) -> None:
        self.keep(instance, self.accept(_name_of(instance), value, instance.__dict__["parameter_values"]))

    def keep(self, instance: object, value: Any) -> None:
        """Puts a value that is known to be right into the next report; any thread may do that."""
        values: dict[str, Any] = instance.__dict__["report_values"]
        if self.large:
            waiting = values[self.name] if self.name in instance.__dict__["report_changed"] else {}
            value = {**waiting, **value} if isinstance(waiting, dict) else value
        if self.large or isinstance(value, np.ndarray) or values.get(self.name, self.initial) != value:
            values[self.name] = value
            instance.__dict__["report_changed"].add(self.name)

    def accept(self, task: str, value: object, others: Mapping[str, Value] | None) -> Any:
        """`value` as it will be reported; BadReport that names task, report and value if it is not possible."""
        try:
            return self.check(value, others)
        except ValueError as error:
            raise BadReport(f"{task}.{self.name} = {shorten(value)}: {error}", task=task) from None

    def check(self, value: object, others: Mapping[str, Value] | None) -> Any:
        """`value` as it will be reported; ValueError that says what is possible.

        `others` are the task's parameters, from which the shape of an array follows (None: it may have any).

        A whole float is taken for an int and an int for a float, but a number is never taken for a text or a bool.
        """
        if self.large:
            return self._by_channel(value, None if others is None else self._expected(others))
        if self.per != "task":
            return self._array(value, None if others is None else self._expected(others))
        if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
            value = cast("object", value.item())
        accepted = self._scalar(value)
        if accepted is None:
            raise ValueError(f"must be {self.allowed}")
        return accepted

    def _scalar(self, value: object) -> bool | int | float | str | None:
        if self.choices:
            return value if isinstance(value, str) and value in self.choices else None
        match self._type:
            case "str":
                return _text(value)
            case "bool":
                return bool(value) if isinstance(value, int | float) and value in (0, 1) else None
            case _ if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            case "float":
                try:
                    return float(value)
                except OverflowError:
                    return None
            case _:
                low, high = (LONG_LOW, LONG_HIGH) if self.small else (-DOUBLE_EXACT, DOUBLE_EXACT)
                return int(value) if low <= value <= high and value == int(value) else None

    @property
    def _type(self) -> str:
        """The type of the value, which is that of the initial one."""
        return type(self.initial).__name__

    @property
    def allowed(self) -> str:
        """The values that are possible, as a phrase."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        match self._type:
            case "str":
                return f"a text of at most {LONGEST_REPORT} bytes, without NUL"
            case "bool":
                return "true or false"
            case "float":
                return "a number"
            case "int":
                return f"a whole number from {LONG_LOW} to {LONG_HIGH}" if self.small else "a whole number up to 2^53"
            case _:
                return "an array of numbers"

    def _expected(self, others: Mapping[str, Value]) -> tuple[int, ...]:
        return tuple(int(cast("int", others[name])) for name in self._axes)

    @property
    def _axes(self) -> tuple[str, ...]:
        """The parameters that say how long the axes of an array are."""
        last = self.times or self.length
        return (MODULES, *([CHANNELS] if self.per == "channel" else []), *([last] if last else []))

    def _by_channel(self, value: object, expected: tuple[int, ...] | None) -> dict[str, Any]:
        """Arrays by the names of their channels, such as M00:C03."""
        if isinstance(value, np.ndarray) and value.size == 0:
            return {}
        if not isinstance(value, Mapping):
            raise ValueError("must be a mapping of channels, (module, channel), to arrays")
        return dict(self._of_channel(*item, expected) for item in cast("Mapping[object, object]", value).items())

    def _of_channel(self, key: object, value: object, expected: tuple[int, ...] | None) -> tuple[str, Any]:
        place = channel_values.place_of(key) if isinstance(key, str) else key
        if not (isinstance(place, tuple) and len(cast("tuple[Any, ...]", place)) == 2):
            raise ValueError(f"{shorten(key)}: is no channel, (module, channel)")
        place = cast("tuple[int, int]", place)
        if expected and not all(0 <= index < count for index, count in zip(place, expected[:2], strict=True)):
            raise ValueError(
                f"{shorten(key)}: there are {MODULES} 0 to {expected[0] - 1}, {CHANNELS} 0 to {expected[1] - 1}"
            )
        array = np.asarray(cast(Any, value))
        one = self._array(array[None, None], (1, 1, expected[2]) if expected else None)
        return channel_values.place_name(place), one[0, 0] if one.size else one.reshape(0)

    def _array(self, value: object, expected: tuple[int, ...] | None) -> Any:
        try:
            array = np.asarray(cast(Any, value))
        except ValueError:  # lists of different lengths
            array = np.empty(0, object)
        if array.dtype.kind not in "biuf" or not (array.size == 0 or self._has_shape(array.shape, expected)):
            names = self._axes
            axes = zip(names, expected or (), strict=bool(expected)) if expected else ((name, "") for name in names)
            by = ", ".join(f"{name} {count}".strip() for name, count in axes)
            raise ValueError(f"must be an array of numbers by {by}, not {array.dtype}{list(array.shape)}")
        whole: np.dtype[Any] = cast("np.ndarray[Any, Any]", self.initial).dtype
        if whole.kind not in "iu" or (array.dtype == whole and not self.choices):
            return array
        low, high = (0, len(self.choices) - 1) if self.choices else (np.iinfo(whole).min, np.iinfo(whole).max)
        if not bool(np.all((array >= low) & (array <= high) & (array == np.trunc(array)))):
            raise ValueError(f"must have whole numbers from {low} to {high} only")
        return array.astype(whole)

    def _has_shape(self, shape: tuple[int, ...], expected: tuple[int, ...] | None) -> bool:
        if expected is None:
            return len(shape) == len(self._axes)
        if self.length:
            return shape[:-1] == expected[:-1] and shape[-1] <= expected[-1]
        return shape == expected


class FrameReport(Report[T]):
    """A report that the frame of every task keeps current; a task itself cannot set it."""

    def __set__(self, instance: object, value: T) -> None:
        raise BadReport(refusal(_name_of(instance), self.name), task=_name_of(instance))


def _name_of(task: object) -> str:
    """The name of a task, which need not be that of its class."""
    return getattr(task, "name", type(task).__name__)


def refusal(task: str, name: str) -> str:
    """Why a task cannot set a report of the frame."""
    return f"{task}.{name}: every task has this report, and the pipeline keeps it current; give yours another name"


def _text(value: object) -> str | None:
    """A text that can be sent: bytes of a file name that are not UTF-8 are shown as escapes."""
    if not isinstance(value, str):
        return None
    text = value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    return text if fits(text, LONGEST_REPORT) and "\0" not in text else None
