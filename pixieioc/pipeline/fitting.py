"""How values must fit each other: a region's last bin is not below its first, and in the spectrum.

Whether a value is possible by itself is `Parameter.check`'s to say; here each of them is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pixieioc.pipeline import channel_values
from pixieioc.pipeline.channel_values import Place
from pixieioc.pipeline.declare import Parameter, Value

#: A parameter and one of its places.
Spot = tuple[str, Place]
#: The value at a spot.
ValueAt = Callable[[str, Place], Any]


def misfits(parameters: Mapping[str, Parameter[Any]], values: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    """What does not fit among all values: the parameter, and what is wrong with it, to be put behind its name."""

    def value_at(name: str, place: Place) -> Any:
        known = values.get(name)
        return parameters[name].default_of_one if known is None else channel_values.at(known, place)

    for parameter in parameters.values():
        if parameter.partners:
            for place in places_of(parameter, values):
                yield from misfits_at(parameters, parameter, place, value_at)


def places_of(parameter: Parameter[Any], values: Mapping[str, Value]) -> Iterable[Place]:
    """All places of a parameter: the empty one if it has one value for all."""
    return channel_values.places(parameter.shape(values)) if parameter.per != "task" else ((),)


def misfits_at(
    parameters: Mapping[str, Parameter[Any]],
    parameter: Parameter[Any],
    place: Place,
    value_at: ValueAt,
    *,
    only_fixed: bool = False,
) -> Iterator[tuple[str, str]]:
    """What is wrong with the value of a parameter at one place, beside those that it is declared to go with.

    With `only_fixed` those are the ones that do not change: what does not fit them is impossible.
    """
    mine = value_at(parameter.name, place)
    if mine == parameter.unset:
        return
    spot = f" of {where(parameter, place)}" if place else ""
    at_least, below, goes_with = (
        "" if name and only_fixed and not parameters[name].fixed else name
        for name in (parameter.at_least, parameter.below, parameter.goes_with)
    )
    if at_least and mine < (least := value_at(at_least, _of(parameters[at_least], place))):
        yield parameter.name, f"{spot} = {mine}: is below {at_least}{spot} = {least}"
    if below and mine >= (above := value_at(below, _of(parameters[below], place))):
        yield parameter.name, f"{spot} = {mine}: must be below {below}, which is {above}"
    if goes_with and parameter.fits is not None:
        try:
            parameter.fits(mine, value_at(goes_with, _of(parameters[goes_with], place)))
        except ValueError as error:
            yield parameter.name, f"{spot} = {mine}: {error}"


def partners(parameters: Mapping[str, Parameter[Any]], values: Mapping[str, Value], spot: Spot) -> Iterator[Spot]:
    """The spots whose values a value is declared to go with: those of the same channel, and those for all channels."""
    name, place = spot
    for parameter in parameters.values():
        for other in parameter.partners:
            if parameter.name == name:
                yield other, _of(parameters[other], place)
            elif other == name:
                whole = len(place) == {"task": 0, "module": 1}.get(parameter.per, 2 + bool(parameter.times))
                for there in [place] if whole else places_of(parameter, values):
                    if there[: len(place)] == place:
                        yield parameter.name, there


def where(parameter: Parameter[Any], place: Place) -> str:
    """A place as process variables name it: `M00`, `M00:C03`, or `M00:C03:ROI2`."""
    name, number = channel_values.place_name(place[:2]), place[2:]
    return f"{name}:{channel_values.numbered(parameter.pv, number[0]).rpartition(':')[0]}" if number else name


def _of(parameter: Parameter[Any], place: Place) -> Place:
    """The place of a parameter that belongs to a place of another one: its channel's module, if it is per module."""
    return {"task": (), "module": place[:1]}.get(parameter.per, place)
