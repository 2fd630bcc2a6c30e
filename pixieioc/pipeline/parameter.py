"""Parameters: what a task can be configured with, and which values are accepted."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Generic, Never, Self, TypeVar, cast, overload

import numpy as np

from pixieioc.pipeline import channel_values
from pixieioc.pipeline.declaration import (
    LONG_HIGH,
    LONG_LOW,
    LONGEST_TEXT,
    Declaration,
    Per,
    Value,
    fits,
    unknown_arguments,
)
from pixieioc.pipeline.error import Error
from pixieioc.pipeline.file_names import why_no_name
from pixieioc.pipeline.parameter_values import Kind, copied, kind_of, list_of, one_of
from pixieioc.presentation import Access, SharedSection

T = TypeVar("T")


class Parameter(Declaration, Generic[T]):
    """A value that a task can be configured with; reads as its accepted value on an instance.

    The type is that of the default: bool, int, float, str, a list of `items`, or, with `choices`, one of those texts.

    With `per="channel"` there is a value for each channel of each module, as many as the task's `fixed` parameters
    `modules` and `channels` say. The value is a list `[module][channel]` (with `times`, `[module][channel][number]`),
    and the default a list with one value: `[[0]]` (`[[[0]]]`). With `per="module"` there is one for each module, a list
    `[module]` with a default such as `[0]`.
    """

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
        section: SharedSection = "run",
        access: Access = "",
        path: bool = False,
        must_exist: bool = False,
        command: bool = False,
        new_process: bool = False,
        items: type[str] | type[float] = str,
        longest: int = LONGEST_TEXT,
        at_once: bool = False,
        per: Per = "task",
        times: str = "",
        at_least: str = "",
        below: str = "",
        goes_with: str = "",
        fits: Callable[[Any, Any], object] | None = None,
        unset: float | None = None,
        named: Mapping[str, int] | None = None,
        rule: Callable[[Any], object] | None = None,
        device: bool = False,
        pv: str = "",
        **unknown: Never,
    ) -> None:
        """Declares a parameter.

        Arguments:
            default: The value before anybody sets one; it says the type, too.
            doc: What the value means, one sentence for the operator.
            unit: Unit of the value.
            low: Lowest value that is accepted, of numbers.
            high: Highest value that is accepted, of numbers.
            choices: The texts that are accepted, 2 to 16 of at most 25 bytes; the default is one of them. Of a bool:
                the names of its two states, False first, by which it is accepted, too.
            precision: Digits after the point that are shown, of a float.
            live: Whether it may be changed during a run; other parameters are locked then.
            fixed: Whether it can be set in the configuration file only.
            shared: Whether it is the whole pipeline's: its process variable has the pipeline's prefix, not the task's.
            section: The section of the screens for what is shared.
            access: The group of those who may write it, OP, EX or EN; by default operators for commands and for what is
                `at_once`, otherwise experts.
            path: Whether the text (or each text of a list) is the name of a file; a relative one starts at the folder
                of the configuration file.
            must_exist: Whether `pixieioc check` says so if there is no such file, or none that a pattern (with * ? [])
                matches.
            command: Whether it is something to do rather than a setting: the default is False, and it is True in the
                `do_configure` that it causes, and nowhere else.
            new_process: Whether another value needs a new process of the task: it is replaced when the value is used.
            items: The type of the items of a list, str or float.
            longest: Longest text that is accepted, in bytes of UTF-8; of a list of texts, as JSON.
            at_once: Whether it concerns only what is shown: it is live, and is used as soon as it is written, also
                without a run.
            per: "channel" ("module") if there is a value for each channel (module), otherwise "task".
            times: With per="channel", the name of the fixed parameter that says how many values a channel has.
            at_least: The name of a parameter of this task that the value must not be below, in the same channel.
            below: The name of a parameter of this task that the value must be below.
            goes_with: The name of a parameter of this task that the value must fit, in the same channel.
            fits: A function of the value and of that of `goes_with`, which raises ValueError, with what is allowed, if
                they do not fit.
            unset: The value that means that there is none, or never; `low`, `high`, `at_least` and `below` do not apply
                to it. So a time of which 0 means never has `low`, the shortest that makes sense, and `unset=0`.
            named: Names of some values of a whole number, which are accepted in their place; true and false are
                accepted as 1 and 0 then.
            rule: A function of a value that is within its limits, which raises Error or ValueError, with what is wrong
                and what is allowed, if the value is impossible by itself all the same: a template with a wrong sign.
                How values must fit each other is `at_least`'s, `below`'s and do_check's to say.
            device: Whether the value is kept in a device, such as a module, and read back from there: it does not stand
                in the configuration file, and can be written only while the task runs.
            pv: The name of the process variable, without prefix and task; by default `block_size` becomes BlockSize.
                With `times`, {} stands for the number, which counts from 1.
        """
        if unknown:
            raise TypeError(unknown_arguments("Parameter", unknown, inspect.signature(Parameter).parameters))
        self.doc = doc
        self.unit = unit
        self.choices = choices
        self.named = dict(named or {})
        self.rule = rule
        self.device = device
        self.precision = precision
        self.longest = longest
        self.at_once = at_once
        self.per: Per = per
        self.times = times
        self.at_least = at_least
        self.below = below
        self.goes_with, self.fits = goes_with, fits
        self.unset = unset
        self.live = live or at_once
        self.fixed = fixed
        self.shared = shared
        self.section: SharedSection = section
        self.access: Access = access or ("OP" if command or at_once else "EX")
        self.path = path
        self.must_exist = must_exist
        self.command = command
        self.new_process = new_process
        self.pv = pv
        self.check_declaration()
        default = copied(default)
        #: The default of one channel's value.
        depth = {"task": 0, "module": 1}.get(per, 2 + bool(times))
        self.default_of_one: Any = one_of(default, depth) if depth else default
        self.kind: Kind = kind_of(self.default_of_one, choices, items)
        if depth and self.kind in ("strings", "numbers"):
            raise TypeError(f"a parameter per {per} has one value per {per}, not a list")
        whole = self.kind == "int"
        self.low = low if low is not None else LONG_LOW if whole else -math.inf
        self.high = high if high is not None else LONG_HIGH if whole else math.inf
        self._check_arguments()
        try:
            self.default_of_one = self.check(self.default_of_one)
        except ValueError as error:
            raise ValueError(f"default = {self.default_of_one!r}: {error}") from None
        self.default = default if depth else cast(T, self.default_of_one)

    def _check_arguments(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low = {self.low:g} is above high = {self.high:g}")
        if self.command and (self.default_of_one is not False or self.fixed):
            raise ValueError("a command has the default False and is not fixed")
        if self.new_process and (self.command or self.live):
            raise ValueError("a parameter that needs a new process is neither a command nor live")
        if self.path and self.kind not in ("str", "strings"):
            raise ValueError("a path is a text or a list of texts")
        if self.must_exist and not self.path:
            raise ValueError("must_exist goes with path=True")
        if self.kind == "bool" and len(self.choices) not in (0, 2):
            raise ValueError(f"choices: a bool has two states, not {len(self.choices)}")
        if self.times and self.per != "channel":
            raise ValueError("times goes with per='channel'")

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        value = cast("Mapping[str, T]", instance.__dict__["parameter_values"])[self.name]
        return copied(value) if isinstance(value, list) else value  # what a task does with its list changes no setting

    def __set__(self, instance: object, value: T) -> None:
        raise AttributeError(f"{type(instance).__name__}.{self.name} is a parameter: set it with configure()")

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest value that are accepted; between them and `low` or `high` there may be none."""
        return (self.low, self.high) if self.unset is None else (min(self.low, self.unset), max(self.high, self.unset))

    @property
    def partners(self) -> tuple[str, ...]:
        """The parameters that the value must fit."""
        return tuple(filter(None, (self.at_least, self.below, self.goes_with)))

    @property
    def allowed(self) -> str:
        """The values that are accepted, as a phrase: "a whole number from 1 to 16"."""
        unit = f" ({self.unit})" if self.unit else ""
        match self.kind:
            case "bool":
                return " or ".join(self.choices) or "true or false"
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
        apart = self.unset is not None and (at_least or below or not self.low <= self.unset <= self.high)
        return at_least + below + (f", or {self.unset:g} for none" if apart else "")

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
            return cast(Value, copied(self.default))
        shape = self.shape(others)
        if self.per == "module":
            return [self.default_of_one] * shape[0]
        return [[channel_values.fill(self.default_of_one, shape) for _ in range(shape[1])] for _ in range(shape[0])]

    def check(self, value: object, limits: tuple[float, float] | None = None) -> Value:
        """`value` as it will be stored; ValueError with the allowed range if it is not acceptable.

        `limits` are the lowest and the highest value that are accepted at present, if not all that are declared are.
        It is that of one place, if there is one a channel. A whole float is taken for an int and an int
        for a float, but nothing is rounded, wrapped or clipped; a text is never taken for a number. For lists their
        JSON text is taken too, the form that they have on Channel Access.
        """
        accepted = self._convert(value)
        if accepted is None:
            raise ValueError(f"must be {self.allowed}")
        if limits is not None and not limits[0] <= cast("float", accepted) <= limits[1]:
            unit = f" ({self.unit})" if self.unit else ""
            raise ValueError(f"must be from {limits[0]:.16g} to {limits[1]:.16g}{unit} at present")
        if self.path:
            for name in cast("list[str]", [accepted] if self.kind == "str" else accepted):
                if problem := why_no_name(name):
                    raise ValueError(problem)
        if self.rule is not None:
            try:
                self.rule(accepted)
            except Error as error:
                raise ValueError(str(error)) from None
        return accepted

    def _convert(self, value: object) -> Value | None:
        if isinstance(value, np.generic):
            value = cast("object", value.item())
        if self.named and isinstance(value, bool | str):
            value = int(value) if isinstance(value, bool) else self.named.get(value, value)
        match self.kind:
            case "bool":
                if isinstance(value, str) and value in self.choices:
                    value = self.choices.index(value)
                return value if isinstance(value, bool) else bool(value) if value in (0, 1) else None
            case "enum":
                return value if isinstance(value, str) and value in self.choices else None
            case "str":
                return value if isinstance(value, str) and fits(value, self.longest) and "\0" not in value else None
            case "int" | "float":
                return self._number(value)
            case "strings":
                texts = list_of(value)
                if texts is None or not all(isinstance(t, str) and "\0" not in t for t in texts):
                    return None
                return texts if fits(json.dumps(texts), self.longest) else None
            case "numbers":
                given = list_of(value)
                numbers = [float(n) for item in given or () if (n := self._number(item)) is not None]
                return numbers if given is not None and len(numbers) == len(given) and fits(json.dumps(given)) else None

    def _number(self, value: object) -> float | int | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        if value != self.unset and not self.low <= value <= self.high:
            return None
        if self.kind == "int":
            return int(value) if value == int(value) else None
        return float(value)
