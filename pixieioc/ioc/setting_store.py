"""The values of all parameters, by task, name and place: those in use, those that are wanted, and what fits.

What is wanted is what is in use, except for what was written and waits or is under way (`dirty`). What was written and
became something else when it was taken over, as by a module that rounds it, is kept as `written`, for the setpoint.

Nothing here waits, sends or posts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from pixieioc.config_tasks import objections
from pixieioc.ioc.text import listed
from pixieioc.pipeline import Task, channel_values
from pixieioc.pipeline.callbacks import Callbacks
from pixieioc.pipeline.channel_values import Place
from pixieioc.pipeline.declare import Value, parameters_of
from pixieioc.pipeline.findings import Finding, named, sentences
from pixieioc.pipeline.fitting import misfits_at, partners, where
from pixieioc.pipeline.in_use import InUse, Limits, copied
from pixieioc.pipeline.validate import Values

#: A value: task, parameter, and the place if there is one value for each channel.
Key = tuple[str, str, Place]


class SettingStore:
    """`classes` declare the parameters; `values` are those that are used at the beginning."""

    def __init__(self, classes: Mapping[str, type], values: Mapping[str, Mapping[str, Value]]) -> None:
        self.classes = dict(classes)
        self.parameters = {name: parameters_of(cls) for name, cls in classes.items()}
        self.used: Values = _copied(values)
        self.wanted: Values = _copied(values)
        #: What is wanted and not used, in the order in which it was written.
        self.dirty: dict[Key, None] = {}
        #: What was written where something else came of it.
        self.written: dict[Key, Any] = {}
        #: The lowest and the highest value that may be written now, where a task has narrowed what is declared.
        self.limits: dict[Key, tuple[float, float]] = {}

    # -- values by key ------------------------------------------------------------------------------------------------

    def is_wanted(self, key: Key) -> Any:
        """The value that was written last."""
        return _get(self.wanted, key)

    def is_used(self, key: Key) -> Any:
        """The value that is used."""
        return _get(self.used, key)

    def setpoint(self, key: Key) -> Any:
        """The value as it was accepted: what waits or is in use, but as it was written."""
        return self.written[key] if key in self.written and key not in self.dirty else self.is_wanted(key)

    def is_setpoint(self, key: Key, value: Any) -> bool:
        """Whether a value is what was accepted already."""
        return value in (self.is_wanted(key), self.setpoint(key))

    def want(self, key: Key, value: Any) -> None:
        """Somebody has written a value that is possible by itself."""
        if key in self.written and self.written[key] == value:
            value = self.is_used(key)  # that is what came of it
        elif value == self.is_used(key):
            self.written.pop(key, None)
        _set(self.wanted, key, value)
        self._note(key)

    def give_up(self, key: Key) -> None:
        """What was written is not to be used after all: the setpoint is what it was."""
        _set(self.wanted, key, self.is_used(key))
        self._note(key)

    def use(self, key: Key, value: Any) -> None:
        """A value is used from now on."""
        _set(self.used, key, value)
        self.written.pop(key, None)
        self._note(key)

    def answer(self, key: Key, asked: Any, value: Any) -> None:
        """A task was asked for a value, and uses one, which need not be the same."""
        self.use(key, value)
        if value != asked and self.is_wanted(key) == asked:
            self.give_up(key)
            self.written[key] = asked

    def announce(self, task: str, values: InUse, held: Collection[Key]) -> list[Key]:
        """A task uses values that it was not asked for; returns the keys of those that are news.

        A setpoint goes with it, unless something was written there that is still to be used. What is `held` stays.
        """
        news: list[Key] = []
        special = {key for keys in (self.dirty, self.written, held) for key in keys if key[0] == task}
        used, wanted = self.used[task], self.wanted[task]
        for name, value in values.items():
            if self.parameters[task][name].per == "task":
                changes = [(used, wanted, name, value, ())] if used[name] != value else []
            else:
                changes = _differing(used[name], wanted[name], value, ())
            for used_there, wanted_there, index, new, place in changes:
                key = (task, name, place)
                if key in held:
                    continue
                if key not in self.dirty:
                    wanted_there[index] = new
                used_there[index] = new
                if key in special:
                    self.use(key, new)
                news.append(key)
        return news

    def limit(self, task: str, limits: Limits) -> list[Key]:
        """A task has said within which limits its parameters can be written from now on; returns the keys."""
        found: dict[Key, tuple[float, float]] = {}
        for name, of_name in limits.items():
            for place, pair in of_name.items():
                found |= {key: pair for key in self.keys(task, name) if key[2][: len(place)] == place}
        self.limits |= found
        return list(found)

    def check(self, key: Key, given: object) -> Value:
        """A value as it will be stored; ValueError with the allowed range if it is impossible by itself."""
        return self.parameters[key[0]][key[1]].check(given, self.limits.get(key))

    def locked(
        self, changed: Collection[Key], locked: Callable[[], str], absent: Callable[[Iterable[str]], str]
    ) -> str:
        """Why these cannot be changed now, or an empty text.

        `locked` says what locks all but what is live, `absent` which of some tasks with a device is not there.
        """
        of = {key: self.parameters[key[0]][key[1]] for key in changed}
        if fixed := [key for key, parameter in of.items() if parameter.fixed]:
            return f"{self._listed(fixed)}: can only be set in the configuration file"
        not_live = [key for key, parameter in of.items() if not parameter.live]
        if not_live and (why := locked()):
            return f"{self._listed(not_live)} cannot be changed now: {why}"
        return absent({key[0] for key, parameter in of.items() if parameter.device})

    def _note(self, key: Key) -> None:
        if self.is_wanted(key) == self.is_used(key):
            self.dirty.pop(key, None)
        else:
            self.dirty.setdefault(key)

    def keys(self, task: str, name: str) -> Iterator[Key]:
        """The keys of all places of a parameter."""
        parameter = self.parameters[task][name]
        if parameter.per != "task":
            for place in channel_values.places(parameter.shape(self.used[task])):
                yield task, name, place
        else:
            yield task, name, ()

    def sharing(self, key: Key) -> list[Key]:
        """This key, and those of other tasks that share the parameter: it is written once for all of them."""
        task, name, place = key
        if not self.parameters[task][name].shared:
            return [key]
        sizes = {
            other: known[name].shape(self.used[other]) if place else ()
            for other, known in self.parameters.items()
            if other != task and name in known and known[name].shared
        }
        there = (t for t, shape in sizes.items() if all(i < n for i, n in zip(place, shape, strict=False)))
        return [key, *((other, name, place) for other in there)]

    def named(self, key: Key) -> str:
        """A key in a sentence: `FillSpectra.roi_low of M00:C01:ROI2`; of what several tasks share, each is named."""
        sharing = {task for task, _, _ in self.sharing(key)}
        return f"{named((task for task in self.parameters if task in sharing), key[1])}{self._of_place(key)}"

    def named_in_task(self, key: Key) -> str:
        """The same without the task."""
        return f"{key[1]}{self._of_place(key)}"

    def _of_place(self, key: Key) -> str:
        task, name, place = key
        return f" of {where(self.parameters[task][name], place)}" if place else ""

    def _listed(self, keys: Iterable[Key]) -> str:
        return listed(list(dict.fromkeys(map(self.named, keys))))

    # -- what fits ----------------------------------------------------------------------------------------------------

    def fitting(self, held: Collection[Key] = (), first: Collection[Key] = ()) -> list[Key]:
        """Of what is dirty (but for what is `held`), all that can be used now: it fits what is used, and each other.

        If not all of it agrees, what is `first` comes first.
        """
        found: list[Key] = []
        for task in dict.fromkeys(key[0] for key in self.dirty):
            keys = [key for key in self.dirty if key[0] == task and key not in held]
            found += self._fitting(task, keys, first)
        return found

    def _fitting(self, task: str, keys: list[Key], first: Collection[Key]) -> list[Key]:
        groups = [group for group in self._groups(keys) if not any(self._misfits(group, set(group)))]
        together = [key for group in groups for key in group]
        if not together or self._agrees(task, together):
            return together
        urgent = [group for group in groups if not first or any(key in first for key in group)]
        taken = [key for group in urgent for key in group]
        if not self._agrees(task, taken):
            taken = []
        for group in groups:
            if group[0] not in taken and self._agrees(task, taken + group):
                taken += group
        return taken

    def _groups(self, keys: list[Key]) -> list[list[Key]]:
        """The keys by what is declared to go together."""
        left, groups = dict.fromkeys(keys), list[list[Key]]()
        while left:
            group, found = list[Key](), [next(iter(left))]
            while found:
                key = found.pop()
                if key in left:
                    del left[key]
                    group.append(key)
                    found += self._partners(key)
            groups.append(group)
        return groups

    def _partners(self, key: Key) -> Iterator[Key]:
        task, name, place = key
        for other, there in partners(self.parameters[task], self.used[task], (name, place)):
            yield task, other, there

    def _misfits(self, keys: Iterable[Key], new: Collection[Key]) -> Iterator[Finding]:
        """What does not fit about these keys, if the `new` ones have the wanted value and others the used one."""
        looked: set[Key] = set()
        for key in keys:
            task = key[0]
            parameters = self.parameters[task]

            def value_at(name: str, place: Place, task: str = task) -> Any:
                spot = (task, name, place)
                return _get(self.wanted if spot in new else self.used, spot)

            for spot in {key: None, **dict.fromkeys(self._partners(key))}:
                if spot not in looked:
                    looked.add(spot)
                    found = misfits_at(parameters, parameters[spot[1]], spot[2], value_at)
                    yield from (Finding(task, name, text) for name, text in found)

    def impossible(self, key: Key, value: Any) -> str:
        """What is wrong with a value beside those that never change; or an empty text."""
        task, name, place = key
        parameters = self.parameters[task]

        def value_at(other: str, there: Place) -> Any:
            return value if (other, there) == (name, place) else _get(self.used, (task, other, there))

        found = misfits_at(parameters, parameters[name], place, value_at, only_fixed=True)
        return "; ".join(sentences(Finding(task, about, text) for about, text in found))

    def _agrees(self, task: str, keys: list[Key]) -> bool:
        return not any(self._disagreements(task, lambda: self._with(task, keys)))

    def _disagreements(self, task: str, values: Callable[[], Mapping[str, Value]]) -> Iterator[Finding]:
        """What the task's own rule says against values."""
        cls = self.classes[task]
        if issubclass(cls, Task) and cls.do_check.__func__ is not Callbacks.do_check.__func__:
            yield from (Finding(task, name, text) for name, text in objections(cls, values()))

    def _with(self, task: str, keys: list[Key]) -> dict[str, Value]:
        """The used values of a task, with the wanted ones of some keys."""
        values = dict(self.used[task])
        for _, name, place in keys:
            if place and values[name] is self.used[task][name]:
                values[name] = copied(values[name])
        for key in keys:
            _set({task: values}, key, self.is_wanted(key))
        return values

    def problems(self, given: Mapping[str, Mapping[str, Value]]) -> list[str]:
        """What the tasks' own rules say against values that are given together, beside those that are used."""
        return sentences(
            finding
            for task, values in given.items()
            for finding in self._disagreements(task, lambda: {**self.used[task], **values})  # noqa: B023
        )

    def problem(self, keys: Collection[Key]) -> str:
        """Why these are not used, of what is dirty: what does not fit; or an empty text."""
        found = list(self._misfits(keys, set(keys)))
        for task in dict.fromkeys(key[0] for key in keys):
            of_task = [key for key in keys if key[0] == task]
            found += self._disagreements(task, lambda: self._with(task, of_task))  # noqa: B023
        return "; ".join(sentences(found))


def _get(values: Values, key: Key) -> Any:
    task, name, place = key
    return channel_values.at(values[task][name], place)


def _set(values: Values, key: Key, value: Any) -> None:
    task, name, place = key
    if place:
        channel_values.put_at(values[task][name], place, value)
    else:
        values[task][name] = value


def _differing(used: Any, wanted: Any, new: Any, begin: Place) -> Iterator[tuple[Any, Any, Any, Any, Place]]:
    """The new values that are not used: where they are to be put in either, and their places."""
    if isinstance(new, dict):
        for place, one in new.items():
            row, wanted_row = channel_values.at(used, place[:-1]), channel_values.at(wanted, place[:-1])
            if row[place[-1]] != one:
                yield row, wanted_row, place[-1], one, place
        return
    for i, one in enumerate(new):
        if one != used[i]:
            if isinstance(one, list):
                yield from _differing(used[i], wanted[i], one, (*begin, i))
            else:
                yield used, wanted, i, one, (*begin, i)


def _copied(values: Mapping[str, Mapping[str, Value]]) -> Values:
    return {task: {name: copied(value) for name, value in of_task.items()} for task, of_task in values.items()}
