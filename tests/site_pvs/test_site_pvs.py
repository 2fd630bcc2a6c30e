"""A site's process variables as plain data: names, values of all kinds, what is counted of a flood of updates."""

from __future__ import annotations

import json

import msgspec
import pytest

from pixieioc.site_pvs import NO_ANSWER, NOT_CONNECTED, OK, BadName, Reading, Tally, parse
from pixieioc.site_pvs.reading import ok, plain, severity_name, status_name
from pixieioc.site_pvs.wire import Answer, News, encode


@pytest.mark.parametrize(
    ("text", "protocol", "name"),
    [
        ("BEAM:CURRENT", "ca", "BEAM:CURRENT"),
        ("ca://BEAM:CURRENT.DESC$", "ca", "BEAM:CURRENT.DESC$"),
        ("pva://MAGNET:FIELD", "pva", "MAGNET:FIELD"),
    ],
)
def test_a_name_says_over_which_protocol_it_is_read(text: str, protocol: str, name: str) -> None:
    assert parse(text) == (protocol, name)


@pytest.mark.parametrize("text", ["", "ca://", "http://A", "A B", "A\tB", "x" * 121, "A\x00"])
def test_what_is_no_name_is_refused_with_what_it_must_be(text: str) -> None:
    with pytest.raises(BadName, match="must"):
        parse(text)


class _Float(float):
    pass


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (_Float(1.5), 1.5),
        (float("nan"), "NaN"),
        ([1.0, float("-inf")], [1.0, "-Infinity"]),
        (b"23 \xb0C\0rest", "23 \ufffdC"),
        ("x" * 5000, "x" * 4096),
        (True, True),
        (object, str(object)),
    ],
)
def test_any_value_can_be_kept_as_json(value: object, kept: object) -> None:
    found = plain(value)
    assert found == kept
    assert type(found) is type(kept)
    json.loads(json.dumps(found, allow_nan=False))
    assert encode(News({0: Reading(OK, found)}))


def test_alarms_have_names_and_what_has_none_its_number() -> None:
    assert (severity_name(2), status_name(3), severity_name(9), status_name(99)) == ("MAJOR", "HIHI", "9", "99")


def test_a_value_that_nobody_can_confirm_says_so_and_stays_with_its_time() -> None:
    known = Reading(OK, 5.0, "nA", "MINOR", "HIGH", 1e9)
    assert known.unanswered("no word") == Reading(NO_ANSWER, 5.0, "nA", "MINOR", "HIGH", 1e9, None, "no word")

    assert known.unanswered("first").unanswered("then").why == "first"
    assert Reading(NOT_CONNECTED).unanswered("no word") == Reading(NOT_CONNECTED)


@pytest.mark.parametrize(
    "stamp",
    [None, 0.0, -1.0, 631152000.0, 631152000.0 + 86400 * 365, 1.9e9, float("nan"), float("inf")],
)
def test_a_value_without_a_time_stamp_that_can_be_right_has_the_time_at_which_it_came(stamp: float | None) -> None:
    assert ok(1.5, stamp, 1.8e9) == Reading(OK, 1.5, time=1.8e9, time_of_arrival=True)


@pytest.mark.parametrize("stamp", [1e9, 1.8e9, 1.8e9 + 3600.0])
def test_the_time_stamp_of_a_server_is_kept_also_if_its_clock_is_not_ours(stamp: float) -> None:
    assert ok(1.5, stamp, 1.8e9, unit="nA") == Reading(OK, 1.5, "nA", time=stamp)


def test_a_flood_is_counted_and_tallies_add_up() -> None:
    one, other = Tally(), Tally()
    for value, severity in (
        (3.0, "NO_ALARM"),
        (-1, "INVALID"),
        ("text", "MINOR"),
        ([1.0, 99.0], "NO_ALARM"),
        (True, ""),
    ):
        one.note(Reading(OK, value, severity=severity))
    for reading in (Reading(NOT_CONNECTED), Reading(OK, 10.0, severity="MAJOR")):
        other.note(reading)
    one.add(other)
    one.add(Tally())
    assert (one.updates, one.numbers, one.minimum, one.maximum, one.mean) == (6, 3, -1.0, 10.0, 4.0)
    assert (one.disconnections, one.worst) == (1, "INVALID")
    assert Tally().mean is None


def test_messages_come_out_as_they_went_in() -> None:
    for message in (News({1: Reading(OK, [1, "a"])}, {1: Tally(2)}), Answer(1, 2, Reading(NOT_CONNECTED))):
        assert msgspec.msgpack.decode(encode(message)[4:], type=News | Answer) == message
