"""What of the settings has changed since this was asked last: a change costs the same, however many settings there are.

Settings are the values that no device keeps, and the fields that clients have set, by their names with prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pixieioc.ioc.records import Pvs, Record
from pixieioc.ioc.restore import kept_fields, value_text
from pixieioc.ioc.saved_settings import is_kept
from pixieioc.ioc.text import shortened
from pixieioc.pvinfo import PvInfo

#: Texts of settings by name.
Snapshot = dict[str, str]
#: What a severity is unless somebody has set it depends on whether there is a limit: they are kept together.
_FOLLOWS = {"HHSV": "HIHI", "HSV": "HIGH", "LSV": "LOW", "LLSV": "LOLO"}


class Unsaved:
    """The settings among some process variables; `infos` are these as they are declared, `of_file` as they are without
    what the command line says.
    """

    def __init__(self, pvs: Pvs, infos: Mapping[str, PvInfo], of_file: Mapping[str, PvInfo]) -> None:
        self._pvs, self._infos = pvs, infos
        self.records = {pvs.prefix + name: pvs[name] for name, info in infos.items() if is_kept(info)}
        #: The states that a value is a number of.
        self.states = {name: record.labels for name, record in self.records.items() if record.labels}
        self._begun: Snapshot = {name: value_text(record) for name, record in self.records.items()}
        #: What the configuration file says, and of fields, their declaration.
        self.configured: Snapshot = self._begun | {
            name: value_text(Record(of_file[record.info.name], name))
            for name, record in self.records.items()
            if record.info.name in of_file
        }
        self._taken: Snapshot = {}
        self._taken_fields: set[str] = set()
        self._outdated: set[str] = set()
        self._described: dict[str, Record] = {}  # of which a client has set a field
        self._on_change: Callable[[], None] = lambda: None

    def watch(self, on_change: Callable[[], None]) -> Snapshot:
        """Everything as it is; from now on `on_change` is called when that may have changed."""
        self._on_change = on_change
        for name, record in self.records.items():
            record.observe(_Watch(self, name))
        for record in self._pvs.values():
            record.on_describe = self._note_description
        self._taken_fields = {name for name, _ in self._fields()}
        self._taken = self.all()
        return dict(self._taken)

    def note(self, name: str) -> None:
        """A setting may have changed."""
        self._outdated.add(name)
        self._on_change()

    def note_field(self, name: str) -> None:
        """If that is the name of a field, it is going to be set."""
        record, _, field = name.partition(".")
        if field:
            self._described[record] = self._pvs[record.removeprefix(self._pvs.prefix)]

    def declared(self, name: str) -> str | None:
        """What a setting begins as, or a field by its declaration; None: there is no such setting."""
        record, _, field = name.partition(".")
        if not field:
            return self._begun.get(name)
        info = self._infos.get(record.removeprefix(self._pvs.prefix)) if record.startswith(self._pvs.prefix) else None
        return None if info is None else dict(kept_fields(Record(info, record))).get(field)

    def shown(self, name: str, text: str) -> str:
        """The text of a setting for people."""
        record = self.records.get(name)
        if record is not None and record.labels and text.isdecimal() and int(text) < len(record.labels):
            return record.labels[int(text)]
        if record is not None and isinstance(record.value, str):
            text = repr(text)
        return shortened(text, 40)

    def all(self) -> Snapshot:
        """Everything as it is."""
        return {name: value_text(record) for name, record in self.records.items()} | dict(self._fields())

    def take(self) -> dict[str, str | None]:
        """What is not as it was when this was asked last; None: a field that is as it is declared again."""
        now = {name: value_text(self.records[name]) for name in self._outdated}
        self._outdated.clear()
        fields = dict(self._fields())
        gone = [name for name in self._taken_fields if name not in fields]
        self._taken_fields = set(fields)
        news: dict[str, str | None] = {
            name: text for name, text in (now | fields).items() if self._taken.get(name) != text
        }
        self._taken.update(now | fields)
        for name in gone:
            news[name] = None
            del self._taken[name]
        return news

    def _note_description(self, record: Record) -> None:
        self._described[record.name] = record
        self._on_change()

    def _fields(self) -> Iterator[tuple[str, str]]:
        """What is not as it is declared: nobody else has written that."""
        for name, record in self._described.items():
            declared = dict(kept_fields(Record(self._infos[record.info.name], name)))
            fields = dict(kept_fields(record))
            set_fields = {field for field, text in fields.items() if text != declared[field]}
            for field, text in fields.items():
                if field in set_fields or _FOLLOWS.get(field) in set_fields:
                    self.configured.setdefault(f"{name}.{field}", declared[field])
                    yield f"{name}.{field}", text


class _Watch:
    """Notes which record it is that has changed."""

    __slots__ = ("_name", "_unsaved")

    def __init__(self, unsaved: Unsaved, name: str) -> None:
        self._unsaved, self._name = unsaved, name

    def changed(self, changes: int) -> None:
        """The record has been posted."""
        if changes:
            self._unsaved.note(self._name)
