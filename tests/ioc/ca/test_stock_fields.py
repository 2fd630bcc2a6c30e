"""The fields of our records beside those of EPICS' own: a stock IOC serves our exported database."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import pytest

from pixieioc.export.database import record as exported
from pixieioc.ioc.ca.names import knows
from pixieioc.ioc.ca.view import Views
from pixieioc.ioc.records import Record
from pixieioc.ioc.records.field_table import FIELDS
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.model import RecordType, Severity, Source
from tests.conftest import CA_PORTS
from tests.export.described import DEMO, of_file
from tests.ioc.ca.libca import CTRL, DOUBLE, ENUM, NORMAL, Channel, Libca
from tests.ioc.ca.peer import writable
from tests.ioc.ca.serving import serving
from tests.ioc.ca.stock_ioc import Definitions, stock_ioc

OURS, STOCK = "Ours:", "Stock:"
NAN = math.nan
STATES: tuple[Severity, ...] = ("NO_ALARM", "MINOR", "MAJOR")
_READ: dict[str, Any] = {"source": Source("report", "Sort", "value")}
_LIMITS: dict[str, Any] = {"limits": (-5.0, NAN, 10.0, 20.0), "hysteresis": 2.0}
_WRITTEN: dict[str, Any] = {"source": Source("parameter", "Sort", "value"), "access": "EX"}
INFOS: dict[RecordType, PvInfo] = {
    "ai": PvInfo("ai", "ai", "A number", 2.5, "mm", 3, **_LIMITS, **_READ),
    "ao": PvInfo("ao", "ao", "A number to write", 2.5, "mm", 3, drive=(-50.0, 50.0), **_LIMITS, **_WRITTEN),
    "longin": PvInfo("longin", "longin", "A whole number", 3, "s", **_LIMITS, **_READ),
    "longout": PvInfo("longout", "longout", "A whole number", 3, "s", drive=(-50, 50), **_LIMITS, **_WRITTEN),
    "int64in": PvInfo("int64in", "int64in", "A wide number", 3, "s", **_LIMITS, **_READ),
    "int64out": PvInfo("int64out", "int64out", "A wide number", 3, "s", drive=(-50, 50), **_LIMITS, **_WRITTEN),
    "bi": PvInfo(
        "bi", "bi", "A switch", 1, labels=("Off", "On"), severities=STATES[:2],
        source=Source("report", "Sort", "value", (3, 12), 1),
    ),
    "bo": PvInfo("bo", "bo", "A switch to write", 1, labels=("Off", "On"), severities=STATES[:2], access="OP"),
    "mbbi": PvInfo("mbbi", "mbbi", "A state", 2, labels=("A", "B", "C"), severities=STATES, **_READ),
    "mbbo": PvInfo("mbbo", "mbbo", "A state to write", 2, labels=("A", "B", "C"), severities=STATES, **_WRITTEN),
    "stringin": PvInfo("stringin", "stringin", "A text", "", **_READ),
    "stringout": PvInfo("stringout", "stringout", "A text to write", "", **_WRITTEN),
    "waveform": PvInfo("waveform", "waveform", "An array", [1.5], "V", 2, length=5, **_READ),
}  # fmt: skip
#: What has another value here than in the stock IOC, and why.
DIFFERENT = {
    "ASG": "the default group has a name here",
    "DTYP": "where values come from here",
    "INP": "likewise",
    "OUT": "likewise",
    "SCAN": "what cannot be written changes by itself",
    "SSCN": "Base has 65535, which no choice is, for: as SCAN",
    "TSE": "a report brings its time",
    "PINI": "the exported database wants it for its initial values",
    "MPST": "an array that has not changed is not posted",
    "APST": "likewise",
    "LOW": "a limit of a double that is not set is NaN",
}


@dataclass(frozen=True)
class Sides:
    """The definitions of the record types, and what answers to their fields: `PREFIX RECORD . FIELD`."""

    definitions: Definitions
    channels: dict[str, Channel]

    def both(self, record: str, field: str) -> tuple[Channel, Channel]:
        """A field of ours and of the stock IOC."""
        return self.channels[f"{OURS}{record}.{field}"], self.channels[f"{STOCK}{record}.{field}"]

    def fields(self, record: str, *types: str) -> Iterator[tuple[str, Channel, Channel]]:
        """All fields of a record that a client can have, or those of some types."""
        for field, definition in self.definitions[record].items():
            if definition.type in types if types else definition.type != "NOACCESS":
                yield field, *self.both(record, field)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    database = "".join(map(exported, INFOS.values())).replace("$(P)", STOCK)
    records = [Record(info, OURS + name) for name, info in INFOS.items()]
    for record in records:
        if record.info.access:
            writable(record)
    with (
        stock_ioc(database, tmp_path_factory.mktemp("stock"), CA_PORTS[1]) as definitions,
        serving(records, CA_PORTS[0]),
        Libca() as client,
    ):
        fields = [
            f"{record}.{name}"
            for record in INFOS
            for name, definition in definitions[record].items()
            if definition.type != "NOACCESS"
        ]
        made = client.channels(prefix + field for prefix in (OURS, STOCK) for field in fields)
        assert client.channel(f"{STOCK}waveform").put(DOUBLE, 1.5) == NORMAL  # which is undefined before
        yield Sides(definitions, made)


def test_all_record_types_that_can_be_declared_are_here() -> None:
    assert set(INFOS) == set(FIELDS) == set(get_args(RecordType))


@pytest.mark.parametrize("record", INFOS)
def test_a_client_finds_every_field_that_the_stock_ioc_has(sides: Sides, record: str) -> None:
    assert [field for field, _, stock in sides.fields(record) if not stock.connected] == []
    assert [field for field, ours, _ in sides.fields(record) if not ours.connected] == []


def test_every_process_variable_of_an_ioc_has_the_fields_of_its_record_type(sides: Sides) -> None:
    description = of_file(DEMO)
    views = Views(Record(pv, name) for name, pv in description.pvs.items())
    missing = [
        f"{name}.{field}"
        for name, pv in description.pvs.items()
        for field, definition in sides.definitions[pv.record].items()
        if definition.type != "NOACCESS" and not knows(views, f"{name}.{field}")
    ]
    assert missing == []


@pytest.mark.parametrize("record", INFOS)
def test_a_field_has_the_type_and_the_number_of_elements_of_the_stock_ioc(sides: Sides, record: str) -> None:
    for field, ours, stock in sides.fields(record):
        assert (field, ours.native, ours.length) == (field, stock.native, stock.length)


@pytest.mark.parametrize("record", INFOS)
def test_a_menu_has_the_choices_of_the_stock_ioc(sides: Sides, record: str) -> None:
    for field, ours, stock in sides.fields(record, "MENU"):
        # Status and severity; the labels, and before them how many; the value.
        assert (field, ours.get(CTRL + ENUM)[4:-2]) == (field, stock.get(CTRL + ENUM)[4:-2])


@pytest.mark.parametrize("record", INFOS)
def test_a_field_has_the_value_that_the_stock_ioc_has_of_our_database(sides: Sides, record: str) -> None:
    for field, ours, stock in sides.fields(record):
        if field not in DIFFERENT and field != "NAME":
            assert (field, ours.get()) == (field, stock.get())
            if (record, field) != ("bo", "HIGH"):  # the only number there that Base has other decimals for
                assert (field, ours.text()) == (field, stock.text())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ai.DTYP", "pixieioc report"),
        ("ai.INP", "@Sort value"),
        ("ao.DTYP", "pixieioc parameter"),
        ("ao.OUT", "@Sort value"),
        ("bi.INP", "@Sort value 3 12 1"),
        ("bo.DTYP", "pixieioc run"),
        ("bo.OUT", "@IOC bo"),
        ("ai.SCAN", "I/O Intr"),
        ("ao.SCAN", "Passive"),
        ("ai.TSE", "-2"),
        ("ao.TSE", "0"),
        ("ai.ASG", "DEFAULT"),
        ("ao.ASG", "EX"),
        ("ai.PINI", "NO"),
        ("waveform.MPST", "On Change"),
        ("ai.LOW", "nan"),
        ("longin.LOW", "0"),
        ("int64in.LOW", "0"),
        ("longin.LSV", "NO_ALARM"),
    ],
)
def test_what_differs_says_what_is_true_here(sides: Sides, name: str, value: str) -> None:
    assert sides.channels[OURS + name].text() == value


@pytest.mark.parametrize("record", INFOS)
def test_what_can_be_written_here_can_be_in_the_stock_ioc(sides: Sides, record: str) -> None:
    """But for acknowledging: there that takes a type of its own."""
    for field, ours, stock in sides.fields(record):
        if field not in ("VAL", "ACKS", "ACKT"):
            assert stock.writable or not ours.writable, field


@pytest.mark.parametrize("record", INFOS)
def test_a_long_string_is_there_of_the_same_fields(sides: Sides, record: str) -> None:
    """`$` stands for the whole of a text, and there is none of anything else."""
    ours = Views(Record(info, record) for record, info in INFOS.items())
    for field, definition in sides.definitions[record].items():
        if field not in ("VAL", "TIME"):
            is_text = definition.type in ("STRING", "INLINK", "OUTLINK", "FWDLINK")
            assert (field, knows(ours, f"{record}.{field}$")) == (field, is_text)
