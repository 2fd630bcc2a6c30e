"""What was changed in modules is brought back behind a boot, as far as it is possible; the rest is told, and waits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pixieioc.hardware import ModuleInfo
from pixieioc.hardware.crate_settings import CrateSettings
from pixieioc.hardware.setting_table import Setting
from pixieioc.hardware.simulated import SimulatedCrate
from pixieioc.tasks.kept_changes import KeptChanges

NEW = (ModuleInfo(2, "F", 1002, 14, 250), ModuleInfo(3, "F", 1003, 14, 250))
#: The same serial numbers, with a clock in which a longer filter is possible.
OLD = tuple(replace(each, adc_mhz=500) for each in NEW)
TAU, OTHER_TAU, RISE = ("TAU", (0, 3)), ("TAU", (1, 15)), ("TRIGGER_RISETIME", (0, 3))
LONG = ("TRIGGER_RISETIME", (0, 4))
CHANGES = {TAU: 44.0, OTHER_TAU: 45.0, RISE: 1.1, LONG: 1.0}


def _booted(modules: tuple[ModuleInfo, ...]) -> CrateSettings:
    crate = SimulatedCrate(modules, 0.0)
    crate.open([each.slot for each in modules])
    crate.boot(())
    return CrateSettings(crate, 16)


def _next_boot(folder: Path, modules: tuple[ModuleInfo, ...] = NEW) -> tuple[KeptChanges, CrateSettings, list[str]]:
    """The next boot of an IOC, which keeps what is in use behind it."""
    kept, settings = KeptChanges(folder), _booted(modules)
    kept.read()
    told = list(kept.bring_back(settings, modules, "a.json"))
    return kept, settings, told


def _keep(kept: KeptChanges, settings: CrateSettings, *names: Setting) -> None:
    kept.keep("", "a.json", NEW, {name: settings.value(name) for name in names})


def _changed(folder: Path) -> None:
    KeptChanges(folder).keep("", "a.json", OLD, CHANGES)


def test_one_that_is_impossible_keeps_no_other_out_of_use_and_says_what_is_allowed(tmp_path: Path) -> None:
    _changed(tmp_path)
    kept, settings, told = _next_boot(tmp_path)
    assert [round(settings.value(key)) for key in (TAU, OTHER_TAU)] == [44, 45]
    assert settings.value(RISE) == _booted(NEW).value(RISE)
    reason = "TRIGGER_RISETIME of module 0, channel 3: 1.1 is not possible, only 0.016 to "
    assert kept.lost.startswith(f"not used, of what was changed before the boot: {reason}")
    assert kept.lost.endswith(", and 1 more")
    assert told[0].startswith(f"a setting that was changed before the boot is not used: {reason}")
    assert told[0].endswith(", also in M00:C04 (1)")


def test_what_is_impossible_waits_for_a_boot_that_can(tmp_path: Path) -> None:
    _changed(tmp_path)
    kept, settings, _ = _next_boot(tmp_path)
    _keep(kept, settings, TAU, OTHER_TAU)
    assert _next_boot(tmp_path)[0].lost == kept.lost
    kept, settings, told = _next_boot(tmp_path, OLD)
    assert (told, kept.lost) == ([], "")
    assert [round(settings.value(key), 1) for key in CHANGES] == [44, 45, 1.1, 1]


def test_it_waits_no_longer_once_somebody_has_written_it_or_taken_the_settings_as_they_are(tmp_path: Path) -> None:
    _changed(tmp_path)
    kept, settings, _ = _next_boot(tmp_path)
    kept.written([RISE, TAU])
    assert "channel 4: 1 is not possible" in kept.lost
    kept.written([LONG])
    assert kept.lost == ""
    _keep(kept, settings, TAU)
    assert _next_boot(tmp_path)[2] == []
    _changed(tmp_path)
    kept, settings, _ = _next_boot(tmp_path)
    kept.accept()
    _keep(kept, settings, TAU)
    assert (kept.lost, _next_boot(tmp_path)[2]) == ("", [])


def test_a_damaged_version_is_told_beside_what_is_impossible_in_the_one_before(tmp_path: Path) -> None:
    _changed(tmp_path)
    KeptChanges(tmp_path).keep("", "a.json", NEW, {TAU: 50.0})
    *_, used, newest = sorted(tmp_path.iterdir())
    newest.write_text(newest.read_text()[:-9])
    kept, settings, told = _next_boot(tmp_path)
    assert round(settings.value(TAU)) == 44
    assert [text in kept.lost for text in (f"those of {used.name}", "1.1 is not possible")] == [True, True]
    assert len(told) == 2


def test_where_nothing_is_kept_nothing_is_brought_back() -> None:
    kept, settings = KeptChanges(None), _booted(NEW)
    assert list(kept.bring_back(settings, NEW, "a.json")) == []
    _keep(kept, settings, TAU)
    assert kept.lost == ""
