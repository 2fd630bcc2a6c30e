"""`pixieioc replay`: the numbers of the recording, the files it makes, and that nothing is left when it fails."""

from __future__ import annotations

import gzip
import io
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib.image import imread
from rich.console import Console

from pixieioc.config import ConfigError
from pixieioc.listmode.encode import encode
from pixieioc.listmode.variant import variant
from pixieioc.offline.job import Job, prepare
from pixieioc.offline.plot import plot
from pixieioc.offline.replay import Listener, replay
from pixieioc.offline.show import following, print_summary
from pixieioc.offline.summary import Spectra, Summary
from pixieioc.pipeline import Error
from tests.compiling import next_line, without_compiling
from tests.conftest import DATA
from tests.listmode.samples import random_events
from tests.running_ioc import ROOT
from tests.tasks.test_write_events import read

FULL = str(DATA / "pixie16_binary_data-full.bin")
#: A task that fails in the middle of the data, and one that never comes to their end.
BAD_TASKS = """
import threading
from typing import Any
from pixieioc.pipeline import Error, Task

class Fails(Task):
    def do_work(self, datum: Any) -> None:
        self.send(datum)
        if self.counter == 2:
            raise Error("does not like this")

class Stuck(Task):
    def do_work(self, datum: Any) -> None:
        print("is here")
        while not self.stopping:
            threading.Event().wait(0.02)
"""
#: What stands for a package that is not installed.
WITHOUT = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError("No module named " + repr(name))
sys.meta_path.insert(0, Blocker())
from pixieioc.cli import main
sys.argv = ["pixieioc", "replay", *{arguments}]
main()
"""


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "pixieioc", "replay", *map(str, arguments)]


def _run(*arguments: str | Path, code: int = 0, command: Sequence[str] = ()) -> tuple[str, str]:
    """stdout and stderr of the program, which must end with that exit code."""
    done = subprocess.run(
        command or _command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout, without_compiling(done.stderr)


@pytest.fixture
def bad_tasks(tmp_path: Path) -> Path:
    """A folder with configurations that have one of the bad tasks in their chain."""
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "bad_tasks.py").write_text(BAD_TASKS)
    for name in ("Fails", "Stuck"):
        chain = f'chain = ["LoadFiles", "ConvertToEvents", "{name}"]\nimports = ["bad_tasks"]\n'
        (folder / f"{name}.toml").write_text(f"[pipeline]\n{chain}[tasks.LoadFiles]\nblock_size = 8000\n")
    return folder


def test_one_json_object_and_nothing_else() -> None:
    out, err = _run(FULL, "--json")
    told = json.loads(out)
    assert err == ""
    assert out.count("\n") == 1
    assert {name: told[name] for name in ("events", "energy_sum", "bytes", "trace_samples", "pileup")} == {
        "events": 24_598, "energy_sum": 351_344_482, "bytes": 393_568, "trace_samples": 0, "pileup": 6,
    }  # fmt: skip
    assert told["counts"] == {"0": {"9": 12_105, "10": 12_493}}
    assert sum(channel["energy_sum"] for channel in told["channels"]) == 351_344_482
    assert (told["bytes_lost"], told["bytes_left_over"], told["corrupt_regions"], told["late_events"]) == (0, 0, 0, 0)
    assert (told["first_time"], told["last_time"]) == (1_170_569_551_910, 1_180_572_322_710)
    assert 0 < told["seconds"] < 300
    assert (told["out"], told["bytes_written"], told["plot"]) == (None, 0, None)
    assert (told["runs"], told["damage"]) == (1, "")


def test_tables_a_file_and_a_picture(tmp_path: Path) -> None:
    # On stderr, matplotlib may say that it looks for fonts.
    out, _ = _run(FULL, "--out", tmp_path / "events.parquet", "--plot", tmp_path / "spectra.png")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "module channel events events/s mean energy pile-up" in lines
    assert "0 9 12105 1210.2 24693.1 3" in lines
    assert "all 24598 2459.1 14283.5 6" in lines
    assert "energy sum 351344482 ADC units" in lines
    assert "corrupt regions none" in lines
    assert "\x1b" not in out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "events.parquet",
        "events.parquet.json",
        "spectra.png",
    ]
    events = read(tmp_path / "events.parquet")
    assert len(events["time"]) == 24_598
    assert (np.diff(events["time"] + events["cfd"].astype(float)) >= 0).all()
    assert np.bincount(events["channel"])[9:].tolist() == [12_105, 12_493]
    # No time of the present is in it: the same files give the same events.
    assert events["chunk_timestamp"][0] == 0
    assert events["chunk_timestamp"][-1] == pytest.approx(10.0027708, abs=1e-6)
    picture = imread(tmp_path / "spectra.png")
    assert picture.shape[2] == 4
    assert picture.shape[1] > 800
    assert picture[..., :3].std() > 0.05


def test_npy_by_the_name(tmp_path: Path) -> None:
    row = variant(250, 34688)
    given = random_events(row, 400, 1)
    encode(given, row).tofile(tmp_path / "run_mod03.bin")
    job = Job((str(tmp_path / "run_mod03.bin"),), out=tmp_path / "events.npy", format="npy", adc_mhz=(250.0,))
    heard: list[tuple[float, int]] = []
    summary = replay(job, Listener(progress=lambda percent, events: heard.append((percent, events))))
    assert heard[-1] == (100.0, 400)
    assert summary.counts == {3: {c: int(n) for c, n in enumerate(np.bincount(given["channel"])) if n}}
    assert summary.trace_samples == given["trace_length"].sum() > 0
    files = {path.name: path for path in tmp_path.iterdir()}
    assert sorted(files) == [
        "events.extra.npy", "events.npy", "events.npy.json", "events.traces.npy", "run_mod03.bin",
    ]  # fmt: skip
    assert summary.bytes_written == sum(path.stat().st_size for path in files.values() if path.suffixes[-1] == ".npy")
    back = read(tmp_path / "events.npy")
    assert back["energy"].sum() == given["energy"].sum() == summary.energy_sum
    assert np.sort(back["qdc"], axis=0).tolist() == np.sort(given["qdc"], axis=0).tolist()


def test_damaged_data_are_counted_and_are_no_error(tmp_path: Path) -> None:
    words = np.fromfile(FULL, "<u4")
    np.concatenate([words[:400], np.zeros(5, np.uint32), words[400:-2]]).tofile(tmp_path / "broken.bin")
    told, shown = io.StringIO(), io.StringIO()
    with following(Console(file=told)) as listener:
        summary = replay(Job((str(tmp_path / "broken.bin"),)), listener)
    assert without_compiling(told.getvalue()) == "ConvertToEvents: module 0: 20 bytes broken at byte 1600 of this run\n"
    assert not summary.intact
    print_summary(Console(file=shown, force_terminal=True, color_system="standard"), summary)
    [corrupt] = [line for line in shown.getvalue().splitlines() if "corrupt" in line]
    assert "1, with 20 bytes that are in no event" in corrupt
    assert "\x1b[1;31m" in corrupt
    assert "8 bytes of records that are not complete" in shown.getvalue()


def test_a_bar_on_a_terminal_only(tmp_path: Path) -> None:
    np.tile(np.fromfile(FULL, "<u4"), 20).tofile(tmp_path / "long.bin")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    command = _command(tmp_path / "long.bin", "--json", "--set", "SortEvents.reset_time=1e6")
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=theirs, timeout=240, check=True
    )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert json.loads(done.stdout)["events"] == 20 * 24_598
    assert "replay" in shown
    assert " events" in shown
    assert "━" in shown


def test_a_failing_task_leaves_no_file(tmp_path: Path, bad_tasks: Path) -> None:
    out, err = _run(FULL, "--config", bad_tasks / "Fails.toml", "--out", tmp_path / "events.npy", code=1)
    assert (out, err) == ("", "pixieioc: does not like this\n")
    assert list(tmp_path.iterdir()) == [bad_tasks]


@pytest.mark.parametrize(
    ("number", "code", "left"),
    [
        (signal.SIGINT, 130, 0),
        *((number, 128 + number, 0) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)),
        (signal.SIGKILL, -signal.SIGKILL, 1),
    ],
)
def test_an_interrupted_job_leaves_no_file(
    tmp_path: Path, bad_tasks: Path, number: signal.Signals, code: int, left: int
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    command = _command(FULL, "--config", bad_tasks / "Stuck.toml", "--out", target / "events.parquet", "--json")
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as job:
        assert job.stdout is not None
        assert job.stderr is not None
        assert next_line(job.stderr) == "Stuck: is here\n"
        if number == signal.SIGKILL:
            job.kill()
        else:  # as a terminal does
            os.killpg(job.pid, number)
        assert job.wait(60) == code
        assert job.stdout.read() == ""
        expected = {signal.SIGINT: "pixieioc: interrupted, nothing is kept\n"}
        assert without_compiling(job.stderr.read()) == expected.get(number, "")
    assert not (target / "events.parquet").exists()
    assert len(list(target.iterdir())) == left


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        ({"run.bin": b""}, "no event in {}/run.bin: nothing is in it"),
        ({"run_mod00.bin": b"", "run_mod01.bin": b""}, "run_mod01.bin: nothing is in them"),
        ({"run.bin": b"ab"}, "no event in {}/run.bin: of 2 bytes, 0 are no records and 2 are of records"),
        (
            {"run.bin": np.random.default_rng(5).bytes(40_000)},
            (
                "no event in {}/run.bin: of 40000 bytes, 40000 are no records and 0 are of records that are not "
                "complete; raw list-mode data of other ADC rates or firmware revisions look so, too"
            ),
        ),
    ],
)
def test_files_without_any_event_are_an_error(tmp_path: Path, contents: dict[str, bytes], says: str) -> None:
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    files = [str(tmp_path / name) for name in contents]
    made = ["--json", "--out", tmp_path / "events.npy", "--plot", tmp_path / "a.png"]
    out, err = _run(*files, *made, code=1)
    assert out == ""
    assert err.splitlines()[-1].startswith("pixieioc: ")
    assert says.format(tmp_path) in err.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(contents)


def test_a_run_that_has_recorded_nothing_is_read_like_any_other(tmp_path: Path) -> None:
    for module in (0, 1):
        (tmp_path / f"run7_mod{module:02}.bin").write_bytes(b"")
        (tmp_path / f"run7_mod{module:02}.bin.json").write_text('{"run_id": 7, "start_time": 1e9, "bytes": 0}')
    out, err = _run(str(tmp_path / "*.bin"), "--json", "--out", tmp_path / "events.npy")
    told = json.loads(out)
    assert (told["events"], told["bytes"], told["runs"], err) == (0, 0, 1, "")
    assert len(np.load(tmp_path / "events.npy")) == 0


def test_an_empty_file_beside_others_is_that_of_a_quiet_module(tmp_path: Path) -> None:
    (tmp_path / "run_mod00.bin").write_bytes(Path(FULL).read_bytes())
    (tmp_path / "run_mod01.bin").write_bytes(b"")
    out, _ = _run(str(tmp_path / "*.bin"), "--json")
    assert json.loads(out)["events"] == 24_598


def test_events_that_no_task_lets_through_are_no_error() -> None:
    out, _ = _run(FULL, "--json", "--config", "examples/energy_cut.toml", "--set", "EnergyCut.lowest=65535")
    assert json.loads(out)["events"] == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--adc-mhz", "5"], "--adc-mhz 5: must be one of 100, 250, 500"),
        (["--adc-mhz", "500", "--adc-mhz", "125.5"], "--adc-mhz 125.5: must be one of 100, 250, 500"),
        (["--firmware", "12"], "--firmware 12: must be a number from "),
        (["--window", "-1"], "--window -1: must be a number from 0 "),
        (["--module-pattern", "mod"], "--module-pattern mod: must have exactly one group, the number"),
    ],
)
def test_an_impossible_option_is_named_with_what_is_allowed(options: list[str], says: str) -> None:
    _refused(f"pixieioc: {says}", FULL, *options)


def test_each_impossible_option_has_a_line() -> None:
    out, err = _run(FULL, "--adc-mhz", "5", "--window", "-1", code=1)
    assert out == ""
    assert [line.partition(":")[2][:10] for line in err.splitlines()] == [" --adc-mhz", " --window "]


def _refused(says: str, *arguments: str | Path) -> None:
    out, err = _run(*arguments, code=1)
    assert out == ""
    assert err.startswith("pixieioc: ")
    assert err.count("\n") == 1
    assert says in err


def test_a_file_that_is_there_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.npy").write_text("mine")
    _refused("mine.npy exists already; nothing is overwritten", FULL, "--out", tmp_path / "mine.npy")
    assert (tmp_path / "mine.npy").read_text() == "mine"


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ({"files": ("/nowhere/a.bin",)}, "^no file /nowhere/a.bin$"),
        ({"files": ("/nowhere/*.bin",)}, r"^no file matches /nowhere/\*.bin$"),
        ({"out": Path("/nowhere/a.npy")}, "there is no folder /nowhere"),
        ({"plot": ROOT / "docs" / "screens" / "run.png"}, "run.png exists already"),
        ({"adc_mhz": (5.0,)}, r"ConvertToEvents.adc_mhz = \[5.0\]: must be a list of numbers from 100 to 500"),
        ({"sets": ("SortEvents.windw=3",)}, "did you mean window"),
        ({"sets": ("GatherData.auto_save=true",)}, "GatherData: not in pipeline.chain"),
        ({"sets": ("nonsense",)}, "must be task.parameter=value"),
        ({"window_us": -1.0}, "SortEvents.window = -1.0: must be a number from 0"),
        ({"out": Path("x.root")}, "x.root: the name of a file of events must end with .parquet or .pq or .npy"),
        ({"out": Path("x.npy"), "format": "parquet"}, "of the format parquet must end with .parquet or .pq"),
        ({"plot": Path("x.root")}, "x.root: the name of a picture must end with .png or .pdf or .svg"),
        ({"files": ("/dev/null",)}, "^/dev/null is a character device, no raw data$"),
        ({"files": (str(DATA),)}, "data is a folder: give the files in it"),
        ({"files": ("/dev/fd/987",)}, "^no file /dev/fd/987: it is not open$"),
        ({"config": Path("/nowhere.toml")}, "/nowhere.toml: No such file"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_started(job: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        replay(Job(**{"files": (FULL,), **job}))


def test_what_only_a_task_knows_is_said_too() -> None:
    with pytest.raises(Error, match="module 0: ADC rate 125 MHz: must be one of"):
        replay(Job((FULL,), adc_mhz=(125.0,)))


@pytest.mark.parametrize(
    ("package", "arguments", "says"),
    [
        (
            "pyarrow",
            ["--out", "{}/events.parquet"],
            "Parquet files need the package pyarrow: pip install 'pixieioc[anal",
        ),
        (
            "matplotlib",
            ["--plot", "{}/spectra.png"],
            "a plot needs the package matplotlib: pip install 'pixieioc[analy",
        ),
    ],
)
def test_a_package_that_is_missing(tmp_path: Path, package: str, arguments: list[str], says: str) -> None:
    program = WITHOUT.format(blocked={package}, arguments=[FULL, *(text.format(tmp_path) for text in arguments)])
    out, err = _run(command=[sys.executable, "-c", program], code=1)
    assert out == ""
    assert err.startswith(f"pixieioc: {says}")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_npy_needs_no_package(tmp_path: Path) -> None:
    blocked = {"pyarrow", "matplotlib", "caproto"}
    arguments = [FULL, "--out", str(tmp_path / "events.npy"), "--json"]
    out, _ = _run(command=[sys.executable, "-c", WITHOUT.format(blocked=blocked, arguments=arguments)])
    assert json.loads(out)["events"] == len(np.load(tmp_path / "events.npy")) == 24_598


def test_settings_and_tasks_of_a_configuration() -> None:
    out, _ = _run(FULL, "--json", "--config", "examples/energy_cut.toml", "--set", "EnergyCut.highest=6000")
    assert json.loads(out)["events"] == 24_598 - np.count_nonzero(_cut(5000, 6000))


def _cut(low: int, high: int) -> np.ndarray[Any, Any]:
    energies = np.fromfile(FULL, "<u4")[3::4] & 0xFFFF
    return (energies < low) | (energies > high)


def test_the_source_and_the_raw_files_of_a_configuration_are_not_used() -> None:
    config, _ = prepare(Job((FULL,), config=ROOT / "examples" / "demo.toml", out=Path("new.npy"), format="npy"))
    assert config.chain[0] == "LoadFiles"
    assert config.chain[-2:] == ("WriteEvents", "CountEvents")
    assert {"DummyData", "GatherData", "FillSpectra"}.isdisjoint(config.chain)
    counting = config.settings["CountEvents"]
    assert (counting["modules"], counting["channels"]) == (256, 64)


def test_a_picture_of_many_channels(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    counts = np.zeros((13, 32, 256), np.int32)
    counts[[0, 0, 3], [2, 30, 5], :40] = random.poisson(50, (3, 40))
    counts[7, :16] = random.poisson(5, (16, 256))
    summary = Summary(
        files=("a.bin", "b.bin"), bytes=0, events=int(counts.sum()), channels=(), energy_sum=0, trace_samples=0,
        pileup=0, corrupt_regions=0, bytes_lost=0, bytes_left_over=0, damage="", late_events=0, runs=1,
        counter_resets=1, first_time=0, last_time=1, seconds=1.0, out=None, bytes_written=0, plot=None,
    )  # fmt: skip
    plot(Spectra(counts, 256.0, 17), summary, tmp_path / "many.png")
    plot(Spectra(counts * 0, 256.0, 0), summary, tmp_path / "none.png")
    heights = {path.name: imread(path).shape[0] for path in tmp_path.iterdir()}
    assert heights["many.png"] > 2 * heights["none.png"]


def test_any_number_of_files_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    whole, folder = Path(FULL).read_bytes(), tmp_path / ("long" * 50)
    folder.mkdir()
    for part in range(100):
        (folder / f"part_{part}.bin").write_bytes(whole[part * 4001 : (part + 1) * 4001])
    names = sorted(str(path) for path in folder.iterdir())  # as a shell does: part_10 before part_2
    assert sum(map(len, names)) > 20_000
    summary = replay(Job(tuple(names)))
    assert (summary.events, summary.bytes, summary.intact) == (24_598, 393_568, True)
    assert summary.files == tuple(names)


@pytest.mark.parametrize("how", ["pipe", "socket", "file", "rest of a file", "fifo"])
def test_what_another_program_writes_is_read(tmp_path: Path, how: str) -> None:
    name, whole = "-", Path(FULL).read_bytes()
    path, (theirs, mine) = tmp_path / "mod05.bin", socket.socketpair()
    if how == "fifo":
        name = str(path)
        os.mkfifo(path)
    else:
        path.write_bytes(b"12345678" * (how != "file") + whole)
    with theirs, mine, (path if how != "fifo" else Path(FULL)).open("rb", buffering=0) as source:
        source.seek(0 if how == "file" else 8)
        given = {"pipe": subprocess.PIPE, "socket": theirs.fileno()}.get(how, source.fileno())
        with subprocess.Popen(_command(name, "--json"), cwd=ROOT, stdin=given, stdout=subprocess.PIPE) as job:
            theirs.close()
            if how == "fifo":
                path.write_bytes(whole)
            elif how == "socket":
                mine.sendall(whole)
                mine.close()
            out, _ = job.communicate(whole if how == "pipe" else None, timeout=240)
    told = json.loads(out)
    assert (told["events"], told["bytes"], told["late_events"]) == (24_598, 393_568, 0)
    assert list(told["counts"]) == ["5" if how in ("file", "fifo") else "0"]
    assert told["files"] == [name]


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(("size", "says"), [(48_000, "345568 are missing"), (787_136, "393568 are too many")])
def test_a_file_that_is_not_as_long_as_it_was_is_an_error(tmp_path: Path, ending: str, size: int, says: str) -> None:
    whole = Path(FULL).read_bytes()
    path = tmp_path / f"a.bin{ending}"
    content = (2 * whole)[:size]
    path.write_bytes(gzip.compress(content) if ending else content)
    (tmp_path / "a.bin.json").write_text(json.dumps({"run_id": 7, "start_time": 5.0, "bytes": len(whole)}))
    told = json.loads(_run(path, "--json", code=1)[0])
    assert told["damage"].startswith(f"{path} has {len(content)} bytes, and had {len(whole)} when it was written: ")
    assert told["damage"].endswith(says)


def test_a_compressed_file_that_is_cut_is_an_error_and_what_it_has_is_kept(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.bin.gz")  # a name that is not UTF-8
    path.write_bytes(gzip.compress(Path(FULL).read_bytes())[:-100])
    out, err = _run(path, "--json", "--out", tmp_path / os.fsdecode(b"caf\xe9.parquet"), code=1)
    told = json.loads(out)
    assert 24_000 < told["events"] < 24_598
    assert told["files"] == [str(path)]
    assert told["damage"].startswith(
        f"{tmp_path}/caf\\xe9.bin.gz ends in the middle of its gzip-compressed data, at byte"
    )
    assert err.splitlines()[-1] == f"pixieioc: not all could be read: {told['damage']}"
    [written] = tmp_path.glob("*.parquet")
    with written.open("rb") as file:
        assert pq.read_table(file).num_rows == told["events"]
    shown, err = _run(path, code=1)
    assert "damaged files" in shown
    assert err.splitlines() == ["pixieioc: not all could be read: see damaged files"]  # told once, in the table
