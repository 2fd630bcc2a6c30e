"""Which task classes there are: those that were defined, and those that installed packages offer."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib.metadata import EntryPoint, entry_points

#: The entry-point group by which a package adds tasks; this package's own come the same way.
GROUP = "pixieioc.tasks"


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
        self._classes[name] = cls

    def __delitem__(self, name: str) -> None:
        del self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._classes, *self._offers()}))

    def __len__(self) -> int:
        return len({*self._classes, *self._offers()})

    def __repr__(self) -> str:
        return f"<task classes: {', '.join(self)}>"


#: All tasks that there are.
TASKS = Registry()
