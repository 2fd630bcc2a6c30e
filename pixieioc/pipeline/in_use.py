"""What a task uses: values of parameters that it answers with or announces, checked, as they travel, and taken over.

In memory they are by parameter: a value, or, for a parameter per channel or module, either all values in lists or a
mapping of places to values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import numpy as np

from pixieioc.pipeline import channel_values
from pixieioc.pipeline.channel_values import OTHERS, Place, Shape
from pixieioc.pipeline.declaration import CHANNELS, MODULES, shorten
from pixieioc.pipeline.declare import Parameter, Value
from pixieioc.pipeline.error import Error
from pixieioc.pipeline.fitting import Spot, where
from pixieioc.pipeline.validate import like

#: Values by parameter, see above.
InUse = dict[str, Any]
#: The lowest and the highest value that a parameter may have, by parameter and place; the empty place is all of them.
Limits = dict[str, dict[Place, tuple[float, float]]]
_NUMBERS: dict[str, str] = {"int": "iu", "float": "iuf", "bool": "b"}
#: Up to here whole numbers are exact as floats.
_EXACT = 2**53


class BadSetting(Error):
    """A task says that it uses what its parameters cannot be: a fault of that task."""


def checked(task: str, parameters: Mapping[str, Parameter[Any]], settings: Mapping[str, Value], given: object) -> InUse:
    """Values in use as they are kept; BadSetting that names task, parameter and value if one of them cannot be.

    Those of a parameter per channel or module are all of them, in lists or a numpy array, or a mapping whose keys are
    places, `(0, 3)` or "M00:C03". `settings` are the task's values, from which the number of channels follows.
    """
    if not isinstance(given, Mapping):
        raise BadSetting(f"{task}: values in use map parameters to values, this is {shorten(given)}", task=task)
    found: InUse = {}
    for name, value in cast("Mapping[Any, object]", given).items():
        parameter = _known(task, parameters, name)
        try:
            found[name] = parameter.check(value) if parameter.per == "task" else _placed(parameter, settings, value)
        except ValueError as error:
            text = str(error)
            about = text if text.startswith(" of ") else f" = {shorten(value)}: {text}"
            raise BadSetting(f"{task}.{name}{about}", task=task) from None
    return found


def checked_limits(
    task: str, parameters: Mapping[str, Parameter[Any]], settings: Mapping[str, Value], given: object
) -> Limits:
    """Limits as they are kept; BadSetting if they are not within those that are declared, or of no number.

    For each parameter: a pair of numbers, for all places, or a mapping of places to pairs. A module's are those of all
    its channels.
    """
    if not isinstance(given, Mapping):
        raise BadSetting(f"{task}: limits map parameters to pairs, this is {shorten(given)}", task=task)
    found: Limits = {}
    for name, of_name in cast("Mapping[Any, object]", given).items():
        parameter = _known(task, parameters, name)
        by_place = cast("Mapping[Any, Any]", of_name) if isinstance(of_name, Mapping) else {(): of_name}
        limits = found[name] = {}
        for key, pair in by_place.items():
            try:
                place = () if key in ((), OTHERS) else _place(key, parameter, settings, exact=False)
                limits[place] = _pair(parameter, pair)
            except ValueError as error:
                raise BadSetting(f"{task}.{name}: limits {shorten(pair)}: {error}", task=task) from None
    return found


def _known(task: str, parameters: Mapping[str, Parameter[Any]], name: object) -> Parameter[Any]:
    parameter = parameters.get(name) if isinstance(name, str) else None
    if parameter is None:
        close = like(name, parameters) if isinstance(name, str) else ""
        raise BadSetting(f"{task} uses {shorten(name)}: it has no such parameter{close}", task=task)
    if parameter.fixed or parameter.command:
        what = "is a command" if parameter.command else "can only be set in the configuration file"
        raise BadSetting(f"{task}.{name}: {what}, so it cannot come into use otherwise", task=task)
    return parameter


def _pair(parameter: Parameter[Any], pair: object) -> tuple[float, float]:
    if parameter.kind not in ("int", "float"):
        raise ValueError("its values are no numbers")
    if not isinstance(pair, list | tuple) or len(cast("list[Any]", pair)) != 2:
        raise ValueError("must be the lowest and the highest value")
    low, high = (cast("float", parameter.check(limit)) for limit in cast("list[Any]", pair))
    if low > high:
        raise ValueError("the lowest value is above the highest")
    return low, high


def _placed(parameter: Parameter[Any], settings: Mapping[str, Value], value: object) -> Any:
    shape = parameter.shape(settings)
    if isinstance(value, Mapping):
        table = cast("Mapping[Any, object]", value)
        places = {_place(key, parameter, settings, exact=True): one for key, one in table.items()}
        return {place: _one(parameter, one, place) for place, one in places.items()}
    numbers = _numbers(parameter, shape, value)
    if numbers is not None:
        return numbers
    values: Any = cast("np.ndarray[Any, Any]", value).tolist() if isinstance(value, np.ndarray) else value
    if not _has_shape(values, _sizes(shape)):
        raise ValueError(
            f"must be a mapping of places to values, or lists of {' x '.join(map(str, _sizes(shape)))} values "
            f"({', '.join((MODULES, CHANNELS, parameter.times)[: channel_values.depth(shape)])})"
        )
    return channel_values.each(values, shape, lambda one, place: _one(parameter, one, place))


def _one(parameter: Parameter[Any], value: object, place: Place) -> Value:
    number = _of_device(parameter, value)
    if number is not None:
        return number
    try:
        return parameter.check(value)
    except ValueError as error:
        raise ValueError(f" of {where(parameter, place)} = {shorten(value)}: {error}") from None


def _of_device(parameter: Parameter[Any], value: object) -> Value | None:
    """A number that a device has, whether it could be written or not: what it has, it has."""
    number = cast("object", value.item()) if isinstance(value, np.generic) else value
    if not parameter.device or isinstance(number, bool) or not isinstance(number, int | float):
        return None
    if parameter.kind not in ("int", "float") or not abs(number) <= _EXACT:
        return None
    return float(number) if parameter.kind == "float" else int(number) if number == int(number) else None


def _numbers(parameter: Parameter[Any], shape: Shape, value: object) -> list[Any] | None:
    """All values at once, if they are numbers that are certainly right; otherwise they are checked one by one."""
    kinds = _NUMBERS.get(parameter.kind)
    if kinds is None or parameter.rule is not None:
        return None
    try:
        array = np.asarray(cast("Any", value))
    except ValueError:  # lists of different lengths
        return None
    if array.dtype.kind not in kinds or array.shape != _sizes(shape):
        return None
    low, high = (-_EXACT, _EXACT) if parameter.device else (parameter.low, parameter.high)
    if parameter.kind != "bool" and not bool(np.all((array >= low) & (array <= high) | (array == parameter.unset))):
        return None
    return cast("list[Any]", (array.astype(np.float64) if parameter.kind == "float" else array).tolist())


def _sizes(shape: Shape) -> tuple[int, ...]:
    return shape[: channel_values.depth(shape)]


def _has_shape(values: object, sizes: tuple[int, ...]) -> bool:
    if not sizes:
        return not isinstance(values, list | tuple)
    if not isinstance(values, list | tuple) or len(cast("list[Any]", values)) != sizes[0]:
        return False
    return all(_has_shape(value, sizes[1:]) for value in cast("list[Any]", values))


def _place(key: object, parameter: Parameter[Any], settings: Mapping[str, Value], *, exact: bool) -> Place:
    """The place that a key names; ValueError if there is none such. Unless `exact`, a module is a place of channels."""
    if parameter.per == "task":
        raise ValueError(f"{shorten(key)}: it has one value for all")
    place = channel_values.place_of(key) if isinstance(key, str) else key
    sizes = _sizes(parameter.shape(settings))
    if not isinstance(place, tuple) or not (len(place) == len(sizes) if exact else 0 < len(place) <= len(sizes)):
        raise ValueError(f"{shorten(key)}: is no place of it")
    place = cast("tuple[Any, ...]", place)
    if not all(isinstance(i, int) and 0 <= i < size for i, size in zip(place, sizes, strict=False)):
        raise ValueError(f"{shorten(key)}: there is no such place ({MODULES}, {CHANNELS})")
    return place


# -- as they travel ---------------------------------------------------------------------------------------------------


def packed(parameters: Mapping[str, Parameter[Any]], values: InUse) -> dict[str, Any]:
    """Values as a message carries them: numbers of all channels as an array, places by their names."""
    return {name: value if parameters[name].per == "task" else _packed(value) for name, value in values.items()}


def _packed(value: Any) -> Any:
    if isinstance(value, dict):
        table = cast("dict[Place, Any]", value)
        return {channel_values.place_name(place): one for place, one in table.items()}
    array = np.asarray(cast("list[Any]", value))
    return array if array.dtype.kind in "bif" else value


def packed_limits(limits: Limits) -> dict[str, Any]:
    """Limits as a message carries them."""
    return {
        name: {channel_values.place_name(place) if place else OTHERS: list(pair) for place, pair in of_name.items()}
        for name, of_name in limits.items()
    }


# -- taken over -------------------------------------------------------------------------------------------------------


def spots(parameters: Mapping[str, Parameter[Any]], values: InUse) -> Iterator[tuple[Spot, Any]]:
    """Each value with its parameter and place."""
    for name, value in values.items():
        if parameters[name].per == "task":
            yield (name, ()), value
        else:
            yield from (((name, place), one) for place, one in _places(value))


def _places(value: Any, begin: Place = ()) -> Iterable[tuple[Place, Any]]:
    if isinstance(value, dict):
        yield from cast("dict[Place, Any]", value).items()
    elif isinstance(value, list):
        for i, one in enumerate(cast("list[Any]", value)):
            yield from _places(one, (*begin, i))
    else:
        yield begin, value


def value_at(values: InUse, spot: Spot, default: Any) -> Any:
    """The value of a parameter's place; `default` if nothing is known of it."""
    name, place = spot
    if name not in values:
        return default
    if isinstance(values[name], dict):
        return values[name].get(place, default)
    return channel_values.at(values[name], place)


def keep_in_use(kept: dict[str, Value], values: InUse) -> None:
    """Takes values over among those of all parameters."""
    for name, value in values.items():
        if isinstance(value, dict):
            for place, one in cast("dict[Place, Any]", value).items():
                channel_values.put_at(kept[name], place, one)
        else:
            kept[name] = copied(value)


def copied(value: Any) -> Any:
    """A value with lists of its own."""
    return [copied(one) for one in cast("list[Any]", value)] if isinstance(value, list) else value


def changes_between(
    parameters: Mapping[str, Parameter[Any]], before: Mapping[str, Any], after: Mapping[str, Any]
) -> InUse:
    """Those of the values `after` that are not as `before`, and commands given; of channels and modules by place."""
    found: InUse = {}
    for name, value in after.items():
        if parameters[name].command:
            if value:
                found[name] = value
        elif parameters[name].per == "task":
            if value != before[name]:
                found[name] = value
        elif changed := {place: one for place, one in _places(value) if one != channel_values.at(before[name], place)}:
            found[name] = changed
    return found


def completed(changes: InUse, answered: InUse) -> InUse:
    """What a task was asked for, with what it has answered: it uses what it was asked for unless it says otherwise."""
    found = dict(answered)
    for name, value in changes.items():
        if name not in found:
            found[name] = value
        elif isinstance(found[name], dict):
            found[name] = {**value, **found[name]}
    return found
