"""The screens of modules and channels: every setting can be written and read, every group can be copied."""

from __future__ import annotations

import functools
import re

from pixieioc.export.alarms import AlarmSite, alarm_tree
from pixieioc.export.screens import screens
from pixieioc.hardware.setting_table import CHANNEL_BITS, CHANNEL_SETTINGS, GROUPS, MODULE_BITS
from pixieioc.pvinfo.description import Description
from tests.export.described import described, parsed

SIZE = {"modules": 2, "channels": 16}


@functools.cache
def _of_a_crate() -> tuple[Description, dict[str, str]]:
    """An IOC with modules that are set up, and its screens."""
    description = described("TakeData", "GatherData", TakeData=SIZE)
    return description, screens(description)


def _shown(text: str) -> set[str]:
    """The names of process variables on a screen, of module 0 and channel 3."""
    names = {element.text or "" for element in parsed(text).iter("pv_name")}
    return {
        re.sub(r"\$\(C=00\)", "03", re.sub(r"\$\(M=00\)", "00", name.partition(")")[2]))
        for name in names
        if "(P=" in name
    }


def test_a_channel_shows_all_that_can_be_set_and_copied() -> None:
    description, files = _of_a_crate()
    shown = _shown(files["channel.bob"])
    settings = {f"M00:C03:{name}" for name in (*CHANNEL_SETTINGS, *CHANNEL_BITS)}
    # The register is seen by its bits; the interval of ADC traces is not of the data.
    missing = {f"M00:C03:{name}" for name in ("CHANNEL_CSRA", "INTEGRATOR", "XDT")}
    assert settings - shown == missing
    assert {f"{name}_RBV" for name in settings - missing} <= shown
    copied = {f"Copy{name}" for name in GROUPS}
    assert copied <= shown
    assert {"SettingsFile", "LoadSettings", "SaveSettings", "CopyFrom", "CopyTo", "CmdMessage_RBV"} <= shown
    for file in ("channel.bob", "modules.bob", "modules_row.bob"):
        assert _shown(files[file]) <= description.pvs.keys()


def test_a_module_shows_its_own_settings_and_a_row_per_channel() -> None:
    _, files = _of_a_crate()
    shown = _shown(files["modules.bob"])
    assert {f"M00:{name}" for name in ("SLOW_FILTER_RANGE", "MODULE_CSRB", *MODULE_BITS)} <= shown
    template = next(w for w in parsed(files["modules.bob"]).iter("widget") if w.get("type") == "template")
    assert [element.text for element in template.iter("C")] == [f"{channel:02d}" for channel in range(16)]
    assert "M00:C03:TRIGGER_THRESHOLD" in _shown(files["modules_row.bob"])


def test_the_crate_is_booted_where_its_alarms_lead() -> None:
    description, files = _of_a_crate()
    [crate] = (group for group in alarm_tree(description, AlarmSite()).components if group.name == "Crate")
    assert {alarm.pv for alarm in crate.all_alarms()} == {
        f"PX16:{name}_RBV" for name in ("BootState", "Lost", "SettingsLost")
    }
    assert {alarm.display for alarm in crate.all_alarms()} == {"modules.bob?P=PX16:"}
    assert {"Boot", "BootState_RBV", "BootProgress_RBV", "Lost_RBV", "SettingsFile", "SettingsLost_RBV"} <= _shown(
        files["modules.bob"]
    )
    assert {"SdkLog_RBV", "Boot", "FastBoot", "Synchronous", "SettingsFile"} <= {
        pv.name for pv in description.of_section("crate")
    }
    [settings] = [text for name, text in files.items() if name == "task_TakeData.bob"]
    assert {"BootAtStart", "FastBoot", "Synchronous", "ClearClocks"} <= _shown(settings)


def test_the_scope_has_what_the_adc_sees_and_all_tools() -> None:
    description, files = _of_a_crate()
    shown = _shown(files["scope.bob"])
    assert shown <= description.pvs.keys()
    tools = {"AcquireTraces", "AcquireBaselines", "FindTau", "ApplyTau", "FindBaselineCut", "AdjustOffsets"}
    assert {*tools, "ReadHistograms", "HistogramInterval", "SetupModule", "SetupChannel_RBV"} <= shown
    assert {f"M00:C03:{name}_RBV" for name in ("XDT", "VOFFSET", "TAU", "BLCUT", "FoundTau")} <= shown
    plots = [widget for widget in parsed(files["scope.bob"]).iter("widget") if widget.get("type") == "xyplot"]
    curves = [(plot.findtext("traces/trace/x_pv"), plot.findtext("traces/trace/y_pv")) for plot in plots]
    names = [("AdcTraceTime", "AdcTrace"), ("", "Baselines"), ("", "Histogram")]
    channel = "$(P=PX16:)M$(M=00):C$(C=00):"
    assert curves == [(f"{channel}{x}_RBV" if x else "", f"{channel}{y}_RBV") for x, y in names]
    assert "scope.bob" in files["run.bob"]
    end = plots[0].find("rules/rule")
    assert end is not None
    assert (end.get("prop_id"), end.findtext("pv_name"), end.findtext("exp/expression")) == (
        "x_axis.maximum", f"{channel}XDT_RBV", "pv0 * 8192"
    )  # fmt: skip


def test_an_ioc_without_modules_has_no_scope() -> None:
    assert "scope.bob" not in screens(described("DummyData", "ConvertToEvents"))
