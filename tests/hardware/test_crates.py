"""The contract of every implementation of a crate, as conversations; and on a site's own SDK, if it is named.

PIXIEIOC_XIA_SDK names a shared library of XIA's SDK that simulates a crate of its own when it is opened offline. As a
process has one crate, all that is asked of it is asked in one test.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pixieioc.hardware import Crate, Firmware, HardwareError, ModuleInfo
from pixieioc.hardware.sdk import SdkCrate
from pixieioc.hardware.simulated import SimulatedCrate
from pixieioc.listmode.variant import variant
from tests.hardware.simulation import Simulation, decoded, until

SLOTS = (2, 5)
LAYOUT = variant(500, 35207)
XIA = os.environ.get("PIXIEIOC_XIA_SDK", "")

#: What is in the slots, as the simulated SDK's control file wants it.
KINDS = ("2 F 500 14", "5 F 500 14")
Maker = Callable[..., Crate]


def _sdk(simulation: Simulation, *kinds: str) -> Crate:
    simulation.control(*(f"slot {kind}" for kind in kinds))
    return SdkCrate(simulation.library)


def _simulated(simulation: Simulation, *kinds: str) -> Crate:
    found = [kind.split() for kind in kinds or KINDS]
    modules = [ModuleInfo(int(s), letter, 1000 + int(s), int(bits), int(mhz)) for s, letter, mhz, bits in found]
    return SimulatedCrate(modules)


def _pypixie16(simulation: Simulation, *kinds: str) -> Crate:
    simulation.control(*(f"slot {kind}" for kind in kinds))
    if importlib.util.find_spec("pixie16") is None:
        pytest.skip("pypixie16 is not installed")
    from pixieioc.hardware.pypixie16 import Pypixie16Crate

    with warnings.catch_warnings(action="ignore"):  # those of its own imports
        return Pypixie16Crate(simulation.library)


def _firmware(simulation: Simulation, letter: str = "F", mhz: int = 500, revision: int = 35207) -> Firmware:
    return Firmware(*simulation.firmware(letter.lower(), mhz, 14, revision), kind=f"{letter}-{mhz}-14")


@pytest.fixture(params=[_sdk, _pypixie16, _simulated], ids=["sdk", "pypixie16", "simulated"])
def maker(request: pytest.FixtureRequest) -> Maker:
    return request.param


@pytest.fixture(params=[_sdk, _pypixie16], ids=["sdk", "pypixie16"])
def library_maker(request: pytest.FixtureRequest) -> Maker:
    return request.param


def _booted(maker: Maker, simulation: Simulation) -> Crate:
    made = maker(simulation)
    made.open(SLOTS)
    made.boot([_firmware(simulation)])
    return made


@pytest.fixture
def crate(maker: Maker, simulation: Simulation) -> Crate:
    """Two modules, booted."""
    return _booted(maker, simulation)


@pytest.fixture
def library_crate(library_maker: Maker, simulation: Simulation) -> Crate:
    """Two modules, booted, whose library can be told to fail."""
    return _booted(library_maker, simulation)


def test_modules_are_found_and_boot_one_after_the_other(maker: Maker, simulation: Simulation) -> None:
    crate = maker(simulation, "2 F 500 14", "3 H 250 14", "4 D 100 12")
    assert crate.modules == ()
    crate.open((2, 3, 4))
    assert [(each.slot, each.kind, each.channels) for each in crate.modules] == [
        (2, "F-500-14", 16), (3, "H-250-14", 32), (4, "D-100-12", 16)
    ]  # fmt: skip
    assert [each.serial for each in crate.modules] == [1002, 1003, 1004]
    sets = [_firmware(simulation), _firmware(simulation, "H", 250, 46541)]
    told: list[tuple[int, int]] = []
    with pytest.raises(
        HardwareError, match="boot of module 2: no firmware for D-100-12 in slot 4, only for F-500-14, H-"
    ):
        crate.boot(sets)
    old = Firmware(*simulation.firmware("d", 100, 12, 30500), kind="D-100-12")
    crate.boot([*sets, old], progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [each.firmware for each in crate.modules] == [35207, 46541, 30500]
    assert crate.running() == (False, False, False)
    crate.close()
    assert crate.modules == ()
    crate.close()


def test_firmware_that_is_missing_is_named(maker: Maker, simulation: Simulation) -> None:
    crate = maker(simulation)
    crate.open(SLOTS)
    chosen = _firmware(simulation)
    chosen.dsp_code.unlink()
    with pytest.raises(HardwareError, match=f"no firmware file {chosen.dsp_code}"):
        crate.boot([chosen])


def test_parameters_are_what_the_module_has_made_of_them(crate: Crate) -> None:
    for channel in (0, 15):
        assert crate.write_channel(1, channel, "TRIGGER_RISETIME", 0.1) == pytest.approx(0.1)
        assert crate.write_channel(1, channel, "TRIGGER_THRESHOLD", 1e6) == pytest.approx(1310.7)
        assert crate.write_channel(1, channel, "QDCLen7", 0.0333) == pytest.approx(0.03)
        assert crate.write_channel(1, channel, "RESET_DELAY", 0.5) == pytest.approx(0.5)  # unknown to pypixie16
        assert crate.write_channel(1, channel, "CHANNEL_CSRA", 1 << 31 | 4) == 1 << 31 | 4
    assert crate.read_channel(0, 0, "RESET_DELAY") == 0
    assert crate.write_module(0, "HOST_RT_PRESET", 2.5) == crate.read_module(1, "HOST_RT_PRESET") == 2.5
    assert crate.write_module(0, "MODULE_CSRB", 1 << 12 | 1) == 1 << 12 | 1
    assert crate.write_module(1, "TrigConfig3", 0xF0000001) == 0xF0000001
    assert crate.write_module(1, "SLOW_FILTER_RANGE", 4) == 4
    assert crate.read_module(1, "MODULE_NUMBER") == 1


@pytest.mark.parametrize(
    ("ask", "code", "says"),
    [
        (lambda crate: crate.write_channel(1, 3, "CFDThresh", 0), -301, "SglChanPar of module 1, channel 3"),
        (lambda crate: crate.read_channel(1, 3, "CHANNEL_CSRB"), -304, "SglChanPar of module 1, channel 3"),
        (lambda crate: crate.read_channel(1, 3, "NIX"), -301, "NIX"),
        (lambda crate: crate.write_module(0, "SLOW_FILTER_RANGE", 7), -209, "Pixie16WriteSglModPar of module 0: "),
        (lambda crate: crate.read_module(0, "ModID"), -211, "ModID"),
        (lambda crate: crate.write_module(1, "SlotID", 7), -212, "SlotID"),
        (lambda crate: crate.statistics(0) and crate.read_channel(7, 0, "TAU"), -200, "of module 7"),
    ],
)  # fmt: skip
def test_what_is_refused_says_call_code_module_and_channel(
    crate: Crate, ask: Callable[[Crate], object], code: int, says: str
) -> None:
    with pytest.raises(HardwareError) as caught:
        ask(crate)
    assert caught.value.code == code
    assert says in str(caught.value)
    assert f"({code})" in str(caught.value)


def test_settings_are_saved_and_loaded(crate: Crate, tmp_path: Path) -> None:
    crate.write_channel(1, 7, "TRIGGER_THRESHOLD", 55)
    crate.save_settings(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())[1]["metadata"]["slot"] == 5
    crate.write_channel(1, 7, "TRIGGER_THRESHOLD", 66)
    crate.load_settings(tmp_path / "a.json")
    assert crate.read_channel(1, 7, "TRIGGER_THRESHOLD") == pytest.approx(55)
    (tmp_path / "a.json").write_text("[{")
    with pytest.raises(HardwareError, match=r"Pixie16LoadDSPParametersFromFile: .*a\.json"):
        crate.load_settings(tmp_path / "a.json")
    with pytest.raises(HardwareError, match="nix.json"):
        crate.load_settings(tmp_path / "nix.json")


def test_a_run_gives_all_events_that_were_counted(crate: Crate) -> None:
    assert crate.running() == (False, False)
    crate.start()
    assert crate.running() == (True, True)
    blocks: dict[int, list[np.ndarray]] = {0: [], 1: []}
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        for module, parts in blocks.items():
            parts.append(crate.read(module))
        time.sleep(0.005)  # as a reader that polls
    with pytest.raises(HardwareError) as caught:
        crate.write_channel(0, 0, "EMIN", 1)
    assert caught.value.code == -218
    crate.end()
    assert crate.running() == (False, False)
    for module, parts in blocks.items():
        assert crate.level(module) >= 0
        parts.append(crate.read(module))
        assert len(crate.read(module)) == 0
        words = np.concatenate(parts)
        events, counted = decoded(words, LAYOUT), crate.statistics(module)
        assert np.bincount(events["channel"], minlength=16).tolist() == counted.output_counts.tolist()
        assert counted.output_counts.min() > 100
        assert 0.19 < counted.real_time < 5
        assert (counted.live_times <= counted.real_time).all()
        assert (counted.input_rates >= counted.output_rates).all()
        losses = crate.losses(module)
        assert losses is not None
        assert (losses.words_in, losses.words_out, losses.any) == (len(words), len(words), False)


def test_losses_are_told(library_crate: Crate, simulation: Simulation) -> None:
    crate = library_crate
    simulation.control("rate 12000", "buffers 2", "fifo_words 8192")
    crate.start()
    until(lambda: bool(crate.statistics(1).output_counts.sum() > 10_000))
    crate.end()
    losses = crate.losses(1)
    assert losses is not None
    assert losses.any
    assert losses.full_fifo > 0
    assert (losses.words_in, losses.words_dropped) == (2 * 8192, 8192)


@pytest.mark.parametrize(
    ("call", "ask"),
    [
        ("Pixie16StartListModeRun", lambda crate: crate.start()),
        ("Pixie16CheckRunStatus", lambda crate: crate.running()),
        ("Pixie16CheckExternalFIFOStatus", lambda crate: crate.read(1)),
        ("Pixie16ReadStatisticsFromModule", lambda crate: crate.statistics(1)),
        ("Pixie16AdjustOffsets", lambda crate: crate.adjust_offsets(1)),
        ("Pixie16TauFinder", lambda crate: crate.decay_times(1)),
        ("Pixie16BLcutFinder", lambda crate: crate.find_baseline_cut(1, 0)),
    ],
)
def test_a_failing_call_raises_all_that_is_known(
    library_crate: Crate, simulation: Simulation, call: str, ask: Callable[[Crate], object]
) -> None:
    crate = library_crate
    simulation.control(f"fail {call} code 506 module 1 count 1")
    with pytest.raises(HardwareError) as caught:
        ask(crate)
    error = caught.value
    assert (error.call, error.code, error.module) == (call, -506, 1)
    assert error.text.startswith("device dma failure")
    [line] = error.log
    assert line.endswith(f"[ERROR] {call}: module: num=1: requested failure 506")
    crate.end()
    crate.start()
    crate.end()


def test_all_modules_are_told_to_end_also_if_one_fails(library_crate: Crate, simulation: Simulation) -> None:
    crate = library_crate
    crate.start()
    simulation.control("fail Pixie16EndRun code 214 module 0")
    with pytest.raises(HardwareError, match="Pixie16EndRun of module 0: module task timeout"):
        crate.end()
    assert crate.running() == (True, False)
    simulation.control()
    crate.end()
    assert crate.running() == (False, False)


def test_set_up_tools(crate: Crate) -> None:
    csra = int(crate.read_channel(1, 3, "CHANNEL_CSRA"))
    crate.write_channel(1, 3, "CHANNEL_CSRA", csra & ~4)  # no good channel
    before = crate.read_channel(1, 3, "VOFFSET"), crate.read_channel(1, 4, "VOFFSET")
    crate.adjust_offsets(1)
    after = crate.read_channel(1, 3, "VOFFSET"), crate.read_channel(1, 4, "VOFFSET")
    assert before[0] == after[0]
    assert before[1] != after[1]
    traces = crate.adc_traces(1)
    assert traces.shape == (16, 8192)
    assert np.median(traces[4]) == pytest.approx(1638, abs=20)
    values, times = crate.baselines(1)
    assert values.shape == times.shape == (16, 3640)
    assert np.median(values[4]) == pytest.approx(1638, abs=5)
    assert (np.diff(times[4]) > 0).all()
    taus = crate.decay_times(1)
    assert len(taus) == 16
    assert np.isnan(taus[3])
    # us: that of the detector that is simulated, in the task a NaI.
    assert taus[4] == pytest.approx(0.25 if isinstance(crate, SimulatedCrate) else 0.5)
    assert crate.find_baseline_cut(1, 4) == crate.read_channel(1, 4, "BLCUT") > 0


def test_histograms(crate: Crate) -> None:
    crate.write_module(0, "HOST_RT_PRESET", 0.1)
    crate.start_histograms()
    until(lambda: crate.running() == (False, False))
    histogram = crate.histogram(1, 2)
    assert len(histogram) == 32768
    assert 0 < histogram.sum() <= crate.statistics(1).output_counts[2]
    assert crate.level(1) == 0


def test_the_log_is_followed(crate: Crate) -> None:
    assert any("booted" in line for line in crate.log())
    assert crate.log() == ()
    crate.start()
    assert [line.rpartition("] ")[2] for line in crate.log() if "run started" in line] == [
        "module: num=0,slot=2: run started", "module: num=1,slot=5: run started"
    ]  # fmt: skip
    crate.end()


def test_a_second_crate_in_a_process_is_refused(crate: Crate) -> None:
    with pytest.raises(HardwareError, match=r"Pixie16InitSystem: crate already open \(-100\)"):
        crate.open(SLOTS)


def test_a_library_that_cannot_be_loaded_is_named(library_maker: Maker, simulation: Simulation) -> None:
    simulation.library.write_text("no library")
    with pytest.raises(HardwareError, match=f"XIA's library cannot be loaded.*{simulation.library}"):
        library_maker(simulation).open(SLOTS)


def _offline(crate: Crate, folder: Path) -> None:
    """What is asked of a crate that the SDK itself simulates: slots 2 to 5 with four kinds of modules, without data."""
    crate.open((2, 3, 4, 5), offline=True)
    assert [each.kind for each in crate.modules] == ["F-250-16", "F-500-14", "F-250-14", "H-250-14"]
    crate.boot([])
    for module, (rise, threshold) in enumerate(((0.104, 2520), (0.1, 1310), (0.104, 2520), (0.104, 2520))):
        for channel in (0, crate.modules[module].channels - 1):
            assert crate.write_channel(module, channel, "TRIGGER_RISETIME", 0.1) == pytest.approx(rise)
            assert crate.write_channel(module, channel, "TRIGGER_THRESHOLD", 1e6) == pytest.approx(threshold, abs=1)
            assert crate.write_channel(module, channel, "VOFFSET", -1.6) == pytest.approx(1.49995, abs=1e-4)
    with pytest.raises(HardwareError, match="-301"):
        crate.write_channel(0, 0, "CFDThresh", 0)
    crate.write_channel(2, 5, "EMIN", 77)
    crate.save_settings(folder / "settings.json")
    crate.write_channel(2, 5, "EMIN", 1)
    crate.load_settings(folder / "settings.json")
    assert crate.read_channel(2, 5, "EMIN") == 77
    crate.start()
    assert crate.level(0) == 0
    assert len(crate.read(3)) == 0
    crate.end()
    assert crate.running() == (False,) * 4
    assert crate.statistics(3).output_counts.tolist() == [0.0] * 32
    crate.close()


def test_a_crate_that_the_sdk_simulates(maker: Maker, simulation: Simulation) -> None:
    _offline(maker(simulation), simulation.folder)


@pytest.mark.skipif(not XIA, reason="PIXIEIOC_XIA_SDK names no library of XIA's")
def test_xias_own_sdk(library_maker: Maker, simulation: Simulation) -> None:
    simulation.library.unlink()
    shutil.copy(XIA, simulation.library)  # each copy is a crate of its own
    _offline(library_maker(simulation), simulation.folder)
