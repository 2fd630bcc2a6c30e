"""Channel filters beside those of EPICS Base: a stock IOC and ours are asked for the same names."""

from __future__ import annotations

import gc
import json
import math
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.ioc.ca import dbr, filter_syntax
from pixieioc.ioc.ca.filter_syntax import NoFilter
from pixieioc.ioc.ca.names import find, knows
from pixieioc.ioc.ca.view import Views
from pixieioc.ioc.records import Record
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.model import text_pv
from tests.conftest import CA_PORTS
from tests.ioc.ca.libca import (
    ALARM,
    CHAR,
    CTRL,
    DOUBLE,
    LONG,
    NORMAL,
    PROPERTY,
    SHORT,
    STRING,
    TIME,
    VALUE,
    Libca,
    wait,
)
from tests.ioc.ca.peer import writable
from tests.ioc.ca.serving import Serving, serving
from tests.ioc.ca.stock_ioc import Definitions, stock_ioc

OURS, STOCK = "Ours:", "Stock:"
NAN = math.nan
DATABASE = """
record(waveform, "Stock:Array") { field(FTVL, "DOUBLE") field(NELM, "8") }
record(waveform, "Stock:Text") { field(FTVL, "CHAR") field(NELM, "20") }
record(ao, "Stock:Number") { field(HIGH, "100") field(HSV, "MINOR") field(DESC, "A description") field(PREC, "1") }
record(stringout, "Stock:String") { }
record(bo, "Stock:Switch") { field(ZNAM, "Off") field(ONAM, "On") }
"""


def _records() -> list[Record]:
    infos = [
        PvInfo("Array", "waveform", "", [], length=8),
        text_pv("Text", "", 20),
        PvInfo("Number", "ao", "A description", 0.0, precision=1, limits=(NAN, NAN, 100.0, NAN)),
        PvInfo("String", "stringout", "", ""),
        PvInfo("Switch", "bo", "", labels=("Off", "On")),
    ]
    return [writable(Record(info, OURS + info.name)) for info in infos]


@dataclass
class Sides:
    """Both servers, with the same values."""

    client: Libca
    ours: Serving
    stock: Definitions

    def set_state(self, value: bool) -> None:
        """The state that is named Switch, here a record."""
        assert self.client.channel(f"{OURS}Switch").put(SHORT, int(value)) == NORMAL
        self.stock.set_state("Switch", value)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    with (
        stock_ioc(DATABASE, tmp_path_factory.mktemp("stock"), CA_PORTS[1]) as stock,
        serving(_records(), CA_PORTS[0]) as ours,
        Libca() as client,
    ):
        for prefix in (OURS, STOCK):
            assert client.channel(f"{prefix}Array").put(DOUBLE, *range(6)) == NORMAL
            assert client.channel(f"{prefix}Text").put(CHAR, *b"hello world\0") == NORMAL
            assert client.channel(f"{prefix}String").put(STRING, "a text") == NORMAL
        sides = Sides(client, ours, stock)
        sides.set_state(False)
        yield sides


#: What reads the same here and there.
READ = """
Array.[0:4]
Array.VAL[1:2:5]
Array.[2]
Array.[-1]
Array.[-3:-1]
Array.[3:]
Array.[:2]
Array.[::2]
Array.[:]
Array.[5:2]
Array.[6:7]
Array.[9:12]
Array.[1:0:3]
Array.[1:-1:3]
Array.[0x1:4]
Array.{"arr":{"s":1,"i":2,"e":5}}
Array.{"arr":{}}
Array.{arr:{s:1}}
Array.{'arr':{'s':1,},}
Array.{"arr":{"s":"1"}}
Array.{"arr":{"s":1.5}}
Array.{"arr":{"s":true}}
Array.{"arr":{"i":0}}
Array.{}
Array.[0:4]{"ts":{}}
Array.[1:4]{"arr":{"s":1}}
Array.{"arr":{"s":1},"arr":{"s":1}}
Array.{"dbnd":{"d":1}}
Text.[0:4]
Text.[6:]
Number.[0:4]
Number.[1]
Number.DESC$[2:20]
Number.DESC[2:4]
Number.HIGH{"dbnd":{"d":1}}
Number.{"dbnd":{"d":1.5}}
Number.{"dbnd":{"abs":1.5}}
Number.{"dbnd":{"rel":50}}
Number.{"dbnd":{"d":1.5,"m":"rel"}}
Number.{"dbnd":{"m":1,"d":2}}
Number.{"dbnd":{}}
Number.{"dbnd":{"d":"1.5"}}
Number.{"dbnd":{"d":-1}}
Number.{"dbnd":{"d":.5}}
Number.{"dbnd":{"d":1e1}}
Number.{"dbnd":{"d":Infinity}}
Number.{"dec":{"n":2}}
Number.{dec:{n:0x2}}
Number.{dec:{n:+2}}
Number.{"dec":{"n":3,"n":2}}
Number.{"ts":{}}
Number.{/*why*/"ts":{}}
Number.VAL{"ts":{},"dec":{"n":2}}
Number.NAME{"ts":{}}
String.{"ts":{}}
String.$[2:20]
String.VAL$
Switch.{"dbnd":{"d":1}}
Switch.{"ts":{}}
""".strip().splitlines()

#: What neither has.
ABSENT = """
Array.[]
Array.[0:4
Array.[0:4]x
Array.[ 0 : 4 ]
Array.[0:1:4:1]
Array.[a]
Array[0:4]
Array.{"arr":{"s":1}
Array.{"arr":{"x":1}}
Array.{"foo":{}}
Array.NOFIELD[0:4]
Number.{"TS":{}}
Number.{"ts":{}}{"ts":{}}
Number.{"ts":{"num":"foo"}}
Number.{"dbnd":null}
Number.{"dbnd":1}
Number.{"dbnd":{"m":"foo"}}
Number.{"dbnd":{"m":"ABS"}}
Number.{"dec":{}}
Number.{"dec":{"n":0}}
Number.{"dec":{"n":2.0}}
Number.{"dec":{"n":"3"}}
Number.{"dec":{"n":3,"o":1}}
Number.{"sync":{"m":"while","s":"nothing"}}
Number.{"sync":{"m":"while"}}
Number.{"sync":{"s":"Switch"}}
Number.{"sync":{"m":"during","s":"Switch"}}
Number.{"sync":{"m":6,"s":"Switch"}}
Number.{"sync":{"m":"while","s":1}}
Number.{"sync":{"m":"while","s":"Number"}}
Nothing.{"ts":{}}
""".strip().splitlines()

#: What reads what the stock IOC's says in its own words: the native type and elements.
TIMES = """
Array.{"ts":{"num":"dbl"}}
Array.{"ts":{"num":"ts"}}
Text.{"ts":{"num":"ts"}}
Text.{"ts":{"num":"dbl"}}
Switch.{"ts":{"num":"sec"}}
String.{"ts":{"str":"iso"}}
Number.{"ts":{"num":"sec"}}
Number.{"ts":{"num":"nsec"}}
Number.{"ts":{"num":"dbl","epoch":"unix"}}
Number.{"ts":{"str":"epics"}}
Number.{"ts":{"str":"iso"}}
Number.{"ts":{"str":"epics","num":"sec"}}
Number.{"ts":{"num":"ts","epoch":"unix"}}
""".strip().splitlines()


def test_a_filter_reads_as_that_of_the_stock_ioc(sides: Sides) -> None:
    names = [prefix + name for prefix in (OURS, STOCK) for name in READ]
    channels = sides.client.channels(names)
    assert [name for name in names if not channels[name].connected] == []
    for name in READ:
        ours, stock = channels[OURS + name], channels[STOCK + name]
        assert (name, ours.native, ours.length) == (name, stock.native, stock.length)
        if "NAME" not in name:
            assert (name, ours.get()) == (name, stock.get())


def test_a_wrong_filter_is_not_found_and_harms_nobody_else(sides: Sides) -> None:
    names = [prefix + name for prefix in (OURS, STOCK) for name in ABSENT]
    asked = sides.client.channels([*names, f"{OURS}Array.[0:1]", f"{OURS}Number"], seconds=0)
    assert wait(lambda: asked[f"{OURS}Number"].connected and asked[f"{OURS}Array.[0:1]"].connected)
    assert sides.client.absent(names, f"{OURS}Number") == names


def test_the_time_as_value(sides: Sides) -> None:
    for prefix in (OURS, STOCK):
        assert sides.client.channel(f"{prefix}Number").put(DOUBLE, 0.0) == NORMAL
    now = time.time()
    channels = sides.client.channels(prefix + name for prefix in (OURS, STOCK) for name in TIMES)
    for name in TIMES:
        ours, stock = channels[OURS + name], channels[STOCK + name]
        assert (name, ours.native, ours.length) == (name, stock.native, stock.length)
        assert type(ours.get()[0]) is type(stock.get()[0])
        assert len(ours.get()) == ours.length  # Base sends one of two numbers if the record is no array
    epics, text = (channels[f'{OURS}Number.{{"ts":{{"str":"{form}"}}}}'] for form in ("epics", "iso"))
    unix = channels[f'{OURS}Number.{{"ts":{{"num":"ts","epoch":"unix"}}}}']
    seconds, nanoseconds = unix.get()
    assert now - 60 < seconds + nanoseconds / 1e9 <= now
    local = time.localtime(seconds)
    assert epics.text() == f"{time.strftime('%Y-%m-%d %H:%M:%S', local)}.{int(nanoseconds):09}"
    assert (
        text.text() == f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{int(nanoseconds):09}{time.strftime('%z', local)}"
    )


def test_the_time_at_which_a_value_was_sent(sides: Sides) -> None:
    def seconds(name: str) -> float:
        data = sides.client.channel(name).get(TIME + DOUBLE)
        whole, rest = (int.from_bytes(data[i : i + 4], "little") for i in (4, 8))
        return whole + rest / 1e9

    for prefix in (OURS, STOCK):
        assert sides.client.channel(f"{prefix}Number").put(DOUBLE, 0.0) == NORMAL
        written = seconds(f"{prefix}Number")
        assert seconds(f'{prefix}Number.{{"ts":{{}}}}') > written
        assert seconds(f"{prefix}Number") == written


#: What is written one after the other, and through which filter it is listened to.
POSTS: list[tuple[str, list[float]]] = [
    ('{"dbnd":{"abs":1.5}}', [0, 1, 1.5, 1.6, 3, 3.2, 200, 200.5, 0.5]),
    ('{"dbnd":{"rel":50}}', [0, 1, 1.4, 2, 2.5, 4, 3, 1, 200]),
    ('{"dbnd":{"d":50}}', [90, 100, 101, 99, 120, 98]),  # an alarm is posted whatever its value
    ('{"dbnd":{"d":0}}', [1, 1, 2]),
    ('{"dbnd":{"d":-1}}', [1, 1, 2]),
    ('{"dec":{"n":1}}', [1, 2, 3]),
    ('{"dec":{"n":3}}', list(range(1, 10))),
    ('{"dec":{"n":3},"dbnd":{"d":1.5}}', list(range(1, 10))),
    ('{"dbnd":{"d":1.5},"dec":{"n":2}}', list(range(1, 10))),
    ('{"ts":{}}', [1, 2]),
]


@pytest.mark.parametrize("mask", [VALUE, VALUE | ALARM, ALARM])
@pytest.mark.parametrize(("filters", "values"), POSTS)
def test_what_is_posted_through_a_filter(sides: Sides, filters: str, values: list[float], mask: int) -> None:
    heard: dict[str, list[Any]] = {}
    for prefix in (OURS, STOCK):
        number = sides.client.channel(f"{prefix}Number")
        assert number.put(DOUBLE, 0.0) == NORMAL
        listening = sides.client.channel(f"{prefix}Number.{filters}")
        with listening.monitor(mask=mask) as posts:
            assert wait(lambda: len(posts) == 1)  # it is of this round
            for value in values:
                assert number.put(DOUBLE, value) == NORMAL
            listening.get()  # comes after all that was posted before
            heard[prefix] = [post[0] for post in posts]
    assert heard[OURS] == heard[STOCK]


#: What is written one after the other; True and False are values of the state.
STEPS: list[float | bool] = [1.0, 2.0, True, 3.0, 4.0, 200.0, False, 5.0, 6.0, True, False, 7.0, True, 8.0, False]


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("mode", ["before", "first", "last", "after", "while", "unless", 0, 1, 2, 3, 4, 5])
def test_what_is_posted_through_sync_follows_a_state_as_with_the_stock_ioc(
    sides: Sides, mode: str | int, begins: bool
) -> None:
    sides.set_state(begins)
    numbers = {prefix: sides.client.channel(f"{prefix}Number") for prefix in (OURS, STOCK)}
    sync = json.dumps({"sync": {"m": mode, "s": "Switch"}})
    listening = {prefix: sides.client.channel(f"{prefix}Number.{sync}") for prefix in numbers}
    for number in numbers.values():
        assert number.put(DOUBLE, 0.0) == NORMAL
    with ExitStack() as stack:
        posts = {prefix: stack.enter_context(channel.monitor(TIME + DOUBLE)) for prefix, channel in listening.items()}
        for channel in listening.values():
            channel.get()  # comes after the first value, if there is one
        for step in STEPS:
            if isinstance(step, bool):
                sides.set_state(step)
                continue
            for number in numbers.values():
                assert number.put(DOUBLE, step) == NORMAL
        for channel in listening.values():
            assert channel.get() == [8.0]  # reading is not filtered, and comes after all that was posted before
        heard = {prefix: [_value_and_severity(post) for post in told] for prefix, told in posts.items()}
    assert heard[OURS] == heard[STOCK]
    assert heard[OURS]


def _value_and_severity(post: bytes) -> tuple[float, int]:
    """Of a DBR_TIME_DOUBLE: an older value comes with the alarm that it had."""
    return float(np.frombuffer(post[16:24])[0]), int.from_bytes(post[2:4], "little")


def test_a_state_may_be_named_with_its_prefix_and_any_filter_may_follow(sides: Sides) -> None:
    sides.set_state(True)
    number = sides.client.channel(f"{OURS}Number")
    assert number.put(DOUBLE, 0.0) == NORMAL
    filters = f'{{"sync":{{"m":"while","s":"{OURS}Switch"}},"dbnd":{{"abs":1.5}}}}'
    with sides.client.channel(f"{OURS}Number.{filters}").monitor() as posts:
        assert wait(lambda: posts == [[0.0]])
        for value in (1.0, 2.0):
            assert number.put(DOUBLE, value) == NORMAL
        sides.set_state(False)
        assert number.put(DOUBLE, 9.0) == NORMAL
        number.get()
        assert posts == [[0.0], [2.0]]


def test_of_an_array_a_part_is_posted(sides: Sides) -> None:
    for prefix in (OURS, STOCK):
        array = sides.client.channel(f"{prefix}Array")
        listening = sides.client.channel(f"{prefix}Array.[-2:-1]")
        with listening.monitor() as posts:
            assert wait(lambda: len(posts) == 1)
            assert array.put(DOUBLE, 7.0, 8.0, 9.0) == NORMAL
            assert array.put(DOUBLE, *range(6)) == NORMAL
            assert wait(lambda: len(posts) == 3)
            assert posts == [[4, 5], [8, 9], [4, 5]]


def test_a_put_through_a_filter_is_one_to_the_whole(sides: Sides) -> None:
    for prefix in (OURS, STOCK):
        assert sides.client.channel(f'{prefix}Number.{{"dec":{{"n":5}}}}').put(DOUBLE, 4.5) == NORMAL
        assert sides.client.channel(f"{prefix}Number").get() == [4.5]


def test_each_channel_has_a_filter_of_its_own(sides: Sides) -> None:
    number = sides.client.channel(f"{OURS}Number")
    assert number.put(DOUBLE, 0.0) == NORMAL
    coarse, fine = (sides.client.channel(f'{OURS}Number.{{"dbnd":{{"d":{d}}}}}') for d in (10, 1))
    with coarse.monitor() as few, fine.monitor() as many:
        assert wait(lambda: bool(few and many))
        for value in (2.0, 4.0, 11.0):
            assert number.put(DOUBLE, value) == NORMAL
        assert (few, many) == ([[0.0], [11.0]], [[0.0], [2.0], [4.0], [11.0]])
        # Base may leave a second subscription without any value; here each has its first.
        with coarse.monitor() as late:
            assert wait(lambda: late == [[11.0]])


def test_what_a_record_says_of_itself_is_that_of_the_record(sides: Sides) -> None:
    filtered = sides.client.channel(f'{OURS}Number.{{"dec":{{"n":100}}}}')
    high = sides.client.channel(f"{OURS}Number.HIGH")
    plain = sides.client.channel(f"{OURS}Number")
    with filtered.monitor(CTRL + DOUBLE, PROPERTY) as posts:
        assert wait(lambda: len(posts) == 1)
        for limit in (90.0, 100.0):
            assert high.put(DOUBLE, limit) == NORMAL
        assert wait(lambda: len(posts) == 3)
    assert filtered.get(CTRL + DOUBLE) == plain.get(CTRL + DOUBLE)


def test_a_filter_goes_with_its_channel() -> None:
    record = _records()[0]
    views = Views([record])
    channel = find(views, f"{record.name}.[0:1]")
    assert list(views[record.name].fields.values()) == [channel]
    del channel
    gc.collect()
    assert dict(views[record.name].fields) == {}


@pytest.mark.parametrize(
    "text",
    ["{" * 400, '{"dbnd":{"d":' + "1" * 900 + "}}", "[" + "1" * 400 + "]", "{" + '"ts":{},' * 200 + "}", '{"a', "{'\\"],
)
def test_a_name_made_to_hurt_is_not_found(text: str) -> None:
    views = Views(_records())
    began = time.process_time()
    assert not knows(views, f"{OURS}Array.{text}")
    assert find(views, f"{OURS}Array.{text}") is None
    assert time.process_time() - began < 1  # of a processor; a millisecond is usual


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1", "has no ]"),
        ("[a:b]", "'a' is not a whole number"),
        ('{"ts"}', "'}' where : must be"),
        ('{"ts":{"num":}}', "num has no value"),
        ('{"ts":{"num":yes}}', "'yes' is no value"),
        ('{"ts":{}} more', "goes on behind its end"),
        ("{1:{}}", "'1' is no name"),
        ('{"ts":{"num":"dbl" "str":"iso"}}', "'str' where , or } must be"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, says: str) -> None:
    with pytest.raises(NoFilter, match=says):
        filter_syntax.read(text)


def test_longs_and_texts_are_filtered_as_what_they_are() -> None:
    longs = PvInfo("L", "waveform", "", [1, 2, 3], element="LONG", length=3)
    views = Views([Record(longs, "L"), Record(text_pv("T", "", 20, initial="häll"), "T")])
    part, text = find(views, "L.[1:2]"), find(views, "T.[0:2]")
    assert part is not None
    assert text is not None
    assert part.packed(LONG, 0)[2][:8] == (2).to_bytes(4) + (3).to_bytes(4)
    assert text.packed(dbr.CHAR, 0)[:2] == (8, 3)
    assert text.packed(dbr.CHAR, 0)[2][:3] == "häll".encode()[:3]


_WORDS = "Array Number Text VAL DESC arr dbnd ts dec num dbl -1 1.5 Infinity NaN 1e999 null /* */"
_PIECES = st.sampled_from(
    [
        *_WORDS.split(),
        *".$[]:{}\"',\\ä\0 0sdn",
    ]
)
_WRITTEN = st.dictionaries(
    st.sampled_from(["arr", "dbnd", "dec", "ts"]),
    st.dictionaries(
        st.sampled_from(["s", "i", "e", "d", "m", "abs", "rel", "n", "num", "str", "epoch"]),
        st.one_of(
            st.integers(), st.floats(), st.sampled_from(["abs", "rel", "dbl", "ts", "iso", "unix", "x"]), st.none()
        ),
        max_size=3,
    ),
    max_size=3,
).map(json.dumps)


@given(
    st.sampled_from(["Array", "Number", "Text", "String", "Switch"]),
    st.one_of(st.lists(_PIECES, max_size=25).map("".join), _WRITTEN.map(lambda text: f".{text}")),
)
def test_what_is_found_can_be_had_and_read_and_nothing_raises(base: str, behind: str) -> None:
    records = {record.info.name: record for record in _records()}
    views, name = Views(records.values()), OURS + base + behind
    found = find(views, name)
    assert (found is not None) == knows(views, name)
    if found is not None:
        found.subscribed()
        for value in (
            (1.0, 5.0, NAN, 5.0) if base == "Number" else (["", "text"] if base in ("Text", "String") else [1])
        ):
            records[base].post(value)
            found.packed(found.native, 0)
            found.packed(found.native + TIME, 0)
