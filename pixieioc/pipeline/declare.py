"""What a task can be told and what it tells: parameters and reports, declared once as class attributes.

From these declarations follow the checks of every value that is written, the process variables, screens, alarms and
documents.
"""

from __future__ import annotations

import difflib
import inspect
import json
import math
from collections.abc import Mapping
from typing import Any, Generic, Literal, Never, Self, TypeVar, cast, overload

import numpy as np

from pixieioc.pipeline import places
from pixieioc.pipeline.places import Shape

T = TypeVar("T")
Kind = Literal["bool", "int", "float", "enum", "str", "strings", "numbers"]
Severity = Literal["NO_ALARM", "MINOR", "MAJOR", "INVALID"]
Value = bool | int | float | str | list[str] | list[float] | list[list[Any]]
Per = Literal["task", "channel"]

#: Integers that Channel Access can carry exactly: as LONG, or as DOUBLE.
LONG_LOW, LONG_HIGH, DOUBLE_EXACT = -(2**31), 2**31 - 1, 2**53
#: The longest text of a parameter, in bytes of UTF-8.
LONGEST_TEXT = 4096
#: The alarm limits of a report, by EPICS field; plain `low` and `high` are the range that a parameter accepts.
ALARM_LIMITS = {name: f"alarm_{name}" for name in ("lolo", "low", "high", "hihi")}
#: The parameters of a task that say how many modules and channels there are of what it declares per channel.
MODULES, CHANNELS = "modules", "channels"


class Parameter(Generic[T]):
    """A value that a task can be configured with; reads as its accepted value on an instance.

    The type is that of the default: bool, int, float, str, a list of `items` (str or float), or, with `choices`, one of
    those texts. `low` and `high` are inclusive. `live` parameters may change while a run is on, `fixed` ones only
    before the task exists (a configuration file). `shared` ones are the whole pipeline's: their process variable has
    the pipeline's prefix, not the task's. `path` texts are file names: a configuration file's folder is their starting
    point. A `command` is something to do rather than a setting: it is true in the `do_configure` that it causes, and
    nowhere else. `at_once` ones concern only what is shown: they are live, and are used as soon as they are written,
    also without a run. A text has at most `longest` bytes, a list of texts as JSON.

    With `per="channel"` there is a value for each channel of each module, as many as the task's `fixed` parameters
    `modules` and `channels` say; `times` names a third one if a channel has several, which `pv` numbers from 1 in the
    place of `{}`. The value is a list `[module][channel]`, or `[module][channel][number]`, and the default a list of
    one place: `[[0]]`, `[[[0]]]`.

    A whole number may have names for some of its values, `named`, which are accepted in their place; it takes true and
    false as 1 and 0 then.

    `at_least` names a parameter of the same task that the value must not be below, in the same place; `below` names one
    that it must be below. The value `unset` means that there is none, and is always accepted.
    """

    name = ""

    def __init__(
        self,
        default: T,
        *,
        doc: str,
        unit: str = "",
        low: float | None = None,
        high: float | None = None,
        choices: tuple[str, ...] = (),
        precision: int = 3,
        live: bool = False,
        fixed: bool = False,
        shared: bool = False,
        path: bool = False,
        command: bool = False,
        items: type[str] | type[float] = str,
        longest: int = LONGEST_TEXT,
        at_once: bool = False,
        per: Per = "task",
        times: str = "",
        at_least: str = "",
        below: str = "",
        unset: float | None = None,
        named: Mapping[str, int] | None = None,
        pv: str = "",
    ) -> None:
        self.doc = doc
        self.unit = unit
        self.choices = choices
        self.named = dict(named or {})
        self.precision = precision
        self.longest = longest
        self.at_once = at_once
        self.per: Per = per
        self.times = times
        self.at_least = at_least
        self.below = below
        self.unset = unset
        self.live = live or at_once
        self.fixed = fixed
        self.shared = shared
        self.path = path
        self.command = command
        self.pv = pv
        #: The default of one place.
        self.default_of_one: Any = places.at(default, (0,) * (2 + bool(times))) if per == "channel" else default
        self.kind: Kind = _kind(self.default_of_one, choices, items)
        if per == "channel" and self.kind in ("strings", "numbers"):
            raise TypeError("a parameter per channel has one value a place, not a list")
        whole = self.kind == "int"
        self.low = low if low is not None else LONG_LOW if whole else -math.inf
        self.high = high if high is not None else LONG_HIGH if whole else math.inf
        self.default_of_one = self.check(self.default_of_one)
        self.default = default if per == "channel" else cast(T, self.default_of_one)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.pv = self.pv or pv_name(name)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        return cast("Mapping[str, T]", instance.__dict__["parameter_values"])[self.name]

    def __set__(self, instance: object, value: T) -> None:
        raise AttributeError(f"{type(instance).__name__}.{self.name} is a parameter: set it with configure()")

    @property
    def allowed(self) -> str:
        """The values that are accepted, as a phrase: "a whole number from 1 to 16"."""
        unit = f" ({self.unit})" if self.unit else ""
        match self.kind:
            case "bool":
                return "true or false"
            case "enum":
                return "one of " + ", ".join(self.choices)
            case "str":
                return f"a text of at most {self.longest} bytes"
            case "strings":
                return f"a list of texts, together at most {self.longest} bytes"
            case "numbers":
                return f"a list of numbers{self._range()}{unit}"
            case "int":
                return f"a whole number{self._range()}{unit}{self._relation()}{self._names()}"
            case "float":
                return f"a number{self._range()}{unit}{self._relation()}"

    def _relation(self) -> str:
        at_least = f", at least {self.at_least}" if self.at_least else ""
        below = f", below {self.below}" if self.below else ""
        unset = f", or {self.unset:g} for none" if self.unset is not None and self.at_least + self.below else ""
        return at_least + below + unset

    def _names(self) -> str:
        return "".join(f", or {name} for {value}" for name, value in self.named.items())

    def _range(self) -> str:
        low, high = (f"{x:.16g}" for x in (self.low, self.high))
        if math.isfinite(self.low) and math.isfinite(self.high):
            return f" from {low} to {high}"
        return (
            f" of at least {low}" if math.isfinite(self.low) else f" of at most {high}" if self.high < math.inf else ""
        )

    def default_for(self, others: Mapping[str, Value]) -> Value:
        """The default, for as many channels as the task has with the values `others`."""
        if self.per == "task":
            return cast(Value, self.default)
        shape = self.shape(others)
        return [[places.fill(self.default_of_one, shape) for _ in range(shape[1])] for _ in range(shape[0])]

    def shape(self, others: Mapping[str, Value]) -> Shape:
        """Modules, channels, and how many there are of a channel (0: one), with the task's values `others`."""
        return _shape(others, self.times)

    def check(self, value: object) -> Value:
        """`value` as it will be stored; ValueError with the allowed range if it is not acceptable.

        It is that of one place, if there is one a channel. A whole float is taken for an int and an int
        for a float, but nothing is rounded, wrapped or clipped; a text is never taken for a number. For lists their
        JSON text is taken too, the form that they have on Channel Access.
        """
        accepted = self._convert(value)
        if accepted is None:
            raise ValueError(f"must be {self.allowed}")
        return accepted

    def _convert(self, value: object) -> Value | None:
        if isinstance(value, np.generic):
            value = cast("object", value.item())
        if self.named and isinstance(value, bool | str):
            value = int(value) if isinstance(value, bool) else self.named.get(value, value)
        match self.kind:
            case "bool":
                return value if isinstance(value, bool) else bool(value) if value in (0, 1) else None
            case "enum":
                return value if isinstance(value, str) and value in self.choices else None
            case "str":
                return value if isinstance(value, str) and _fits(value, self.longest) and "\0" not in value else None
            case "int" | "float":
                return self._number(value)
            case "strings":
                texts = _from_json(value)
                if texts is None or not all(isinstance(t, str) and "\0" not in t for t in texts):
                    return None
                return texts if _fits(json.dumps(texts), self.longest) else None
            case "numbers":
                given = _from_json(value)
                numbers = [float(n) for item in given or () if (n := self._number(item)) is not None]
                return (
                    numbers if given is not None and len(numbers) == len(given) and _fits(json.dumps(given)) else None
                )

    def _number(self, value: object) -> float | int | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        if not self.low <= value <= self.high:
            return None
        if self.kind == "int":
            return int(value) if value == int(value) else None
        return float(value)


class Report(Generic[T]):
    """A value that a task tells about itself; assigning it on an instance puts it into the task's next report.

    The type is that of the initial value: bool, int, float, str, a numpy array, or, with `choices`, one of those texts.
    Alarm limits are those of EPICS: the value is MAJOR from `alarm_hihi` up and from `alarm_lolo` down, MINOR from
    `alarm_high` up and from `alarm_low` down, with `hysteresis` on the way back; `severities` are those of a bool's two
    states or of the choices. An int may count up to 2^53; a `small` one fits 32 bits. With `per="channel"` the value is
    an array whose first two axes are modules and channels, as many as the task's `fixed` parameters `modules` and
    `channels` say; `length` names the parameter that is the length of a third axis, an array for each channel (filled
    up with NaN), or `times` one that says how many values a channel has, which `pv` numbers from 1 in the place of
    `{}`.
    """

    name = ""

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
        per: Per = "task",
        length: str = "",
        times: str = "",
        shared: bool = False,
        pv: str = "",
        guidance: str = "",
        **unknown: Never,
    ) -> None:
        if unknown:
            raise TypeError(_unknown_arguments("Report", unknown, renamed=ALARM_LIMITS))
        self.initial = initial
        self.doc = doc
        self.unit = unit
        self.precision = precision
        self.limits = (alarm_lolo, alarm_low, alarm_high, alarm_hihi)
        self.hysteresis = hysteresis
        self.choices = choices
        self.severities = severities
        self.small = small
        self.per: Per = per
        self.length = length
        self.times = times
        self.shared = shared
        self.pv = pv
        self.guidance = guidance

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.pv = self.pv or pv_name(name)

    def shape(self, others: Mapping[str, Value]) -> Shape:
        """Modules, channels, and single values a channel (0: one), with the task's values `others`."""
        return _shape(others, self.times)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        return instance.__dict__["report_values"].get(self.name, self.initial)

    def __set__(self, instance: object, value: T) -> None:
        values: dict[str, Any] = instance.__dict__["report_values"]
        if isinstance(value, np.ndarray) or values.get(self.name, self.initial) != value:
            values[self.name] = value
            instance.__dict__["report_changed"].add(self.name)


def _unknown_arguments(of: str, unknown: Mapping[str, object], renamed: Mapping[str, str]) -> str:
    """What is wrong with arguments that a declaration does not have, with those that may have been meant."""
    known = [name for name in inspect.signature(globals()[of]).parameters if name not in ("default", "unknown")]

    def instead(name: str) -> str:
        close = difflib.get_close_matches(name, known, n=1)
        meant = renamed.get(name) or (close[0] if close else "")
        return f"; did you mean {meant}?" if meant else f"; its arguments are {', '.join(known)}"

    return "; ".join(f"{of} has no argument {name}{instead(name)}" for name in unknown)


def pv_name(name: str) -> str:
    """The process variable's part of a declared name: `block_size` is `BlockSize`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def parameters_of(cls: type) -> dict[str, Parameter[Any]]:
    """The parameters that a class declares, by name; inherited ones first, in the order of their declaration."""
    return _declared(cls, Parameter)


def reports_of(cls: type) -> dict[str, Report[Any]]:
    """The reports that a class declares, by name; inherited ones first, in the order of their declaration."""
    return _declared(cls, Report)


def settings_of(cls: type, values: Mapping[str, Value]) -> dict[str, Value]:
    """Those of `values` that are settings: commands are not."""
    parameters = parameters_of(cls)
    return {name: value for name, value in values.items() if not parameters[name].command}


def _declared(cls: type, of: type[T]) -> dict[str, T]:
    found: dict[str, T] = {}
    for owner in reversed(cls.__mro__):
        for name, attribute in vars(owner).items():
            if isinstance(attribute, of):
                found.pop(name, None)
                found[name] = attribute
    return found


def _shape(values: Mapping[str, Value], times: str) -> Shape:
    modules, channels, numbers = (int(cast("int", values[name])) if name else 0 for name in (MODULES, CHANNELS, times))
    return modules, channels, numbers


def _kind(default: object, choices: tuple[str, ...], items: type[str] | type[float]) -> Kind:
    match default:
        case str() if choices:
            return "enum"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case str():
            return "str"
        case list():
            return "strings" if items is str else "numbers"
        case _:
            raise TypeError(
                f"a parameter's default must be bool, int, float, str or a list, not {type(default).__name__}"
            )


def _from_json(value: object) -> list[Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if isinstance(value, tuple):
        return list(cast("tuple[Any, ...]", value))
    return cast("list[Any]", value) if isinstance(value, list) else None


def _fits(text: str, longest: int = LONGEST_TEXT) -> bool:
    return len(text.encode(errors="surrogatepass")) <= longest
