"""Every put of every DBR type to every type of record: as a soft IOC of EPICS Base takes it, or refused.

The same libca client puts the same to both. What is refused, where Base would take the put with a loss, is listed here
in full, as in docs/reference/puts.md.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import aioca
import numpy as np
import pytest
from epicscorelibs.ca import dbr as types

from pixieioc.pvinfo.model import RecordType
from tests.ca_client import CaClient, PutFailed
from tests.conftest import CA_PORTS
from tests.ioc.ca.put_records import RECORDS, database
from tests.ioc.ca.stock_ioc import stock_ioc
from tests.running_ioc import ROOT, ioc_folder

TYPES = {
    "SHORT": (types.DBR_SHORT, "i2"),
    "FLOAT": (types.DBR_FLOAT, "f4"),
    "ENUM": (types.DBR_ENUM, "u2"),
    "CHAR": (types.DBR_CHAR, "u1"),
    "LONG": (types.DBR_LONG, "i4"),
    "DOUBLE": (types.DBR_DOUBLE, "f8"),
}


class Put(NamedTuple):
    """What is put: the name of its DBR type, and the values, separated by `|`."""

    kind: str
    values: str

    def __str__(self) -> str:
        return f"{self.kind} {self.values}"

    @property
    def sent(self) -> tuple[int, Any]:
        """The number of the type, and what aioca sends."""
        values = self.values.split("|")
        if self.kind == "STRING":
            return types.DBR_STRING, values if len(values) > 1 else values[0]
        code, element = TYPES[self.kind]
        return code, np.array([float(value) for value in values]).astype(element)


def _puts(kind: str, *values: str) -> list[Put]:
    return [Put(kind, value) for value in values]


PUTS = [
    *_puts("STRING", "0", "1", "2", "12", "-3", "+1", " 7 ", "1.5", "158.22", "-0.9", ".5", "1e3", "-2.5E-1"),
    *_puts("STRING", "0x10", "-0X1f", "010", "08", "1e12", "2147483648", "65536", "300", "1e400", "nan", "inf", "-Inf"),
    *_puts("STRING", "", "On", "Off", "Idle", "Half way", "on", "much", "12.5 mm", "1_0", "1,5", "0xg", "äöü"),
    *_puts("STRING", "1|0", "65|66|67", "1|2.5", "a|b", "1|", "1|300", "-61|-92", "195|164", "1|2|3|4"),
    *_puts("SHORT", "0", "1", "2", "-5", "300", "32767", "65|66|67", "-61|-92", "1|300"),
    *_puts("FLOAT", "0", "1", "1.5", "158.22", "-2.5", "-0.5", "nan", "inf", "1e20", "65.9|66"),
    *_puts("ENUM", "0", "1", "2", "7", "65", "40000", "65|66"),
    *_puts("CHAR", "0", "1", "2", "65", "200", "116|101|120", "195|164"),
    *_puts("LONG", "0", "1", "2", "-1", "65", "300", "-70000", "2147483647", "65|66|67", "-61|-92", "65|0", "1|300"),
    *_puts("DOUBLE", "0", "1", "1.5", "2.9", "158.22", "-158.9", "0.5", "-0.5", "-1", "65.9", "1e12", "2147483648"),
    *_puts("DOUBLE", "2147483647.5", "-2147483648", "12345678.9", "1e17", "1e300", "nan", "inf", "-inf"),
    *_puts("DOUBLE", "65|66.9", "1|nan", "1|1e12", "1|2|3|4"),
]

#: What Base takes with a loss, and is refused here.
_NOTHING = _puts("STRING", "")
_PART_OF_A_TEXT = _puts("STRING", "12.5 mm", "1_0", "1,5", "0xg")
_PART_OF_A_WHOLE_NUMBER = [*_PART_OF_A_TEXT, *_puts("STRING", "08", "-2.5E-1", "1e400")]
_NOT_FINITE = [*_puts("FLOAT", "nan", "inf"), *_puts("DOUBLE", "nan", "inf", "-inf")]
_BEYOND_INT64 = [*_puts("FLOAT", "1e20"), *_puts("DOUBLE", "1e17", "1e300")]  # Channel Access has it as a double
_BEYOND_LONG = [*_BEYOND_INT64, *_puts("STRING", "1e12"), *_puts("DOUBLE", "1e12", "2147483648")]
_NO_STATE = [
    *_NOT_FINITE, *_BEYOND_INT64,
    *_puts("SHORT", "-5", "300", "32767"), *_puts("FLOAT", "158.22", "-2.5"), *_puts("ENUM", "7", "65", "40000"),
    *_puts("CHAR", "65", "200"), *_puts("LONG", "-1", "65", "300", "-70000", "2147483647"),
    *_puts("DOUBLE", "158.22", "-158.9", "-1", "65.9", "1e12", "2147483648", "2147483647.5", "-2147483648"),
    *_puts("DOUBLE", "12345678.9"),
]  # fmt: skip
_NO_THIRD_STATE = [*_puts("SHORT", "2"), *_puts("ENUM", "2"), *_puts("CHAR", "2"), *_puts("LONG", "2")]
_NO_CHARACTERS = [
    *_NOT_FINITE, *_BEYOND_INT64,
    *_puts("SHORT", "-5"), *_puts("FLOAT", "-2.5"),
    *_puts("CHAR", "200"), *_puts("LONG", "-1", "-70000", "2147483647"),
    *_puts("DOUBLE", "-158.9", "-1", "1e12", "2147483648", "2147483647.5", "-2147483648", "12345678.9"),
    *_puts("DOUBLE", "1|nan", "1|1e12"),
]  # fmt: skip
_TWO_STATES = [*_NO_STATE, *_NO_THIRD_STATE, *_puts("DOUBLE", "2.9")]
_NUMBER = [*_NOTHING, *_PART_OF_A_TEXT]
_LONG = [*_NOTHING, *_PART_OF_A_WHOLE_NUMBER, *_NOT_FINITE, *_BEYOND_LONG]
_INT64 = [*_NOTHING, *_PART_OF_A_WHOLE_NUMBER, *_NOT_FINITE, *_BEYOND_INT64]
REFUSED: dict[str, list[Put]] = {
    "ai": _NUMBER,
    "ao": _NUMBER,
    "driven": _NUMBER,
    "bi": _TWO_STATES,
    "bo": _TWO_STATES,
    "mbbi": [*_NO_STATE, *_NOTHING],
    "mbbo": [*_NO_STATE, *_NOTHING, *_puts("STRING", "1.5", "-0.9", "1e3", "1_0", "1,5", "0xg", "08", "1e12", "1e400")],
    "longin": _LONG,
    "longout": _LONG,
    "steps": _LONG,
    "int64in": _INT64,
    "int64out": _INT64,
    "text": _NO_CHARACTERS,
    "longs": [*_LONG[1:], *_puts("DOUBLE", "1|nan", "1|1e12")],
    "doubles": _PART_OF_A_TEXT,
    "stringin": [],
    "stringout": [],
}
#: What is taken otherwise than by Base: a text is read as a whole, where Base takes the 1 of 1e3 for a whole number;
#: characters can be written as numbers to 255, where Base takes only those to 127.
OTHERWISE = {
    (name, Put("STRING", text)): value
    for text, values in {
        "1e3": {"longin": "1000", "longout": "1000", "steps": "10", "int64in": "1000.0", "int64out": "1000.0"},
        "1e12": {"int64in": "1000000000000.0", "int64out": "1000000000000.0"},
    }.items()
    for name, value in values.items()
} | {("longs", Put("STRING", "1e3")): "[1000]", ("text", Put("STRING", "195|164")): "ä".encode()}
#: Numbers that are no UTF-8 are letters by their codes, as Phoebus sends what is typed; Base keeps the lowest 8 bits.
OTHERWISE |= {
    ("text", Put(kind, numbers)): "".join(chr(int(float(number))) for number in numbers.split("|")).encode()
    for kind, numbers in (
        ("STRING", "1|300"),
        *((kind, "300") for kind in ("SHORT", "LONG")),
        *((kind, "1|300") for kind in ("SHORT", "LONG")),
        *((kind, "158.22") for kind in ("FLOAT", "DOUBLE")),
        ("SHORT", "32767"),
        ("ENUM", "40000"),
    )
}


class Side(CaClient):
    """A server of the records, as its client sees it."""

    def outcome(self, name: str, put: Put, before: Put) -> tuple[bool, Any]:
        """Whether a put to a record that has a value already succeeds, and what can be read then."""
        self.put(name, before.sent[1], datatype=before.sent[0])
        kind, values = put.sent
        try:
            self.put(name, values, datatype=kind)
        except PutFailed:
            taken = False
        else:
            taken = True
        return taken, self.value(name)

    def value(self, name: str) -> Any:
        """The value in its own type, as something that can be compared; that of a text as one."""
        value = self.raw(name, format=aioca.FORMAT_RAW)
        if name == "text":
            return np.atleast_1d(value).astype(np.uint8).tobytes().partition(b"\0")[0]
        return str(value.tolist() if isinstance(value, np.ndarray) else value)


@contextlib.contextmanager
def _serving_ours(prefix: str, port: int) -> Iterator[None]:
    """Our server of the records, in a process of its own."""
    with subprocess.Popen(
        [sys.executable, Path(__file__).with_name("put_records.py"), prefix],
        env={**os.environ, "PYTHONPATH": str(ROOT), "EPICS_CAS_SERVER_PORT": str(port)},
    ) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[Side, Side]]:
    """Ours, and Base's."""
    ours, base = (Side(f"{kind}{secrets.token_hex(4)}:") for kind in "OB")
    with (
        ioc_folder() as folder,
        _serving_ours(ours.prefix, CA_PORTS[0]),
        stock_ioc(database(base.prefix), folder, CA_PORTS[1]),
    ):
        for side in (ours, base):
            side.until("ao", 0.0, 60)
        yield ours, base


def test_all_types_of_records_are_compared() -> None:
    assert {info.record for info in RECORDS} == set(get_args(RecordType))
    assert {info.element for info in RECORDS if info.record == "waveform"} == {"CHAR", "LONG", "DOUBLE"}


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_put_is_taken_as_by_base_or_refused(name: str, sides: tuple[Side, Side]) -> None:
    ours, base = sides
    before = Put("STRING", "65|66" if name == "text" else "1")
    old = ours.outcome(name, before, before)[1]
    wrong: list[str] = []
    for put in PUTS:
        found, theirs = ours.outcome(name, put, before), base.outcome(name, put, before)
        if put in REFUSED[name]:
            expected = [(False, old)] if theirs[0] else []  # or it need not be in the list
        elif (name, put) in OTHERWISE:
            expected = [(True, OTHERWISE[name, put])]
        elif name == "text" and put.kind == "STRING" and "|" not in put.values:
            # One string is the text, as every client means it; Base takes it as a number, that of a character.
            text = put.values.encode()
            expected = [(True, text) if len(text) < 8 else (False, old)]
        else:
            expected = [theirs if theirs[0] else (False, old)]
        if found not in expected:
            wrong.append(f"{put}: {found} instead of {expected}; Base {theirs}")
    assert wrong == [], "\n".join(wrong)
