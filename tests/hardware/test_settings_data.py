"""Settings that are written over Channel Access change what the modules are, what they answer and what they record."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import numpy as np
import pytest

from pixieioc.hardware.changed_settings import ChangedSettings, ModuleChanges
from pixieioc.listmode.events import Events
from pixieioc.listmode.flags import FLAG_CFD_FORCED
from pixieioc.listmode.variant import variant
from tests.ca_client import PutFailed
from tests.hardware.crate_ioc import RATE, Crate, crate_ioc, until_booted
from tests.hardware.simulation import decoded
from tests.running_ioc import Ioc, running


def _crate() -> contextlib.AbstractContextManager[Crate]:
    """An IOC, not started, with two modules that boot when it is."""
    return crate_ioc(save=True, at_start=True)


@pytest.fixture(scope="module")
def crate() -> Iterator[Crate]:
    """An IOC with two booted modules."""
    with _crate() as (ioc, simulation), running(ioc):
        until_booted(ioc)
        yield ioc, simulation


def _events(crate: Crate) -> list[Events]:
    """The events of each module in a short run."""
    ioc, simulation = crate
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 0.4)
    ioc.put("Acquire", 1)
    files = sorted(simulation.folder.glob(f"data/*_run{int(ioc.get('RunId_RBV')):06}_mod*.bin"))
    assert len(files) == 2
    return [decoded(np.fromfile(path, "<u4"), variant(500, 35207)) for path in files]


def _count(events: Events) -> list[int]:
    return np.bincount(events["channel"], minlength=16).tolist()


def test_a_threshold_keeps_small_pulses_out(crate: Crate) -> None:
    ioc, _ = crate
    ioc.put("M00:C03:TRIGGER_RISETIME", 0.02)  # with a longer one, there is no such threshold
    ioc.put("M00:C03:TRIGGER_THRESHOLD", 5000)
    assert ioc.get("M00:C03:TRIGGER_THRESHOLD_RBV") == 5000
    first, second = map(_count, _events(crate))
    assert first[3] < 5  # of pulses beyond 2500 keV there are few
    assert min(first[:3] + first[4:] + second) > 50
    ioc.put("M00:C03:TRIGGER_RISETIME", 0.1)
    ioc.put("M00:C03:TRIGGER_THRESHOLD", 100)
    assert _count(_events(crate)[0])[3] > 50


def test_the_polarity_decides_which_pulses_are_seen(crate: Crate) -> None:
    ioc, _ = crate
    ioc.put("M01:C05:Polarity", "Negative")
    assert int(ioc.get("M01:C05:CHANNEL_CSRA_RBV")) & 1 << 5 == 0
    first, second = map(_count, _events(crate))
    assert second[5] == 0
    assert first[5] > 50
    ioc.put("M01:C05:Polarity", "Positive")
    assert _count(_events(crate)[1])[5] > 50


def test_traces_have_the_length_that_was_written(crate: Crate) -> None:
    ioc, _ = crate
    ioc.put("M00:C02:CaptureTrace", "Yes")
    ioc.put("M00:C02:TRACE_LENGTH", 0.509)  # whole steps of ten samples, rounded down
    assert ioc.get("M00:C02:TRACE_LENGTH_RBV") == 0.5
    events = _events(crate)[0]
    of_channel = events["channel"] == 2
    assert set(events["trace_length"][of_channel]) == {250}
    assert "trace_length" not in events or set(events["trace_length"][~of_channel]) == {0}
    ioc.put("M00:C02:CaptureTrace", "No")


def test_the_cfd_gives_times_between_ticks(crate: Crate) -> None:
    ioc, _ = crate
    ioc.put("M00:C04:EnableCFD", "Yes")
    ioc.put("M00:C04:CFDThresh", 1)
    events = _events(crate)[0]
    of_channel = events["channel"] == 4
    assert len(set(events["cfd"][~of_channel].tolist())) == 1
    good = events["flags"][of_channel] & FLAG_CFD_FORCED == 0
    assert good.sum() > 20
    assert len(set(events["cfd"][of_channel][good].tolist())) > 10
    ioc.put("M00:C04:EnableCFD", "No")


def test_sums_are_recorded_where_they_are_wanted(crate: Crate) -> None:
    ioc, _ = crate
    ioc.put("M00:C06:CaptureSums", "Yes")
    ioc.put("M00:C07:EnableQDC", "Yes")
    events = _events(crate)[0]
    parts = {channel: set(events["parts"][events["channel"] == channel].tolist()) for channel in (5, 6, 7)}
    assert parts == {5: {0}, 6: {2}, 7: {4}}
    ioc.put("M00:C06:CaptureSums", "No")
    ioc.put("M00:C07:EnableQDC", "No")


def test_a_channel_that_is_not_good_is_not_recorded(crate: Crate) -> None:
    ioc, _ = crate
    ioc.put("M00:C08:GoodChannel", "No")
    assert _count(_events(crate)[0])[8] == 0
    ioc.put("M00:C08:GoodChannel", "Yes")


def test_a_write_is_read_back_with_what_else_it_changes(crate: Crate) -> None:
    ioc, _ = crate
    ioc.put("M00:C09:TRIGGER_THRESHOLD", 100)
    ioc.put("M00:C09:TRIGGER_RISETIME", 0.2033)
    assert ioc.get("M00:C09:TRIGGER_RISETIME_RBV") == 0.2
    assert ioc.get("M00:C09:TRIGGER_THRESHOLD_RBV") == ioc.get("M00:C09:TRIGGER_THRESHOLD") == 50
    ioc.put("M01:SLOW_FILTER_RANGE", 4)
    assert ioc.get("M01:C15:ENERGY_RISETIME_RBV") == pytest.approx(25 * 0.16)
    ioc.put("M01:SLOW_FILTER_RANGE", 2)


@pytest.mark.parametrize(
    ("pv", "value", "why"),
    [
        ("M00:C03:TRIGGER_THRESHOLD", -1, "must be"),
        ("M00:C03:CFDDelay", 0.009, "from 0.01 to 0.63"),
        ("M00:C03:VOFFSET", -1.6, "must be"),
        ("M00:C03:TRIGGER_RISETIME", 1.25, "only 0.02 to 1.17 us with TRIGGER_FLATTOP = 0.1"),
        ("M00:SLOW_FILTER_RANGE", 7, "from 1 to 6"),
    ],
)
def test_what_a_module_would_clamp_is_refused_with_what_is_allowed(
    crate: Crate, pv: str, value: float, why: str
) -> None:
    ioc, _ = crate
    before = ioc.get(pv)
    with pytest.raises(PutFailed):
        ioc.put(pv, value)
    assert why in ioc.get("CmdMessage_RBV")
    assert ioc.get(pv) == ioc.get(f"{pv}_RBV") == before


def test_the_sdks_reason_is_shown_and_nothing_is_changed(crate: Crate) -> None:
    ioc, simulation = crate
    simulation.control(RATE, "fail Pixie16WriteSglChanPar code 506 count 1")
    with pytest.raises(PutFailed):
        ioc.put("M00:C03:EMIN", 5)
    message = ioc.get("CmdMessage_RBV")
    assert "Pixie16WriteSglChanPar of module 0, channel 3" in message
    assert "device dma failure" in message
    assert ioc.get("M00:C03:EMIN") == ioc.get("M00:C03:EMIN_RBV") == 0
    ioc.put("M00:C03:EMIN", 5)
    assert ioc.get("M00:C03:EMIN_RBV") == 5


def test_settings_are_locked_during_a_run(crate: Crate) -> None:
    ioc, _ = crate
    ioc.put("PresetMode", "No preset")
    ioc.put_and_forget("Acquire", 1)
    ioc.until("ConvertToEvents:Events_RBV", lambda events: events > 0)
    for pv, value in (("M00:C03:EMIN", 9), ("CopyEMIN", 1), ("LoadSettings", 1)):
        with pytest.raises(PutFailed):
            ioc.put(pv, value)
        assert ioc.get("CmdStatus_RBV") == "Refused"
    assert ioc.get("CmdMessage_RBV") == "LoadSettings: TakeData: LoadSettings is not possible during a run"
    ioc.put("Stop", 1)
    ioc.until("Acquire", lambda acquire: acquire == "Done")


def test_a_copy_goes_where_it_is_wanted(crate: Crate) -> None:
    ioc, _ = crate
    ioc.put("M00:C01:CFDDelay", 0.2)
    ioc.put("M00:C01:QDCLen3", 1.5)
    ioc.put("CopyFrom", "M00:C01")
    ioc.put("CopyTo", "M00:C10-C11, M01:C00")
    ioc.put("CopyCFDDelay", 1)
    delays = {f"M{m:02}:C{c:02}": ioc.get(f"M{m:02}:C{c:02}:CFDDelay_RBV") for m in (0, 1) for c in (0, 9, 10, 11)}
    assert [name for name, delay in delays.items() if delay == 0.2] == ["M00:C10", "M00:C11", "M01:C00"]
    assert ioc.get("M01:C00:QDCLen3_RBV") != 1.5
    ioc.put("CopyQdc", 1)
    assert ioc.get("M01:C00:QDCLen3_RBV") == 1.5
    for pv, value, why in (
        ("CopyTo", "M01, M00:C16", "M00:C16: module 0 has channels 0 to 15"),
        ("CopyTo", "M02", "M02: there are modules 0 to 1"),
        ("CopyTo", "M00:C07-C04", "M00:C07-C04: the first channel of a range must not be above the last"),
        ("CopyTo", "channel 3", "must be all, or a list"),
        ("CopyFrom", "M02:C00", "M02:C00: there are modules 0 to 1"),
    ):
        before = ioc.get(pv)
        with pytest.raises(PutFailed):
            ioc.put(pv, value)
        assert why in ioc.get("CmdMessage_RBV")
        assert ioc.get(pv) == ioc.get(f"{pv}_RBV") == before
    ioc.put("CopyTo", "all")


def test_a_file_of_settings_is_saved_with_its_comment_and_loaded(crate: Crate) -> None:
    ioc, simulation = crate
    path = simulation.folder / "set" / "germanium.json"
    ioc.put("SettingsFile", str(path))
    ioc.put("SettingsComment", "2 us, with cobalt")
    ioc.put("M00:C12:TAU", 45.5)
    ioc.put("SaveSettings", 1)
    assert ioc.get("SettingsChanged_RBV") == "No"
    assert len(json.loads(path.read_text())) == 2
    assert ioc.get("SettingsFiles_RBV") == "germanium.json  2 us, with cobalt"
    ioc.put("M00:C12:TAU", 50)
    ioc.put("SettingsComment", "")
    assert "TAU 45.5 -> 50 in M00:C12" in ioc.get("SettingsChanges_RBV")
    assert ioc.get("SettingsChanged_RBV") == "Yes"
    ioc.put("LoadSettings", 1)
    assert ioc.get("M00:C12:TAU") == ioc.get("M00:C12:TAU_RBV") == 45.5
    assert ioc.get("SettingsComment") == "2 us, with cobalt"
    assert ioc.get("SettingsChanged_RBV") == "No"


def test_a_file_that_is_not_of_this_crate_is_refused(crate: Crate) -> None:
    ioc, simulation = crate
    path = simulation.folder / "short.json"
    for content, why in (
        ("[{}]", "has settings of 1 module, the crate has 2"),
        ("[1, 2]", "is no file of settings: module 0 has no 'channel'"),
        ('[{"channel": {}, "module": {}}, {"channel": 3}]', "is no file of settings: module 1 has no 'channel'"),
        ("[" * 100_000, "is no file of settings: maximum recursion depth"),
        (None, "there is no "),
    ):
        path.unlink() if content is None else path.write_text(content)
        name = path
        ioc.put("SettingsFile", str(name))
        with pytest.raises(PutFailed):
            ioc.put("LoadSettings", 1)
        assert why in ioc.get("CmdMessage_RBV")
    ioc.put("SettingsFile", "")


def test_a_boot_refuses_a_file_of_settings_that_is_not_of_this_crate() -> None:
    with _crate() as (ioc, simulation):
        settings = simulation.folder / "short.json"
        empty: dict[str, object] = {
            "metadata": {"slot": 2, "hardware_revision": "F"}, "module": {"input": {}}, "channel": {"input": {}}
        }  # fmt: skip
        settings.write_text(json.dumps([empty]))
        with running(ioc):
            until_booted(ioc)
            ioc.put("SettingsFile", str(settings))
            with pytest.raises(PutFailed):
                ioc.put("Boot", 1)
            assert "has settings of 1 module, the crate has 2" in ioc.get("CmdMessage_RBV")
            assert ioc.get("BootState_RBV") == "Failed"
            settings.write_text(json.dumps([empty, empty]))
            ioc.put("Boot", 1)
            assert ioc.get("BootState_RBV") == "Booted"


def test_the_settings_of_a_run_stand_beside_its_data(crate: Crate) -> None:
    ioc, simulation = crate
    ioc.put("M01:C07:BINFACTOR", 4)
    _events(crate)
    sidecars = list(simulation.folder.glob(f"data/*_run{int(ioc.get('RunId_RBV')):06}*.bin.json"))
    assert len(sidecars) == 2
    for sidecar in sidecars:
        settings = json.loads(sidecar.read_text())["configuration"]["TakeData"]
        assert settings["BINFACTOR"][1][7] == 4
        assert len(settings["TRIGGER_THRESHOLD"][0]) == 16


def test_a_boot_and_a_restart_keep_what_was_changed() -> None:
    with _crate() as (ioc, _):
        with running(ioc):
            until_booted(ioc)
            ioc.put("M01:C09:TRIGGER_THRESHOLD", 77)
            ioc.put("M01:C09:CaptureTrace", "Yes")
            ioc.put("FastBoot", "No")
            ioc.put("Boot", 1, 50)
            assert ioc.get("BootState_RBV") == "Booted"
            _check_kept(ioc)
        _change_kept(ioc, "VOFFSET", 5.0)
        with running(ioc):
            until_booted(ioc)
            _check_kept(ioc)
            reason = "VOFFSET of module 0, channel 4: 5 is not possible, only -1.5 to "
            ioc.until("SettingsChanges_RBV", lambda text: text.startswith("not used, of what") and reason in text)
            ioc.until("TakeData:PrintLog_RBV", lambda text: f"before the boot is not used: {reason}" in text)
            assert (ioc.get("SettingsLost_RBV"), ioc.get("SettingsLost_RBV.SEVR")) == ("Yes", "MINOR")
            ioc.put("M00:C04:VOFFSET", 0.5)
            ioc.until("SettingsLost_RBV", "No".__eq__)
            _use_slots(ioc, [2, 5])
            assert ioc.get("M01:C09:TRIGGER_THRESHOLD_RBV") == 100
            ioc.put("M01:C09:TRIGGER_THRESHOLD", 55)
            _use_slots(ioc, [2, 3])
            _check_kept(ioc)


def _change_kept(ioc: Ioc, name: str, value: float) -> None:
    """A setting of the first module that is kept for the next boot is one that it cannot have."""
    newest = max(ioc.folder.rglob("module-settings-*.json"))
    kept = ChangedSettings.parse(newest.read_bytes())
    first = ModuleChanges(1002, 2, kept.file, {(name, (4,)): value})
    newest.write_bytes(ChangedSettings(kept.configured, kept.file, (first, *kept.modules)).content())


def _use_slots(ioc: Ioc, slots: list[int]) -> None:
    ioc.put("TakeData:Slots", json.dumps(slots))
    ioc.put("Boot", 1, 50)
    ioc.until("M01:Slot_RBV", slots[1])


def test_a_restart_names_the_file_of_settings_without_which_it_cannot_boot() -> None:
    with _crate() as (ioc, simulation):
        path = simulation.folder / "own.json"
        with running(ioc):
            until_booted(ioc)
            ioc.put("SettingsFile", str(path))
            ioc.put("SaveSettings", 1)
        path.unlink()
        with running(ioc):
            ioc.until("BootState_RBV", lambda state: state == "Failed", 60)
            ioc.until("ReadyMessage_RBV", lambda text: f"there is no {path}" in text)
            assert ioc.get("SettingsFile") == ioc.get("SettingsFile_RBV") == str(path)
            ioc.put("SettingsFile", "")
            ioc.put("Boot", 1)
            assert ioc.get("BootState_RBV") == "Booted"
            ioc.put("SettingsFile", str(path))
            ioc.put("SaveSettings", 1)
        path.unlink()
        with running(ioc):
            ioc.until("BootState_RBV", lambda state: state == "Failed", 60)
        assert "Pixie16ExitSystem" not in ioc.output()  # which fails for modules that are offline


def test_changes_that_cannot_be_read_after_a_restart_are_no_silent_loss() -> None:
    with _crate() as (ioc, _):
        with running(ioc):
            until_booted(ioc)
            ioc.put("M00:C00:TAU", 44)
            ioc.put("M00:C00:TAU", 45)
        *_, used, kept = sorted(ioc.folder.rglob("module-settings-*.json"))
        kept.write_text(kept.read_text().replace("45", "46"))
        with running(ioc):
            until_booted(ioc)
            before = "settings that were changed before the boot are those of " + used.name
            ioc.until("TakeData:PrintLog_RBV", lambda text: before in text and str(kept) in text)
            ioc.until("M00:C00:TAU_RBV", lambda tau: abs(tau - 44) < 0.5)
            assert ioc.get("SettingsLost_RBV") == "Yes"
            assert ioc.get("SettingsLost_RBV.SEVR") == "MINOR"
            ioc.until("SettingsChanges_RBV", lambda text: text.startswith(before) and "TAU" in text)
            ioc.put("Boot", 1)
            ioc.until("SettingsLost_RBV", "No".__eq__)
        for kept in ioc.folder.rglob("module-settings-*.json"):
            kept.write_text(kept.read_text()[:-40])
        kept = max(ioc.folder.rglob("module-settings-*.json"))
        with running(ioc):
            until_booted(ioc)
            lost = "settings that were changed before the boot are lost"
            ioc.until("TakeData:PrintLog_RBV", lambda text: lost in text and str(kept) in text)
            assert ioc.get("M00:C00:TAU_RBV") != 44
            assert ioc.get("SettingsLost_RBV") == "Yes"


def _check_kept(ioc: Ioc) -> None:
    assert ioc.get("M01:C09:TRIGGER_THRESHOLD_RBV") == 77
    assert ioc.get("M01:C09:CaptureTrace_RBV") == "Yes"
    assert ioc.get("M01:C08:TRIGGER_THRESHOLD_RBV") == 100
    ioc.until("SettingsChanges_RBV", lambda text: "TRIGGER_THRESHOLD 100 -> 77 in M01:C09" in text)


def test_settings_are_refused_before_the_boot_and_without_the_task() -> None:
    with _crate() as (ioc, _):
        ioc.arguments = (*ioc.arguments, "--set", "TakeData.boot_at_start=false")
        with running(ioc):
            for pv in ("M00:C03:EMIN", "CopyEMIN"):
                with pytest.raises(PutFailed):
                    ioc.put(pv, 1)
                assert "the crate is not booted: write 1 to Boot" in ioc.get("CmdMessage_RBV")
            assert ioc.get("M00:C03:EMIN") == 0
            ioc.put("Quit", 1)
            ioc.until("State_RBV", lambda state: state != "DYING")
            for pv in ("M00:C03:EMIN", "CopyEMIN"):
                with pytest.raises(PutFailed):
                    ioc.put(pv, 1)
                assert "TakeData is not running: its device cannot be reached" in ioc.get("CmdMessage_RBV")
