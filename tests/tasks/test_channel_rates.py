"""Input rates and dead times: what the simulated detector knows of itself, and what modules' statistics say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pixieioc.hardware import Statistics
from pixieioc.listmode import events as ev
from pixieioc.tasks import fill_spectra
from pixieioc.tasks.channel_rates import counted, dead_times, mean, rates_of
from pixieioc.tasks.fill_spectra import FillSpectra
from pixieioc.testing import run_task
from tests.recorder import Recorder


def test_rates_and_dead_times_of_the_simulated_detector() -> None:
    """A channel that is dead for a time after each record takes rate / (1 + rate x time) records a second."""
    with Recorder({"DummyData": {"channels": 3, "channel_rate": 20_000, "dead_time": 25, "seed": 3}}) as pipeline:
        pipeline.chain_of("DummyData", "ConvertToEvents", "FillSpectra")
        pipeline.start()
        pipeline.until(lambda: pipeline.reported("DummyData", "events_made") > 60_000, 60)
        reports = [r for _, name, r in pipeline.heard_reports if name == "DummyData" and "channel_input_rate" in r]
        pipeline.stop()
        pipeline.wait(60)
        told = pipeline.reported
        rates = np.array([r["channel_input_rate"][0] for r in reports if r["channel_input_rate"].any()])
        dead = np.array([r["channel_dead_time"][0] for r in reports if r["channel_input_rate"].any()])
        assert rates.shape[1] == 3
        assert rates.mean(axis=0) == pytest.approx(20_000, rel=0.05)
        assert dead.mean(axis=0) == pytest.approx(100 * 0.5 / 1.5, rel=0.05)
        for report in reports:  # the three of one report belong together
            hits, records = report["channel_input_rate"], report["channel_output_rate"]
            assert (records <= hits).all()
            shown = 100 * (1 - np.divide(records, hits, out=np.ones_like(hits), where=hits > 0))
            assert report["channel_dead_time"] == pytest.approx(shown, abs=1e-9)
        assert told("DummyData", "live_share") == pytest.approx(100 / 1.5, rel=0.03)
        lost = told("DummyData", "hits_lost")
        of_all = 100 * lost / (lost + told("DummyData", "events_made"))
        assert told("DummyData", "live_share") == pytest.approx(100 - of_all, abs=0.3)
        # Without a run there are no rates, but its live time stays known.
        assert told("DummyData", "channel_input_rate").tolist() == [[0, 0, 0]]
        assert told("DummyData", "mean_dead_time") == 0


def test_a_run_that_is_shorter_than_the_time_between_reports_has_a_live_time() -> None:
    with Recorder({"DummyData": {"run_time": 0.1, "channel_rate": 20_000, "dead_time": 25}}) as pipeline:
        pipeline.chain_of("DummyData", "ConvertToEvents")
        pipeline.run_through()
        assert 60 < pipeline.reported("DummyData", "live_share") < 75


def _shown(monkeypatch: pytest.MonkeyPatch, bundle: float, look: float) -> list[list[float]]:
    """The output rates that are shown of 2 x 3000 events/s that come every `bundle` seconds, at looks in 10 s."""
    clock, shown, tasks = SimpleNamespace(now=0.0), [], list[FillSpectra]()
    monkeypatch.setattr(fill_spectra, "time", SimpleNamespace(monotonic=lambda: clock.now))

    def blocks() -> Iterator[dict[str, Any]]:
        [task] = tasks
        looks = count()
        due = look * next(looks)
        for number in range(1, int(10 / bundle) + 1):
            while due < number * bundle:
                clock.now, due = due, look * next(looks)
                task.do_report()
                shown.append(task.channel_output_rate[:, :2].ravel().tolist())
            clock.now = number * bundle
            events = ev.allocate(ev.BASE_COLUMNS, round(6000 * bundle), zero=True)
            events["channel"][:] = np.arange(ev.size(events)) % 2
            yield {"events": events, "words_read": {}, "quiet": []}

    began = FillSpectra.do_start

    def do_start(task: FillSpectra) -> None:
        tasks.append(task)
        began(task)

    monkeypatch.setattr(FillSpectra, "do_start", do_start)
    run_task(FillSpectra, blocks())
    return shown


@pytest.mark.parametrize("look", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("bundle", [0.02, 0.1, 0.3, 0.7, 1.3])
def test_output_rates_do_not_depend_on_how_events_are_bundled(
    monkeypatch: pytest.MonkeyPatch, bundle: float, look: float
) -> None:
    """Counted from look to look, blocks of 0.7 s would make them wrong by half."""
    shown = [rates for rates in _shown(monkeypatch, bundle, look) if any(rates)]
    assert len(shown) > 5
    assert shown == [pytest.approx([3000, 3000])] * len(shown)


def _module(hits: float, live: float, records: float, real: float) -> Statistics:
    """Statistics of a module: only channel 1 counts."""
    live_times, input_counts, output_counts = np.zeros((3, 16))
    live_times[1], input_counts[1], output_counts[1] = live, hits, records
    return Statistics(real, live_times, input_counts, output_counts)


def test_statistics_of_modules() -> None:
    first = counted([_module(8000, 8.0, 9000, 10.0)], 2, 3)
    hits, records = rates_of(first)
    assert (hits[0].tolist(), records[0].tolist()) == ([0, 1000, 0], [0, 900, 0])
    dead = dead_times(hits, records)
    assert dead[0] == pytest.approx([0, 10, 0])
    assert np.isnan([hits[1], records[1], dead[1]]).all()  # such a module there is not
    assert mean(hits, dead) == pytest.approx(10.0)
    hits, records = rates_of(counted([_module(8000 + 600, 8.5, 9000 + 600, 11.0)], 2, 3) - first)
    assert (hits[0, 1], records[0, 1], dead_times(hits, records)[0, 1]) == (1200, 600, pytest.approx(50.0))


@pytest.mark.parametrize(
    ("hits", "live", "records", "real"),
    [(10, 1.0, 12, 1.0), (10, 1.0, 10, 0.999), (0, 0.0, 3, 1.0), (0, 0.5, 1, 1.0), (5, 0.0, 0, 1.0), (0, 0.0, 0, 0.0)],
)
def test_no_module_has_more_records_than_hits(hits: float, live: float, records: float, real: float) -> None:
    rates, output = rates_of(counted([_module(hits, live, records, real)], 1, 2))
    dead = dead_times(rates, output)
    assert (output <= rates).all()
    assert ((dead >= 0) & (dead <= 100)).all()
    assert output == pytest.approx(rates * (1 - dead / 100))


def test_dead_times_are_shares_of_the_hits() -> None:
    assert dead_times(np.array([10, 10, 10, 0]), np.array([10, 5, 0, 0])).tolist() == [0, 50, 100, 0]


def test_a_mean_is_that_of_what_has_hits() -> None:
    assert mean(np.array([0, 5, 5, np.nan]), np.array([0, 10, 20, np.nan])) == 15
    assert mean(np.zeros(2), np.zeros(2)) == 0
    assert math.isnan(mean(np.zeros(2), np.full(2, np.nan)))
