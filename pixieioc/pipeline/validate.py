"""From a configuration to the accepted values of each task's parameters, all of them or none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from pixieioc.pipeline import channel_values
from pixieioc.pipeline.declaration import shorten
from pixieioc.pipeline.declare import CHANNELS, MODULES, Parameter, Value, parameters_of
from pixieioc.pipeline.error import Refused
from pixieioc.pipeline.findings import Finding, merged
from pixieioc.pipeline.fitting import misfits, where

#: Names that an error lists at most.
_NAMES_SHOWN = 10
#: At most this many names are said to have been meant; this many letters of one are enough.
_MEANT_SHOWN, _PART_OF_A_NAME = 3, 3

Values = dict[str, dict[str, Value]]


def validate(
    config: Mapping[str, Any],
    tasks: Mapping[str, type],
    *,
    commands: bool = True,
    fixed: bool = True,
    known: Mapping[str, Mapping[str, Value]] | None = None,
) -> Values:
    """The accepted values of `config` for each task, by task and parameter name.

    A key of `config` is a parameter's name, for every task that declares it, or a task's name with a dict for that task
    alone. Without `commands` only settings are accepted, without `fixed` no new value of what is declared so.

    `known` are the values that the tasks have already (those of a task that is not in it are its defaults), from which
    the number of channels follows and with which new values must agree. Raises Refused that names every unknown key and
    every bad value with its allowed range.
    """
    parameters = {task: parameters_of(cls) for task, cls in tasks.items()}
    problems = _Problems()
    given = _by_task(config, parameters, problems)
    accepted: Values = {}
    for task, values in given.items():
        of_task = _Resolving(task, parameters[task], (known or {}).get(task, {}), problems)
        accepted[task] = of_task.accept(values, commands=commands, fixed=fixed)
    if found := problems.in_order():
        texts = tuple(text for _, text in found)
        raise Refused("; ".join(texts), problems=texts, about=tuple((one.task, one.name) for one, _ in found))
    return accepted


def defaults_for(cls: type, values: Mapping[str, Value]) -> dict[str, Value]:
    """A value for every parameter of `cls`: that in `values`, or the default."""
    parameters = parameters_of(cls)
    found = {name: values.get(name, p.default_for({})) for name, p in parameters.items() if p.per == "task"}
    return {name: values[name] if name in values else p.default_for(found) for name, p in parameters.items()}


class _Problems:
    """What is wrong, in the order in which the values were given."""

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self._order: dict[tuple[str, str], int] = {}

    def add(self, text: str, task: str, name: str = "") -> None:
        """What is wrong with a parameter, to be put behind its name; or with a key that is no task's parameter."""
        self.see(task, name)
        self.found.append(Finding(task, name, text))

    def see(self, task: str, name: str = "") -> None:
        """Notes the place of what was given."""
        self._order.setdefault((task, name), len(self._order))

    def in_order(self) -> list[tuple[Finding, str]]:
        """All problems, with their sentences."""
        return merged(sorted(self.found, key=lambda found: self._order[found.task, found.name]))


def _by_task(
    config: Mapping[str, Any], parameters: Mapping[str, Mapping[str, Parameter[Any]]], problems: _Problems
) -> dict[str, dict[str, Any]]:
    """What was given for each task's parameters; keys that are nobody's are problems."""
    given: dict[str, dict[str, Any]] = {}
    for key, value in config.items():
        having = [task for task, known in parameters.items() if key in known]
        if key in parameters:
            if not isinstance(value, Mapping):
                problems.add(f" = {shorten(value)}: must be a table of this task's parameters", key)
                continue
            for name, own in cast("Mapping[str, Any]", value).items():
                problems.see(key, name)
                if name in parameters[key]:
                    given.setdefault(key, {})[name] = own
                else:
                    problems.add(f": {key} has no such parameter{like(name, parameters[key])}", key, name)
        elif having:
            for task in having:
                problems.see(task, key)
                given.setdefault(task, {})[key] = value
        else:
            known = [*parameters, *(name for of_task in parameters.values() for name in of_task)]
            problems.add(f": no task has this name and no task has such a parameter{like(key, known)}", key)
    return given


class _Resolving:
    """One task's values on their way to being accepted."""

    def __init__(
        self, task: str, parameters: Mapping[str, Parameter[Any]], known: Mapping[str, Value], problems: _Problems
    ) -> None:
        self._task = task
        self._parameters = parameters
        self._problems = problems
        self._values: dict[str, Value] = {
            name: known.get(name, p.default_for({})) for name, p in parameters.items() if p.per == "task"
        }
        self._known = known

    def accept(self, given: Mapping[str, Any], *, commands: bool, fixed: bool) -> dict[str, Value]:
        """Those of `given` that are acceptable; what is not becomes a problem."""
        accepted: dict[str, Value] = {}
        # Those of channels last: how many there are is among the others.
        for name in sorted(given, key=lambda name: self._parameters[name].per != "task"):
            parameter = self._parameters[name]
            if parameter.command and not commands:
                self._refuse(name, "", "is a command, not a setting")
                continue
            try:
                accepted[name] = self._accept(parameter, given[name])
            except ValueError as error:
                self._refuse(name, f" = {shorten(given[name])}", str(error))
                continue
            if parameter.fixed and not fixed and accepted[name] != self._values[name]:
                self._refuse(name, f" = {shorten(given[name])}", "can only be set in the configuration file")
                continue
            self._values[name] = accepted[name]
        self._check_sizes(given)
        if not self._problems.found:
            self._compare()
        return {name: accepted[name] for name in given if name in accepted}

    def _check_sizes(self, given: Mapping[str, Any]) -> None:
        """How many channels there are does not change once there are values of them."""
        before = {**self._values, **self._known}
        of_channels = [p for name, p in self._parameters.items() if p.per != "task" and name in self._known]
        if all(p.shape(self._values) == p.shape(before) for p in of_channels):
            return
        for name in given:
            if self._parameters[name].fixed and self._values.get(name) != before.get(name):
                self._refuse(name, f" = {shorten(given[name])}", "can only be set when the task is made")

    def _accept(self, parameter: Parameter[Any], given: object) -> Value:
        if parameter.per == "task":
            return parameter.check(given)
        shape = parameter.shape(self._values)
        known = self._known.get(parameter.name)
        value = channel_values.spread(given, shape, parameter.default_of_one, (MODULES, CHANNELS), known)

        def check(one: object, place: tuple[int, ...]) -> Value | None:
            try:
                return parameter.check(one)
            except ValueError as error:
                self._refuse(parameter.name, f" of {where(parameter, place)} = {shorten(one)}", str(error))
                return None

        return channel_values.each(value, shape, check)

    def _compare(self) -> None:
        """Each value with those that it must agree with."""
        values = {**self._known, **self._values}
        for name, text in misfits(self._parameters, values):
            self._problems.add(text, self._task, name)

    def _refuse(self, name: str, what: str, why: str) -> None:
        self._problems.add(f"{what}: {why}", self._task, name)


def like(name: str, known: Iterable[str]) -> str:
    """The known name that may have been meant, or those that there are, as the end of a sentence."""
    names = list(dict.fromkeys(known))
    if close := meant(name, names):
        return f"; did you mean {' or '.join(close)}?"
    return f"; known: {', '.join(names[:_NAMES_SHOWN]) or 'none'}{', ...' if len(names) > _NAMES_SHOWN else ''}"


def meant(name: str, names: Sequence[str]) -> list[str]:
    """Which of these names may have been meant, a few at most."""
    close: list[str] = []
    if len(name) >= _PART_OF_A_NAME:
        close = [each for each in names if each.lower().startswith(name.lower())]
        close = close or [each for each in names if name.lower() in each.lower()]
    if not 0 < len(close) <= _MEANT_SHOWN:
        close = difflib.get_close_matches(name, names, n=1)
    return close if len(close) <= _MEANT_SHOWN else []
