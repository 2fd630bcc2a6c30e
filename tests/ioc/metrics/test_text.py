"""The text of metrics, as Prometheus' own parsers read it."""

from __future__ import annotations

import math
import os
import shutil
import subprocess

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as open_parser

from pixieioc.config import IocTable
from pixieioc.config_schema import RecSyncTable
from pixieioc.ioc.metrics.families import Family, families_of
from pixieioc.ioc.metrics.names import OF_TASK, OWN, REPORTS, metric_name
from pixieioc.ioc.metrics.text import OPEN, PLAIN, Exposition, Format
from pixieioc.ioc.records import INVALID, Pvs
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.build import all_pvs
from tests.configs import config_of
from tests.ioc.ca.peer import conversation

CHAIN = ("DummyData", "GatherData", "ConvertToEvents", "SortEvents", "GatherEvents", "FillSpectra", "PrintData")
#: With every task that there is; it could not run.
EVERYTHING = (
    "TakeData", "DummyData", "LoadFiles", "GatherData", "ConvertToEvents", "SortEvents", "PickSingleModule",
    "GatherEvents", "FillSpectra", "SnapTraces", "WriteEvents", "CountEvents", "PublishEvents", "PrintData",
)  # fmt: skip

RECSYNC = IocTable(recsync=RecSyncTable(on=True))

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def _pvs(*chain: str, ioc: IocTable | None = None) -> Pvs:
    facts = {"modules": 2, "channels": 3}
    tasks = {name: facts for name in ("DummyData", "FillSpectra") if name in chain}
    return Pvs(all_pvs(config_of(chain, tasks, ioc=ioc)), "PX16:")


def _text(pvs: Pvs, form: Format = PLAIN) -> str:
    families = families_of(record.info for record in pvs.values())
    about = [(Family("pixieioc_info", 'Which "IOC" \\ this is.'), (("prefix", 'P"X\\'),))]
    return "".join(Exposition(families, pvs, about).pieces(form))


def _read(text: str, is_open: bool = False) -> Samples:
    """The samples that Prometheus' parser finds, of which no two are the same."""
    read = open_parser.text_string_to_metric_families if is_open else parser.text_string_to_metric_families
    found = [(s.name, tuple(sorted(s.labels.items())), s.value) for family in read(text) for s in family.samples]
    samples = {(name, labels): value for name, labels, value in found}
    assert len(samples) == len(found)
    return samples


def test_both_formats_say_the_same() -> None:
    pvs = _pvs(*EVERYTHING)
    plain, open_ = _read(_text(pvs)), _read(_text(pvs, OPEN), is_open=True)
    assert len(plain) > 400
    assert plain == pytest.approx(open_, nan_ok=True)
    assert plain["pixieioc_info", (("prefix", 'P"X\\'),)] == 1


@conversation
async def test_numbers_are_in_base_units() -> None:
    pvs = _pvs(*CHAIN)
    pvs.post("DiskFree_RBV", 2.5)
    pvs.post("DeadTime_RBV", 12.5)
    pvs.post("FillSpectra:MemUsed_RBV", 123.5)
    pvs.post("FillSpectra:CpuLoad_RBV", math.nan)
    pvs.post("M01:C02:InputCountRate_RBV", 1234.5)
    pvs.post("BytesWritten_RBV", 12_345_678_901)
    pvs.post("M00:C01:ROI2:Counts_RBV", 7)
    pvs.post("FillSpectra:Status", "LOST")
    samples = _read(_text(pvs))
    task = ("task", "FillSpectra")
    channel = (("channel", "2"), ("module", "1"), ("task", "DummyData"))
    assert samples["pixieioc_disk_free_bytes", ()] == 2.5e9
    assert samples["pixieioc_run_dead_time_ratio", ()] == 0.125
    assert samples["pixieioc_task_memory_bytes", (task,)] == 123.5e6
    assert math.isnan(samples["pixieioc_task_cpu_ratio", (task,)])
    assert samples["pixieioc_channel_input_counts_per_second", channel] == 1234.5
    assert samples["pixieioc_task_written_bytes_total", (("task", "GatherData"),)] == 12_345_678_901
    roi = (("channel", "1"), ("module", "0"), ("number", "2"), task)
    assert samples["pixieioc_channel_roi_counts", roi] == 7
    assert samples["pixieioc_task_status", (("state", "LOST"), task)] == 1
    assert samples["pixieioc_task_status", (("state", "RUNNING"), task)] == 0


@conversation
async def test_what_nobody_knows_is_left_out() -> None:
    pvs = _pvs(*CHAIN)
    pvs["FillSpectra:Counter_RBV"].post_alarm(INVALID)
    samples = _read(_text(pvs))
    assert ("pixieioc_task_items_total", (("task", "FillSpectra"),)) not in samples
    assert ("pixieioc_task_items_total", (("task", "SortEvents"),)) in samples


def test_help_is_what_the_process_variable_says_of_itself() -> None:
    text = _text(_pvs(*CHAIN))
    assert "# HELP pixieioc_ca_clients Channel Access clients.\n# TYPE pixieioc_ca_clients gauge\n" in text
    dropped = "Items that could not be passed on, or were discarded, in this run."
    assert f"# HELP pixieioc_task_dropped_items_total {dropped}\n" in text
    assert "# TYPE pixieioc_task_dropped_items_total counter\n" in text
    assert f"# HELP pixieioc_task_dropped_items {dropped}\n" in _text(_pvs(*CHAIN), OPEN)


def test_the_table_of_names_is_about_what_there_is() -> None:
    pvs = _pvs(*EVERYTHING, ioc=RECSYNC)
    sources = [record.info.source for record in pvs.values()]
    assert OWN.keys() - pvs.keys() == set()
    assert OF_TASK.keys() - {source.name for source in sources if source.kind == "run"} == set()
    reports = {source.name for source in sources if source.kind == "report"}
    assert REPORTS.keys() - reports == {"missed", "missed_bytes"}  # which are those of a sampling branch


@pytest.mark.parametrize(
    ("scope", "name", "unit", "expected"),
    [
        ("task", "lag", "s", ("pixieioc_task_lag_seconds", 1)),
        ("", "disk_free", "GB", ("pixieioc_disk_free_bytes", 1e9)),
        ("task", "sent_total", "B", ("pixieioc_task_sent_bytes_total", 1)),
        ("task", "sent_bytes", "B", ("pixieioc_task_sent_bytes", 1)),
        ("task", "gain", "mV/keV", ("pixieioc_task_gain_mv_kev", 1)),
        ("task", "hits_total", "", ("pixieioc_task_hits_total", 1)),
        ("task", "hits_total_now", "", ("pixieioc_task_hits_total_now", 1)),
        ("task", "weighted_sum", "", ("pixieioc_task_weighted_sum_value", 1)),
        ("channel", "temperature", "°C", ("pixieioc_channel_temperature_c", 1)),
    ],
)
def test_names(scope: str, name: str, unit: str, expected: tuple[str, float]) -> None:
    assert metric_name(scope, name, unit) == expected


def test_a_unit_of_unknown_letters_gives_a_name_all_the_same() -> None:
    assert metric_name("task", "drift", "µ") == ("pixieioc_task_drift", 1)


@conversation
async def test_infinite_and_large_numbers() -> None:
    infos = {
        "IOC:CA_CLNT_CNT": PvInfo("IOC:CA_CLNT_CNT", "ai", "A\nnumber.", 0.0),
        "SumSevr_RBV": PvInfo("SumSevr_RBV", "longin", ""),
    }
    pvs = Pvs(infos, "")
    for value in (math.inf, -math.inf, 1e300, 2.0**53, 0.1, -0.0):
        pvs.post("IOC:CA_CLNT_CNT", value)
        for form in (PLAIN, OPEN):
            assert _read(_text(pvs, form), form.is_open)["pixieioc_ca_clients", ()] == value


@pytest.mark.skipif(not (os.environ.get("PROMTOOL") or shutil.which("promtool")), reason="there is no promtool")
def test_promtool_finds_nothing_to_say() -> None:
    tool = os.environ.get("PROMTOOL") or shutil.which("promtool") or ""
    text = _text(_pvs(*EVERYTHING))
    done = subprocess.run(
        [tool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=240, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
