"""The owner of a process's crate, and the file that says which library and firmware it has."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pixieioc.hardware import BootPlan, BootState, Crate, CrateOwner, HardwareError, ModuleInfo
from pixieioc.hardware.crate_file import read_crate_file
from pixieioc.hardware.simulated import SimulatedCrate

FIRMWARE = """
[firmware.F-500-14]
system = "s.bin"
fippi = "/f.bin"
dsp_code = "d_r35207.ldr"
dsp_variables = "d.var"
"""


def _prepare(crate: Crate | None, slots: tuple[int, ...] = (2,)) -> tuple[Crate, BootPlan]:
    return crate or SimulatedCrate([ModuleInfo(slot, "F", 1000, 14, 500) for slot in (2, 3)]), BootPlan(slots, ())


def _refusal(owner: CrateOwner) -> str:
    with pytest.raises(HardwareError) as caught:
        owner.crate  # noqa: B018
    assert owner.modules == ()
    return caught.value.text


def test_a_crate_can_be_used_only_once_it_has_booted() -> None:
    owner, gate = CrateOwner(), threading.Event()

    def prepare(crate: Crate | None) -> tuple[Crate, BootPlan]:
        assert gate.wait(5)
        return _prepare(crate)

    assert _refusal(owner) == "the crate is not booted: write 1 to Boot"
    owner.boot(prepare)
    owner.boot(prepare)  # joins the first
    assert _refusal(owner) == "the crate is being opened"
    gate.set()
    assert owner.wait(5)
    assert owner.state is BootState.BOOTED
    assert [info.slot for info in owner.modules] == [2]
    assert (owner.problem, owner.boots, owner.crate.running()) == ("", 1, (False,))
    owner.close()
    assert owner.modules == ()


def test_other_slots_need_another_process() -> None:
    owner = CrateOwner()
    owner.boot(_prepare)
    assert owner.wait(5)
    owner.boot(lambda crate: _prepare(crate, (3,)))
    assert owner.wait(5)
    assert owner.state is BootState.FAILED
    assert "this process has opened slots [2], for [3] it needs to be a new one" in owner.problem


def test_a_crate_file_names_the_library_and_firmware_by_kind(tmp_path: Path) -> None:
    path = tmp_path / "crate.toml"
    path.write_text(f'library = "x.so"\nsettings = "settings.json"\n{FIRMWARE}')
    file = read_crate_file(path)
    assert (file.library, file.settings) == (tmp_path / "x.so", tmp_path / "settings.json")
    (firmware,) = file.firmware
    assert (firmware.kind, firmware.fippi, firmware.revision) == ("F-500-14", Path("/f.bin"), 35207)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("library = 1\n" + FIRMWARE, "library = 1: must be the name of a file"),
        ("library = ", "Invalid value"),
        (FIRMWARE, "library: this key is missing"),
        ('library = "x"', r"there must be a table for each kind of modules, such as \[firmware.F-500-14\]"),
        ('library = "x"\nlib = "y"' + FIRMWARE, "lib: unknown key; there are library, settings, firmware"),
        ('library = "x"' + FIRMWARE.replace("F-500", "F-501"), "firmware.F-501-14: must be revision, MHz and bits"),
        ('library = "x"' + FIRMWARE.replace("system", "sys"), "firmware.F-500-14.sys: unknown key; there are system"),
        ('library = "x"\n[firmware.F-500-14]', "firmware.F-500-14.system: this key is missing"),
    ],
)
def test_what_is_wrong_with_a_crate_file_is_said(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "crate.toml"
    path.write_text(content)
    with pytest.raises(HardwareError, match=f"configuration: {path}: .*{says}"):
        read_crate_file(path)


def test_a_crate_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match=r"No such file or directory: .*crate\.toml"):
        read_crate_file(tmp_path / "crate.toml")
