"""Settings are saved soon after a change, and restored as by puts; the tasks do not run here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pixieioc.config import Config, IocTable, PipelineTable, check
from pixieioc.ioc import setting_files
from pixieioc.ioc.autosave import Autosave
from pixieioc.ioc.ca.view import Views
from pixieioc.ioc.errors import acknowledge_past
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.records import RESTORING, Client, PutRefused, Pvs, Record
from pixieioc.ioc.sav import read, written
from pixieioc.ioc.settings import Settings
from pixieioc.pvinfo.build import all_pvs
from tests.ioc.ca.peer import conversation
from tests.ioc.test_settings import JAN, Nobody

CHAIN = ("LoadFiles", "GatherData", "ConvertToEvents", "SortEvents", "Cut", "FillSpectra")
#: Longer than a change may wait to be saved, in seconds, on a busy computer; `settings_survive` measures it.
SOON = 60.0


class Office:
    """The settings of an IOC, kept in a folder, and a client that writes to them."""

    def __init__(self, config: Config, pipeline: LivePipeline) -> None:
        self.folder = config.state_folder
        infos = all_pvs(config)
        self.pvs = Pvs(infos, config.prefix)
        self.pvs.on_put("ErrorAck", lambda value, client: acknowledge_past(self.pvs))
        self.told: list[str] = []
        self.settings = Settings(self.pvs, config, pipeline, lambda: "", self._told, self._fault)
        self.autosave = Autosave(self.pvs, infos, config, Views(self.pvs.values()))
        self.rights: Callable[[str], bool] = lambda name: True
        self.autosave.serve(lambda view, client: client is JAN and self.rights(view.name))

    def _told(self, status: str, message: str, client: Client, pv: str) -> None:
        if client is not RESTORING:
            self.told.append(f"{status} {message}")

    def _fault(self, what: str, error: BaseException) -> None:
        raise AssertionError(what) from error

    async def put(self, name: str, value: Any) -> None:
        """Writes as a client does, to a field, too, and waits for the answer."""
        record, _, field = name.partition(".")
        answer = self.pvs[record].write(value, JAN)
        assert not field
        if answer is not None:
            await answer

    def __getitem__(self, name: str) -> Any:
        return self.pvs[name].value

    async def until(self, name: str, wanted: Any, seconds: float = 60.0) -> None:
        """Waits until a process variable has a value."""
        news = asyncio.Event()
        self.pvs[name].observe(_Alarm(news))
        async with asyncio.timeout(seconds):
            while self.pvs[name].value != wanted:
                news.clear()
                await news.wait()

    async def saved(self) -> dict[str, str]:
        """What the newest file has when what was written has been saved, which may take a second."""
        before = self["SR_0_Name"]
        async with asyncio.timeout(SOON):
            while self["SR_0_Name"] == before:
                await asyncio.sleep(0.01)
        path = self.newest()
        assert path is not None
        return dict(read(path.read_bytes()).values)

    def newest(self) -> Path | None:
        return max(self.folder.glob("settings-*.sav"), default=None)


class _Alarm:
    def __init__(self, news: asyncio.Event) -> None:
        self._news = news

    def changed(self, changes: int) -> None:
        self._news.set()


def config_of(folder: Path, chain: tuple[str, ...] = CHAIN, prefix: str = "P:", **tasks: dict[str, Any]) -> Config:
    table = PipelineTable(list(chain), imports=["tests.ioc.cut"])
    if "FillSpectra" in chain:
        tasks = {"FillSpectra": {"channels": 2}, **tasks}
    return check(table, {}, tasks, IocTable(state_dir=str(folder)), Path("/data"), prefix, "test")


@contextlib.asynccontextmanager
async def office(
    folder: Path, config: Config | None = None, *, restore: bool = True, starts: int = 1
) -> AsyncIterator[Office]:
    """From the start of an IOC to its end; its first file is there."""
    folder.mkdir(exist_ok=True)
    pipeline = LivePipeline(Nobody(), lambda: None, {})
    made = Office(config or config_of(folder), pipeline)
    await made.autosave.begin(restore=restore, starts=starts)
    try:
        yield made
    finally:
        await made.autosave.end()
        await pipeline.end()


@conversation
async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.put("SortEvents:Window", 50.0)
        await desk.put("M00:C01:ROI2:Name", "60Co")
        await desk.put("StopTimeout", 4.0)
        await desk.put("FileNumber", 17)
        await desk.put("FilePath", "/data/été\nzwei")
    async with office(tmp_path) as desk:
        shown = [desk[name] for name in ("SortEvents:Window", "M00:C01:ROI2:Name", "StopTimeout", "FileNumber")]
        assert shown == [50.0, "60Co", 4.0, 17]
        assert desk["FilePath"] == "/data/été\nzwei"
        assert desk["SortEvents:Window_RBV"] == 50.0
        assert desk.settings.used["SortEvents"]["window"] == 50.0
        assert (desk["SR_rebootStatus"], desk["SR_rebootStatusStr"]) == (4, "No errors")
        assert desk["SR_rebootMessage_RBV"].endswith(".sav: 5 settings restored")
        assert desk.told == []


@conversation
async def test_a_change_is_saved_soon(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        assert (await desk.saved())["P:StopTimeout"] == "8.0"  # the first one, of what is configured
        for number in (1.0, 2.0):
            await desk.put("StopTimeout", number)
            assert (await desk.saved())["P:StopTimeout"] == str(number)
        await desk.until("SR_0_Name", max(tmp_path.glob("*.sav")).name)
        assert desk["SR_recentlyStr"] == f"Saved {desk['SR_0_Name']}"


@conversation
async def test_what_was_written_last_is_saved_at_the_end(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.saved()
        await desk.put("StopTimeout", 3.0)
    async with office(tmp_path) as desk:
        assert desk["StopTimeout"] == 3.0


@conversation
async def test_ten_versions_are_kept_and_a_counted_number_is_none(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.saved()
        for number in range(2, 6):
            await desk.settings.apply_shared("file_number", number)
            await desk.saved()
        assert len(list(tmp_path.glob("*.sav"))) == 2  # those of the start and of the last count
        await desk.put("StopTimeout", 3.0)
        await desk.saved()
        assert len(list(tmp_path.glob("*.sav"))) == 3


@conversation
async def test_regions_are_restored_together_whatever_there_was_before(tmp_path: Path) -> None:
    region = "M00:C00:ROI1"
    async with office(tmp_path) as desk:
        await desk.put(f"{region}:Low", 1500)
        await desk.put(f"{region}:High", 1600)
        await desk.put("Cut:Highest", 4000)
        await desk.put("Cut:Lowest", 3000)
        await desk.put("M00:C01:ROI1:Low", 500)
        await desk.put("M00:C01:ROI1:High", 200)  # which does not fit, and waits
        assert desk["ConfigDirty_RBV"] == 1
    async with office(tmp_path) as desk:
        assert [desk[f"{region}:{end}_RBV"] for end in ("Low", "High")] == [1500, 1600]
        assert [desk[f"Cut:{end}_RBV"] for end in ("Lowest", "Highest")] == [3000, 4000]
        assert desk["M00:C01:ROI1:High"] == 200  # it waits still
        assert desk["ConfigDirty_RBV"] == 1
        await desk.put("M00:C01:ROI1:Low", 100)
        assert (desk["M00:C01:ROI1:High_RBV"], desk["ConfigDirty_RBV"]) == (200, 0)


@conversation
async def test_a_value_that_is_no_longer_allowed_is_named_and_the_others_are_restored(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.saved()
        newest = desk.newest()
        assert newest is not None
        saved = read(newest.read_bytes())
    values = dict(saved.values) | {
        "P:SortEvents:Window": "-5.0",
        "P:PresetMode": "77",
        "P:FileNumber": "many",
        "P:StopTimeout": "3.5",
        "P:M07:C00:ROI1:Low": "1",
        "P:Acquire": "1",
        "P:Kill": "1",
        "P:ErrorAck": "1",
        "P:FillSpectra:Bins_RBV": "64",
    }
    gone = ("P:M07:C00:ROI1:Low", "P:Acquire", "P:Kill", "P:ErrorAck", "P:FillSpectra:Bins_RBV")
    before = dict(saved.values) | dict.fromkeys(gone, "0")
    (tmp_path / newest.name).write_bytes(written(values, before, saved.configuration, "today"))
    async with office(tmp_path) as desk:
        message = desk["SR_rebootMessage_RBV"]
        assert "SortEvents.window = -5.0: must be a number from" in message.replace("P:SortEvents:Window", "") or (
            "P:SortEvents:Window = -5.0: must be a number" in message
        )
        assert "P:PresetMode = 77: 77 is none of: 0 No preset" in message.replace("'77'", "77")
        assert "P:FileNumber = many: 'many' is not a number" in message
        for name in gone:
            assert f"{name}: there is no such setting now" in message
        assert desk["StopTimeout_RBV"] == 3.5
        assert (desk["SortEvents:Window"], desk["FileNumber"]) == (100.0, 1)
        assert desk["SR_rebootStatus"] == 2
        assert desk.pvs["SR_rebootStatus"].severity == 1
        await desk.put("ErrorAck", 1)
        assert (desk["SR_rebootStatus"], desk.pvs["SR_rebootStatus"].severity) == (2, 0)


@conversation
async def test_what_the_configuration_says_anew_counts_and_so_does_the_command_line(tmp_path: Path) -> None:
    async with office(tmp_path, config_of(tmp_path, SortEvents={"window": 70.0})) as desk:
        await desk.put("SortEvents:Window", 50.0)
        await desk.put("SortEvents:MaxWait", 2.0)
        await desk.put("StopTimeout", 4.0)
    edited = config_of(tmp_path, SortEvents={"window": 80.0})
    async with office(tmp_path, replace(edited, overridden=frozenset({("run", "stop_timeout")}))) as desk:
        assert [desk[name] for name in ("SortEvents:Window", "SortEvents:MaxWait", "StopTimeout")] == [80.0, 2.0, 8.0]
        assert (
            "P:SortEvents:Window: the configuration says 80.0 now, 70.0 before; 50.0 was saved"
            in (desk["SR_rebootMessage_RBV"])
        )
        assert "P:StopTimeout: the command line says 8.0, not 4.0" in desk["SR_rebootMessage_RBV"]


@conversation
async def test_after_a_start_with_an_option_of_the_command_line_the_saved_value_is_there_again(tmp_path: Path) -> None:
    file = config_of(tmp_path, SortEvents={"window": 70.0})
    async with office(tmp_path, file) as desk:
        await desk.put("SortEvents:Window", 50.0)
    option = config_of(tmp_path, SortEvents={"window": 90.0, "max_wait": 3.0})
    async with office(tmp_path, replace(option, of_file=file)) as desk:
        assert [desk["SortEvents:Window"], desk["SortEvents:MaxWait"]] == [90.0, 3.0]
        assert desk["SR_rebootMessage_RBV"].endswith("P:SortEvents:Window: the command line says 90.0, not 50.0")
        await desk.put("StopTimeout", 4.0)
    async with office(tmp_path, file) as desk:
        assert [desk["SortEvents:Window"], desk["StopTimeout"]] == [50.0, 4.0]
        assert desk["SR_rebootStatus"] == 4
    async with office(tmp_path, replace(option, of_file=file)) as desk:
        await desk.put("SortEvents:Window", 60.0)
    async with office(tmp_path, file) as desk:
        assert desk["SortEvents:Window"] == 60.0


@conversation
async def test_states_and_texts_that_are_put_aside_are_told_as_people_read_them(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.put("OnWriteError", 1)
        await desk.put("FileName", "night shift")
    edited = config_of(tmp_path, GatherData={"file_name": "day", "on_write_error": "Stop"})
    async with office(tmp_path, replace(edited, overridden=frozenset({("GatherData", "on_write_error")}))) as desk:
        assert "P:OnWriteError: the command line says Stop, not Wait" in desk["SR_rebootMessage_RBV"]
        assert (
            "P:FileName: the configuration says 'day' now, 'pixie16' before; 'night shift' was saved"
            in (desk["SR_rebootMessage_RBV"])
        )


@conversation
async def test_without_restore_the_configuration_counts_and_the_versions_stay(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.put("StopTimeout", 4.0)
        await desk.saved()
    async with office(tmp_path, restore=False) as desk:
        assert desk["StopTimeout"] == 8.0
        assert (await desk.saved())["P:StopTimeout"] == "8.0"
    assert len(list(tmp_path.glob("*.sav"))) == 2


@conversation
async def test_a_damaged_file_is_told_and_the_one_before_is_used(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.saved()
        for value in (3.0, 4.0):
            await desk.put("StopTimeout", value)
            await desk.saved()
        damaged = desk.newest()
    assert damaged is not None
    damaged.write_bytes(damaged.read_bytes().replace(b"P:StopTimeout 4.0", b"P:StopTimeout 9.0"))
    async with office(tmp_path) as desk:
        assert desk["StopTimeout"] == 3.0
        assert f"{damaged.name} is not used: it is damaged" in desk["SR_rebootMessage_RBV"]
        assert (await desk.saved())["P:StopTimeout"] == "3.0"  # behind the damaged one


@conversation
async def test_the_file_of_another_configuration_is_told_and_not_used(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.put("StopTimeout", 4.0)
    async with office(tmp_path, config_of(tmp_path, CHAIN[:4])) as desk:
        assert desk["StopTimeout"] == 8.0
        assert "it is of another configuration (P: LoadFiles > " in desk["SR_rebootMessage_RBV"]
        assert desk["SR_rebootStatus"] == 1
        await desk.put("StopTimeout", 6.0)
    for chain, value in ((CHAIN, 4.0), (CHAIN[:4], 6.0)):
        async with office(tmp_path, config_of(tmp_path, chain)) as desk:
            assert (desk["StopTimeout"], desk["SR_rebootStatus"]) == (value, 4)


@conversation
async def test_a_folder_that_cannot_be_written_is_told_until_it_can_be(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    async with office(folder) as desk:
        await desk.saved()
        beats = desk["SR_heartbeat"]
        await desk.until("SR_heartbeat", 1 - beats)
        await desk.until("SR_heartbeat", beats)
        shutil.rmtree(folder)
        await desk.put("StopTimeout", 4.0)
        await desk.until("SR_status", 1)
        assert desk["SR_statusMessage_RBV"] == f"settings cannot be saved in {folder}: No such file or directory"
        assert desk.pvs["SR_status"].severity == 2
        folder.mkdir()
        await desk.until("SR_status", 4)
        assert desk["SR_statusMessage_RBV"] == ""
    async with office(folder) as desk:
        assert desk["StopTimeout"] == 4.0


AUTOSAVE = """\
# save/restore V5.1\tAutomatically generated - DO NOT MODIFY - 060720-154526
P:StopTimeout.VAL 2.5
P:FileName @array@ { "114" "117" "110" }
P:PresetMode 1
P:Acquire 1
P:Nothing 1
<END>
"""


@conversation
async def test_a_file_of_autosave_is_loaded_and_one_is_saved(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.put("SR_file", "mine.sav")
        (tmp_path / "mine.sav").write_text(AUTOSAVE)
        with pytest.raises(PutRefused, match="P:Acquire: there is no such setting.*P:Nothing") as refusal:
            await desk.put("SR_restore", 1)
        assert "StopTimeout" not in str(refusal.value)
        assert [desk[name] for name in ("StopTimeout_RBV", "FileName", "PresetMode_RBV", "SR_restore")] == [
            2.5, "run", 1, 0
        ]  # fmt: skip
        await desk.put("SR_save", 1)
        assert desk["SR_recentlyStr"] in ("Saved mine.sav", f"Saved {desk['SR_0_Name']}")
        await desk.put("StopTimeout", 7.0)
        await desk.put("SR_restore", 1)
        assert desk["StopTimeout_RBV"] == 2.5


@conversation
async def test_a_file_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        os.mkfifo(tmp_path / "pipe.sav")
        (tmp_path / "cut.sav").write_text(AUTOSAVE[:-8])
        for name, why in (
            ("/etc/passwd", "must be the name"),
            ("none.sav", f"{tmp_path}/none.sav: No such file"),
            ("cut.sav", "cut off"),
            ("pipe.sav", "no ordinary file"),
            ("x.sav_240510-101112", "No such file"),
        ):
            await desk.put("SR_file", name)
            with pytest.raises(PutRefused, match=why):
                await desk.put("SR_restore", 1)
            assert desk["SR_restore"] == 0


@conversation
async def test_a_version_in_the_state_folder_is_not_saved_over(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.saved()
        for name in (desk["SR_0_Name"], str(tmp_path / "x.sav_240510")):
            await desk.put("SR_file", name)
            with pytest.raises(PutRefused, match="SR_file"):
                await desk.put("SR_save", 1)


@conversation
async def test_the_disk_of_another_file_that_does_not_answer_holds_up_no_saving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    monkeypatch.setattr(setting_files, "_ANSWER", 0.1)
    monkeypatch.setattr(setting_files, "read_file", lambda *_: answers.wait(60) and b"")
    async with office(tmp_path) as desk:
        await desk.put("SR_file", "far.sav")
        try:
            with pytest.raises(PutRefused, match="far.sav: its file system does not answer"):
                await desk.put("SR_restore", 1)
            await desk.put("StopTimeout", 3.0)
            assert (await desk.saved())["P:StopTimeout"] == "3.0"
        finally:
            answers.set()


@conversation
async def test_who_loads_a_file_may_write_each_of_its_settings(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        desk.rights = lambda name: name != "P:StopTimeout"
        await desk.put("SR_file", "mine.sav")
        (tmp_path / "mine.sav").write_text("P:StopTimeout 2.5\nP:PresetMode 1\n<END>\n")
        with pytest.raises(PutRefused, match="P:StopTimeout = 2.5: jan@wall may not write it"):
            await desk.put("SR_restore", 1)
        assert (desk["StopTimeout"], desk["PresetMode"]) == (8.0, 1)


@conversation
async def test_fields_that_were_set_are_restored(tmp_path: Path) -> None:
    def field(record: Record) -> tuple[float, str, str, int]:
        return record.info.limits[3], record.info.severity_of_limit(3), record.info.doc, record.info.precision

    async with office(tmp_path) as desk:
        rate = desk.pvs["FillSpectra:Rate_RBV"]
        plain = field(desk.pvs["SortEvents:Rate_RBV"])
        rate.describe(limits=(*rate.info.limits[:3], 12.5))
        rate.describe(limit_severities=(None, None, None, "MINOR"))
        rate.describe(doc="ein Satz mit ü und 40 Bytes Länge, gen")
        rate.describe(precision=2)
    async with office(tmp_path) as desk:
        assert field(desk.pvs["FillSpectra:Rate_RBV"]) == (
            12.5, "MINOR", "ein Satz mit ü und 40 Bytes Länge, gen", 2
        )  # fmt: skip
        assert str(field(desk.pvs["SortEvents:Rate_RBV"])) == str(plain)
        desk.pvs["FillSpectra:Rate_RBV"].describe(precision=plain[3])
    async with office(tmp_path) as desk:  # also what is as declared again
        assert desk.pvs["FillSpectra:Rate_RBV"].info.precision == plain[3]
        assert desk.pvs["FillSpectra:Rate_RBV"].info.limits[3] == 12.5


@conversation
async def test_all_that_is_wrong_with_a_file_is_told_in_bounds_and_a_text_that_is_no_utf_8_costs_its_line_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    none = "".join(f"P:Gone{number} 1\n" for number in range(5000))
    long = f"P:PresetReal {'9' * 200_000}\n{'x' * 200_000}\n"
    (tmp_path / "mine.sav").write_bytes(
        b"P:StopTimeout 2.5\nP:Title Stra\xdfe\nP:PresetMode 1\n" + (long + none).encode() + b"<END>\n"
    )
    async with office(tmp_path) as desk:
        await desk.put("SR_file", "mine.sav")
        with pytest.raises(PutRefused, match="P:Title: it is no UTF-8") as refused:
            await desk.put("SR_restore", 1)
        assert (desk["StopTimeout"], desk["PresetMode"]) == (2.5, 1)
        assert desk["SR_recentlyStr"] == "Loaded mine.sav, but for 5003"
    assert len(str(refused.value)) < 5000
    lines = [record.getMessage() for record in caplog.records if "mine.sav" in record.getMessage()]
    assert 500 < len(lines) < 1100
    assert max(map(len, lines)) < 1000
    assert lines[-1].endswith("and 4003 more")


@conversation
async def test_a_file_that_is_no_small_one_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "huge.sav").open("wb") as file:
        file.truncate(17 << 20)
    async with office(tmp_path) as desk:
        await desk.put("SR_file", "huge.sav")
        with pytest.raises(PutRefused, match=r"huge\.sav: it is larger than 16 MB"):
            await desk.put("SR_restore", 1)


@conversation
async def test_after_a_restart_the_newest_file_is_named_before_another_is_written(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.saved()
    newest = desk.newest()
    assert newest is not None
    os.utime(newest, (1_000_000_000, 1_000_000_000))
    async with office(tmp_path) as desk:
        written_at = datetime.fromtimestamp(1_000_000_000)
        assert (desk["SR_0_Name"], desk["SR_0_Time"]) == (newest.name, f"{written_at:%Y-%m-%d %H:%M:%S}")


@conversation
async def test_a_start_that_is_not_the_first_and_finds_no_settings_says_so(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        assert desk["SR_rebootStatusStr"] == "No errors"
    for file in tmp_path.glob("*.sav"):
        file.unlink()
    async with office(tmp_path, starts=2) as desk:
        assert (desk["SR_rebootStatusStr"], desk.pvs["SR_rebootStatus"].severity) == ("Nothing restored", 1)
        assert f"no file of settings is in {tmp_path}, although this is start number 2" in desk["SR_rebootMessage_RBV"]


@conversation
async def test_no_file_of_settings_gives_a_record_another_access_group(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        (tmp_path / "mine.sav").write_text("P:StopTimeout.ASG LOCKED\n<END>\n")
        await desk.put("SR_file", "mine.sav")
        with pytest.raises(PutRefused, match=r"P:StopTimeout\.ASG: there is no such setting"):
            await desk.put("SR_restore", 1)


@conversation
async def test_a_severity_that_was_taken_away_stays_away(tmp_path: Path) -> None:
    """Without a limit there is none either: that it is as declared does not mean that nobody has set it."""
    for first in ("limits", "severities"):
        folder = tmp_path / first
        async with office(folder) as desk:
            rate = desk.pvs["FillSpectra:Rate_RBV"]
            assert rate.info.severity_of_limit(3) == "NO_ALARM"
            changes: dict[str, Any] = {
                "limits": (*rate.info.limits[:3], 12.5), "limit_severities": (None, None, None, "NO_ALARM"),
            }  # fmt: skip
            for name in sorted(changes, reverse=first == "limits"):
                rate.describe(**{name: changes[name]})
        for _ in range(2):
            async with office(folder) as desk:
                info = desk.pvs["FillSpectra:Rate_RBV"].info
                assert (info.limits[3], info.severity_of_limit(3)) == (12.5, "NO_ALARM")
                assert desk["SR_rebootMessage_RBV"].endswith("2 settings restored")


@conversation
async def test_what_cannot_be_restored_is_kept_in_a_file_of_its_own(tmp_path: Path) -> None:
    """One start with the wrong configuration costs nothing for good."""
    async with office(tmp_path) as desk:
        await desk.put("M00:C01:ROI2:Name", "60Co")
        await desk.put("StopTimeout", 4.0)
    async with office(tmp_path, config_of(tmp_path, FillSpectra={"channels": 1})) as desk:
        [aside] = tmp_path.glob("left-*.sav")
        told = desk["SR_rebootMessage_RBV"]
        assert "P:M00:C01:ROI2:Name: there is no such setting now" in told
        assert told.count("no such setting") == 1  # nobody has written the others
        assert told.endswith(f"all that was saved stays in {aside.name}, which SR_restore can load")
        await desk.put("StopTimeout", 5.0)
    async with office(tmp_path) as desk:
        assert (desk["M00:C01:ROI2:Name"], desk["SR_rebootStatus"]) == ("", 4)
        await desk.put("SR_file", aside.name)
        await desk.put("SR_restore", 1)
        assert (desk["M00:C01:ROI2:Name"], desk["StopTimeout"]) == ("60Co", 4.0)
    assert list(tmp_path.glob("left-*.sav")) == [aside]
