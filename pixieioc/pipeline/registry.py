"""Which task classes there are: those that were defined, and those that installed packages offer."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from importlib.metadata import EntryPoint, entry_points

#: The entry-point group by which a package adds tasks; this package's own come the same way.
GROUP = "pixieioc.tasks"
#: The package whose own classes are those that it offers.
_OWN = __name__.partition(".")[0]


class Registry(MutableMapping[str, type]):
    """Task classes by name: those that were defined, and those of installed packages, imported when asked for."""

    def __init__(self) -> None:
        self._classes: dict[str, type] = {}
        self._offered: dict[str, EntryPoint] | None = None

    def _offers(self) -> dict[str, EntryPoint]:
        if self._offered is None:
            self._offered = {point.name: point for point in entry_points(group=GROUP)}
        return self._offered

    def __getitem__(self, name: str) -> type:
        if name not in self._classes:
            # Importing defines the class, which registers itself; an entry point may also give it another name.
            self._classes[name] = self._offers()[name].load()
        return self._classes[name]

    def __setitem__(self, name: str, cls: type) -> None:
        self._refuse_another(name, cls)
        self._classes[name] = cls

    def _refuse_another(self, name: str, cls: type) -> None:
        """TypeError if another class has this name: which of them a configuration gets would be chance.

        A class that is defined again in its file is the same one.
        """
        before = self._classes.get(name)
        other = f"{before.__module__}.{before.__qualname__}" if before is not None else ""
        same = before is None or _definition(before) == _definition(cls)
        package = cls.__module__.partition(".")[0]
        if same and package != _OWN and (point := self._offers().get(name)) is not None:
            # Who offers a class may have imported it from elsewhere in the package.
            same, other = point.module.partition(".")[0] == package, point.value
        if not same:
            what = f"{cls.__module__}.{cls.__qualname__}"
            raise TypeError(f"task class {what}: {other} has this name already; give it another one")

    def __delitem__(self, name: str) -> None:
        del self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._classes, *self._offers()}))

    def __len__(self) -> int:
        return len({*self._classes, *self._offers()})

    def __repr__(self) -> str:
        return f"<task classes: {', '.join(self)}>"


def _definition(cls: type) -> tuple[str, str]:
    """Where a class is written: its file may be imported under several names."""
    module = sys.modules.get(cls.__module__)
    return getattr(module, "__file__", None) or cls.__module__, cls.__qualname__


#: All tasks that there are.
TASKS = Registry()
