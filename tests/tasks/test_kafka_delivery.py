"""Deliveries are counted by what brokers confirm: the real client, with brokers that it simulates, or with none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from pixieioc.listmode import events as ev
from pixieioc.pipeline import Error
from pixieioc.tasks.kafka_delivery import Delivery, Outgoing
from pixieioc.tasks.kafka_settings import producer_properties
from pixieioc.tasks.publish_events import PublishEvents
from pixieioc.testing import Outcome, run_task
from tests.stopwatch import Stopwatch
from tests.tasks.test_kafka_settings import DEFAULTS
from tests.tasks.test_stream_messages import sorted_events

#: Brokers in the client itself; nobody else can ask them.
SIMULATED = {"client_settings": ["test.mock.num.brokers=1"]}
#: Nobody listens there.
NOBODY = {"brokers": "127.0.0.1:1"}


def until(delivery: Delivery, holds: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        delivery.poll(0.1)


def delivery(**settings: Any) -> Delivery:
    return Delivery(producer_properties({**DEFAULTS, **settings}), "PX16")


def message(sequence: int, size: int = 100) -> Outgoing:
    return Outgoing("t", bytes(size), 10, sequence)


def test_what_is_confirmed_is_counted() -> None:
    made = delivery(**SIMULATED)
    for sequence in range(50):
        made.give(message(sequence))
    assert made.waiting_bytes + made.bytes == 5000
    until(made, lambda: made.waiting == 0)
    assert (made.messages, made.events, made.bytes, made.waiting_bytes) == (50, 500, 5000, 0)
    assert (made.failed, made.failing, made.waited(time.monotonic())) == ([], "", 0.0)
    made.give(message(50))
    now = time.monotonic()
    assert made.stalled(now) <= made.waited(now) < 60


def test_without_brokers_messages_wait_and_can_be_given_up() -> None:
    made = delivery(**NOBODY)
    made.give(message(0))
    until(made, lambda: "Connection refused" in made.heard)
    assert (made.waiting, made.waiting_bytes, made.failed, made.events) == (1, 100, [], 0)
    now = time.monotonic()
    assert made.stalled(now) == pytest.approx(made.waited(now), abs=0.1)
    assert made.waited(time.monotonic() + 5) > 5
    made.give_up()
    assert (made.waiting, made.waiting_bytes, made.waited(time.monotonic())) == (0, 0, 0.0)


def test_a_message_that_has_failed_can_be_sent_again_with_its_content() -> None:
    made = delivery(**SIMULATED, message_size=10_000)
    made.give(message(0, 2_000_000))  # more than the client takes
    assert [(m.sequence, len(m.value)) for m in made.failed] == [(0, 2_000_000)]
    assert "too large" in made.failing
    made.give(message(1))
    until(made, lambda: made.messages == 1)
    assert (made.waiting, made.waiting_bytes) == (1, 2_000_000)
    made.failed[0] = message(0, 100)
    made.again()
    until(made, lambda: made.messages == 2)
    assert (made.failed, made.failing, made.waiting) == ([], "", 0)


def test_a_message_times_out_only_where_the_run_does_not_wait() -> None:
    made = delivery(**NOBODY, on_delivery_error="Stop", delivery_timeout=1.0)
    made.give(message(3))
    until(made, lambda: bool(made.failed))
    assert "timed out" in made.failing
    assert "Connection refused" in made.failing
    assert made.failed == [message(3)]


def test_a_client_that_refuses_its_settings_says_why() -> None:
    with pytest.raises(Error, match='refuses its settings: No such configuration property: "colour"'):
        delivery(client_settings=["colour=red"])


def blocks(count: int) -> list[dict[str, Any]]:
    return [{"events": sorted_events(1000, seed), "words_read": {0: 4000}, "quiet": []} for seed in range(count)]


def counts(outcome: Outcome) -> tuple[int, int, int]:
    told = outcome.reports
    return told["events_delivered"], told["events_waiting"], told["events_undelivered"]


@pytest.mark.parametrize("more", [{}, {"format": "ev44"}, {"counts_topic": "counts"}, {"run_topic": "runs"}])
def test_all_events_of_a_run_are_delivered_and_passed_on(more: dict[str, Any]) -> None:
    given = blocks(20)
    outcome = run_task(PublishEvents, given, {**SIMULATED, "message_size": 50_000, **more})
    assert counts(outcome) == (20_000, 0, 0)
    assert outcome.reports["events"] == 20_000
    assert outcome.reports["delivery_status"] in ("Unknown", "Delivery OK")
    assert sum(ev.size(item["events"]) for item in outcome.sent) == 20_000
    assert outcome.reports["messages_delivered"] >= 10


def test_a_run_without_brokers_ends_in_time_and_says_why() -> None:
    began = Stopwatch()
    with pytest.raises(Error, match="have not confirmed all events in time: .*Connection refused"):
        run_task(PublishEvents, blocks(2), {**NOBODY, "flush_timeout": 0.5})
    assert began.taken < 10


def test_a_run_that_needs_the_brokers_does_not_begin_without_them() -> None:
    with pytest.raises(Error, match="^no answer from 127.0.0.1:1: Connect to .* failed: Connection refused$"):
        run_task(PublishEvents, blocks(1), {**NOBODY, "on_delivery_error": "Stop"})


def test_a_broker_that_has_not_been_there_is_not_waited_for() -> None:
    made = delivery(**NOBODY)
    now = time.monotonic()
    assert made.stalled(now, absent=60.0) == 60.0
    made.give(message(0))
    assert made.stalled(now + 1, absent=60.0) == 60.0
    there = delivery(**SIMULATED)
    there.give(message(0))
    until(there, lambda: there.messages == 1)
    assert there.stalled(time.monotonic(), absent=60.0) < 10  # it is back, whatever was seen before
