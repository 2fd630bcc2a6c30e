"""The owner of a process's crate, and the file that says which library and firmware it has."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pixieioc.hardware import BootPlan, BootState, Crate, CrateOwner, Firmware, HardwareError, ModuleInfo
from pixieioc.hardware.boot_record import BootRecord
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
        assert gate.wait(60)
        return _prepare(crate)

    assert _refusal(owner) == "the crate is not booted: write 1 to Boot"
    owner.boot(prepare)
    owner.boot(prepare)  # joins the first
    assert _refusal(owner) == "the crate is being opened"
    gate.set()
    assert owner.wait(60)
    assert owner.state is BootState.BOOTED
    assert [info.slot for info in owner.modules] == [2]
    assert (owner.problem, owner.boots, owner.crate.running()) == ("", 1, (False,))
    owner.close()
    assert owner.modules == ()


def test_other_slots_need_another_process() -> None:
    owner = CrateOwner()
    owner.boot(_prepare)
    assert owner.wait(60)
    owner.boot(lambda crate: _prepare(crate, (3,)))
    assert owner.wait(60)
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
        ('library = "x"\noffline = 1', "offline = 1: must be true or false"),
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


def test_a_crate_that_the_sdk_simulates_needs_no_firmware(tmp_path: Path) -> None:
    path = tmp_path / "crate.toml"
    path.write_text('library = "x.so"\noffline = true\n')
    assert (read_crate_file(path).offline, read_crate_file(path).firmware) == (True, ())


def test_a_boot_is_known_to_the_next_process_as_long_as_all_is_the_same(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("sys", "fippi", "dsp_r35207", "var")]
    for path in paths:
        path.write_text("firmware")
    modules, firmware = [ModuleInfo(2, "F", 1002, 14, 500)], [Firmware(paths[0], paths[1], paths[2], paths[3])]
    record = BootRecord(tmp_path / "state", (2,))
    assert not record.holds(modules, firmware)
    record.note(modules, firmware)
    assert BootRecord(tmp_path / "state", (2,)).holds(modules, firmware)
    assert not BootRecord(tmp_path / "state", (3,)).holds(modules, firmware)
    assert not record.holds([ModuleInfo(2, "F", 1003, 14, 500)], firmware)  # another module in the slot
    paths[2].write_text("other firmware of that name")
    assert not record.holds(modules, firmware)
    paths[2].write_text("firmware")
    assert record.holds(modules, firmware)
    assert record.path is not None
    record.path.write_text(record.path.read_text().replace('"computer": "', '"computer": "another start'))
    assert not record.holds(modules, firmware)
    record.path.write_text("{")
    assert not record.holds(modules, firmware)
    record.forget()
    record.forget()
    assert not record.path.exists()
