"""Writing PROC, DISP and the other fields that can be written, through the real libca."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator

import pytest

from pixieioc.ioc.ca.fields import find_field
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records import Client, PutRefused, Record, stamp
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.model import Source, text_pv
from tests.conftest import CA_PORTS
from tests.ioc.ca.libca import CHAR, DOUBLE, ENUM, NORMAL, PUT_ACKS, PUTFAIL, STRING, Libca, wait
from tests.ioc.ca.peer import writable
from tests.ioc.ca.serving import Serving, serving

NAN = math.nan
REPORT = Source("report", "Sort", "rate")
JAN = Client("jan", "wall")
INFOS = [
    PvInfo("Set", "ao", "A number", 2.5, "mm", 3, limits=(NAN, NAN, 10.0, 20.0), drive=(0.0, 50.0)),
    PvInfo("Rate", "ai", "A rate", 7.0, limits=(NAN, NAN, 10.0, NAN), source=REPORT),
    PvInfo("Count", "longin", "A count", 5),
    PvInfo("Mode", "mbbo", "", labels=("A", "B", "C")),
    PvInfo("Name", "stringout", "", "old"),
    text_pv("Text", "", 20),
    PvInfo("Slow", "bo", "", labels=("Done", "Go")),
]


class Ioc:
    """Our server with what was put to it."""

    def __init__(self, served: Serving, records: dict[str, Record], puts: list[tuple[str, object]]) -> None:
        self.served, self.records, self.puts = served, records, puts


@pytest.fixture(scope="module")
def client() -> Iterator[Libca]:
    with Libca() as made:
        yield made


@pytest.fixture
def ioc() -> Iterator[Ioc]:
    records = {info.name: Record(info, info.name) for info in INFOS}
    puts: list[tuple[str, object]] = []
    for name in ("Set", "Mode", "Name", "Text"):
        _count_puts(records[name], puts)
    end = asyncio.Event()

    async def slowly() -> None:
        await end.wait()

    records["Slow"].put = lambda value, client: slowly() if value else end.set()
    with serving(records.values(), CA_PORTS[0]) as served:
        yield Ioc(served, records, puts)


def _count_puts(record: Record, puts: list[tuple[str, object]]) -> None:
    def put(value: object, client: Client) -> None:
        if value == 13.0:
            raise PutRefused("not 13")
        puts.append((record.name, value))
        record.post(value)

    record.put = put


def test_proc_writes_what_can_be_written_once_more(client: Libca, ioc: Ioc) -> None:
    for name, value in (("Set", 2.5), ("Mode", 0), ("Name", "old"), ("Text", "")):
        assert client.channel(f"{name}.PROC").put(CHAR, 1) == NORMAL
        assert ioc.puts.pop() == (name, value)
    assert client.channel("Set.PROC").get() == [0]
    ioc.served.do(lambda: ioc.records["Set"].post(13.0))
    assert client.channel("Set.PROC").put(CHAR, 1) == PUTFAIL


def test_proc_of_a_put_that_takes_time_completes_with_it(client: Libca, ioc: Ioc) -> None:
    slow, active = client.channel("Slow"), client.channel("Slow.PACT")
    ioc.served.do(lambda: ioc.records["Slow"].post(1))
    with active.monitor() as posts:
        with client.channel("Slow.PROC").put_later(CHAR, 1) as done:
            assert wait(lambda: posts[-1:] == [[1]])
            assert not done
            assert slow.put(ENUM, 0) == NORMAL
            assert wait(lambda: done == [NORMAL])
        assert wait(lambda: posts == [[0], [1], [0]])


def test_proc_of_what_is_read_only_posts_nothing_new(client: Libca, ioc: Ioc) -> None:
    """As a record of Base, which posts what has changed; its time is that of its value, or the present one."""
    for record in ioc.records.values():
        ioc.served.do(lambda record=record: record.post(record.value, stamp(1e9)))
    with client.channel("Rate").monitor() as posts:
        assert wait(lambda: len(posts) == 1)
        for name in ("Rate", "Count"):
            assert client.channel(f"{name}.PROC").put(CHAR, 1) == NORMAL
        client.channel("Rate").get()
        assert posts == [[7.0]]
    assert ioc.records["Rate"].stamp == stamp(1e9)
    assert ioc.records["Count"].stamp > stamp(1e9)


def test_proc_posts_always_where_the_deadband_says_so(client: Libca, ioc: Ioc) -> None:
    assert client.channel("Rate.MDEL").put(DOUBLE, -1.0) == NORMAL
    with client.channel("Rate").monitor() as posts:
        assert wait(lambda: len(posts) == 1)
        assert client.channel("Rate.PROC").put(CHAR, 1) == NORMAL
        assert wait(lambda: posts == [[7.0], [7.0]])


def test_disp_refuses_puts_to_all_but_itself(client: Libca, ioc: Ioc) -> None:
    names = ["Set", "Set.VAL", "Set.PROC", "Set.HIGH", "Set.DESC", 'Set.{"ts":{}}', "Set.DISP", "Mode"]
    found = client.channels(names)
    assert found["Set.DISP"].put(CHAR, 1) == NORMAL
    codes = [found[name].put(STRING, "1") for name in names[:6]]
    assert codes == [PUTFAIL] * 6
    assert found["Set"].put(PUT_ACKS, 2) == PUTFAIL
    assert ioc.puts == []
    assert (found["Set"].get(), found["Set.DISP"].get()) == ([2.5], [1])
    assert found["Mode"].put(ENUM, 1) == NORMAL  # the others are as they were
    assert found["Set.DISP"].put(CHAR, 0) == NORMAL
    assert found["Set"].put(DOUBLE, 3.0) == NORMAL
    assert ioc.puts == [("Mode", 1), ("Set", 3.0)]


def test_what_has_been_disabled_is_said_to_who_looks(client: Libca, ioc: Ioc) -> None:
    with client.channel("Set.DISP").monitor() as posts:
        assert wait(lambda: posts == [[0]])
        assert client.channel("Set.DISP").put(CHAR, 1) == NORMAL
        assert wait(lambda: posts == [[0], [1]])


def test_the_ioc_itself_is_not_disabled(client: Libca, ioc: Ioc) -> None:
    assert client.channel("Set.DISP").put(CHAR, 1) == NORMAL
    ioc.served.do(lambda: ioc.records["Set"].post(25.0))
    assert client.channel("Set").get() == [25.0]


@pytest.mark.parametrize(
    ("field", "written", "reads"),
    [
        ("DESC", "Another", "Another"),
        ("DESC$", "Another", "Another"),
        ("EGU", "cm", "cm"),
        ("PREC", "1", "1"),
        ("HIHI", "5", "5.000"),
        ("HIGH", "30", "30.000"),
        ("LOLO", "40", "40.000"),
        ("LOW", "nan", "nan"),
        ("HHSV", "INVALID", "INVALID"),
        ("LSV", "MAJOR", "MAJOR"),
        ("HYST", "1.5", "1.500"),
        ("MDEL", "0.5", "0.500"),
        ("ADEL", "-1", "-1.000"),
        ("ACKT", "NO", "NO"),
    ],
)
def test_a_field_that_can_be_written_reads_so(client: Libca, ioc: Ioc, field: str, written: str, reads: str) -> None:
    channel = client.channel(f"Set.{field}")
    assert channel.put(STRING, written) == NORMAL
    assert channel.text() == reads


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("DESC", "a" * 41, "DESC of 41 bytes: at most 40 fit"),
        ("EGU", "a" * 16, "EGU of 16 bytes: at most 15 fit"),
        ("PREC", 16, "PREC 16: must be from 0 to 15"),
        ("DISP", 300, "DISP 300: must be from 0 to 255"),
    ],
)
def test_what_does_not_fit_is_refused(field: str, value: object, says: str) -> None:
    found = find_field(View(Record(INFOS[0], "N")), field)
    assert found is not None
    assert found.record.info.name == f"{INFOS[0].name}.{field}"  # as refusals call it
    before = found.record.value
    with pytest.raises(PutRefused, match=says):
        found.write(value, JAN)
    assert found.record.value == before


def test_a_state_that_is_none_has_no_severity() -> None:
    record = Record(INFOS[3], "N")
    view = View(record)
    second, fourth = find_field(view, "ONSV"), find_field(view, "THSV")
    assert second is not None
    assert fourth is not None
    second.write(2, JAN)
    record.post(1)
    assert record.severity == 2
    with pytest.raises(PutRefused, match="N has 3 states"):
        fourth.write(2, JAN)


def test_severities_of_limits_are_written_in_any_order(client: Libca, ioc: Ioc) -> None:
    severity, limit = client.channel("Set.LSV"), client.channel("Set.LOW")
    assert severity.put(STRING, "INVALID") == NORMAL
    assert client.channel("Set.SEVR").text() == "NO_ALARM"
    assert limit.put(DOUBLE, 3.0) == NORMAL
    assert client.channel("Set.SEVR").text() == "INVALID"
    assert severity.put(STRING, "NO_ALARM") == NORMAL
    assert client.channel("Set.SEVR").text() == "NO_ALARM"


def test_within_the_hysteresis_an_alarm_stays_when_something_else_is_written() -> None:
    record = Record(PvInfo("N", "ai", "", 0.0, limits=(NAN, NAN, 10.0, NAN), hysteresis=2.0), "N")
    record.post(11.0)
    record.post(9.0)
    description = find_field(View(record), "DESC")
    assert description is not None
    description.write("Another", JAN)
    assert record.severity == 1
    record.post(7.9)
    assert record.severity == 0


def test_records_carry_no_state_of_this_before_it_is_written() -> None:
    """What few records ever need costs the others nothing."""
    record = writable(Record(INFOS[0], "N"))
    assert not {"disabled", "active", "ackt", "acks", "on_acknowledge"} & vars(record).keys()
