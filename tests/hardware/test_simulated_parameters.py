"""The simulated SDK has the ranges, steps, clamps and side effects that XIA's SDK was measured to have."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

import pytest

from tests.hardware.simulation import Sdk, Simulation

TYPES = {"D100": "D 100 12", "F250": "F 250 14", "F500": "F 500 14", "H250": "H 250 14"}
CHANNEL_PARAMETERS = [
    "TRIGGER_RISETIME", "TRIGGER_FLATTOP", "TRIGGER_THRESHOLD", "ENERGY_RISETIME", "ENERGY_FLATTOP", "TAU",
    "TRACE_LENGTH", "TRACE_DELAY", "VOFFSET", "XDT", "BASELINE_PERCENT", "EMIN", "BINFACTOR", "BASELINE_AVERAGE",
    "CHANNEL_CSRA", "BLCUT", "INTEGRATOR", "FASTTRIGBACKLEN", "CFDDelay", "CFDScale", "CFDThresh", "QDCLen0",
    "QDCLen1", "QDCLen2", "QDCLen3", "QDCLen4", "QDCLen5", "QDCLen6", "QDCLen7", "ExtTrigStretch", "VetoStretch",
    "MultiplicityMaskL", "MultiplicityMaskH", "ExternDelayLen", "FtrigoutDelay", "ChanTrigStretch", "RESET_DELAY",
]  # fmt: skip
#: A parameter, what is written, and what is read back from modules of each type.
CLAMPED = [
    ("TRIGGER_RISETIME", 1e6, {"D100": 1.17, "F250": 0.936, "F500": 1.17, "H250": 0.936}),
    ("TRIGGER_RISETIME", -1, {"D100": 1.17, "F250": 0.936, "F500": 1.17, "H250": 0.936}),
    ("TRIGGER_RISETIME", 0, {"D100": 0.02, "F250": 0.016, "F500": 0.02, "H250": 0.016}),
    ("TRIGGER_FLATTOP", 0.0333, {"D100": 0.03, "F250": 0.032, "F500": 0.03, "H250": 0.032}),
    ("TRIGGER_THRESHOLD", 1e6, {"D100": 6553.5, "F250": 3276.75, "F500": 1310.7, "H250": 3276.75}),
    ("TRIGGER_THRESHOLD", -1, {"D100": 6553.5, "F250": 3276.75, "F500": 1310.7, "H250": 3276.75}),
    ("TRIGGER_THRESHOLD", 10.05, {"D100": 10.0, "F250": 10.05, "F500": 10.04, "H250": 10.05}),
    ("TRACE_LENGTH", 1e6, {"D100": 204.7, "F250": 81.88, "F500": 40.94, "H250": 16.0}),
    ("TRACE_LENGTH", 0.147, {"D100": 0.14, "F250": 0.144, "F500": 0.14, "H250": 0.256}),
    ("TRACE_DELAY", 0.0333, {"D100": 0.03, "F250": 0.032, "F500": 0.03, "H250": 0.032}),
    ("VOFFSET", 2, dict.fromkeys(TYPES, 1.499954)),
    ("VOFFSET", -1.6, dict.fromkeys(TYPES, 1.499954)),
    ("XDT", 0, {"D100": 0.06, "F250": 0.08, "F500": 0.06, "H250": 0.08}),
    ("XDT", 0.13, {"D100": 0.18, "F250": 0.16, "F500": 0.18, "H250": 0.16}),
    ("XDT", -1, {"D100": 42949671.96, "F250": 42949672.0, "F500": 42949671.96, "H250": 42949672.0}),
    ("TAU", 0.0333, dict.fromkeys(TYPES, 0.0332999974)),
    ("TAU", -1, dict.fromkeys(TYPES, -1.0)),
    ("BASELINE_PERCENT", -1, dict.fromkeys(TYPES, 99)),
    ("BASELINE_PERCENT", 0, dict.fromkeys(TYPES, 1)),
    ("BINFACTOR", -1, dict.fromkeys(TYPES, 6)),
    ("BASELINE_AVERAGE", -1, dict.fromkeys(TYPES, 16)),
    ("EMIN", -1, dict.fromkeys(TYPES, 4294967295)),
    ("CHANNEL_CSRA", -1, dict.fromkeys(TYPES, 4294967295)),
    ("INTEGRATOR", -1, dict.fromkeys(TYPES, 0)),
    ("INTEGRATOR", 1e6, dict.fromkeys(TYPES, 7)),
    ("CFDScale", -1, dict.fromkeys(TYPES, 7)),
    ("CFDDelay", 1, {"D100": 0.63, "F250": 0.504, "F500": 0.63, "H250": 0.504}),
    ("FASTTRIGBACKLEN", -1, {"D100": 40.95, "F250": 32.76, "F500": 40.95, "H250": 32.76}),
    ("FASTTRIGBACKLEN", 0, {"D100": 0.01, "F250": 0.016, "F500": 0.01, "H250": 0.016}),
    ("QDCLen3", 1e6, {"D100": 327.67, "F250": 131.068, "F500": 327.67, "H250": 131.068}),
    ("QDCLen3", 0.0333, {"D100": 0.03, "F250": 0.032, "F500": 0.03, "H250": 0.032}),
    ("VetoStretch", -1, {"D100": 40.95, "F250": 32.76, "F500": 40.95, "H250": 32.76}),
    ("ExternDelayLen", 1e6, {"D100": 2.55, "F250": 4.088, "F500": 5.11, "H250": 4.088}),
    ("FtrigoutDelay", 1e6, {"D100": 2.55, "F250": 4.088, "F500": 5.11, "H250": 4.088}),
    ("RESET_DELAY", 1e6, {"D100": 2.55, "F250": 2.04, "F500": 2.55, "H250": 2.04}),
]


def _crate(simulation: Simulation) -> Sdk:
    simulation.control(*(f"slot {slot} {kind}" for slot, kind in enumerate(TYPES.values(), 2)))
    return Sdk(simulation, tuple(range(2, 2 + len(TYPES))))


def test_values_out_of_range_land_where_they_were_measured_to(simulation: Simulation) -> None:
    sdk = _crate(simulation)
    found: dict[tuple[str, float], dict[str, float]] = {}
    for name, value, _ in CLAMPED:
        found[name, value] = {}
        for module, kind in enumerate(TYPES):
            # From the same settings each time: some depend on others, or on what was there before.
            for other, known in (
                ("TRIGGER_RISETIME", 0.08 if "250" in kind else 0.1),
                ("TRACE_LENGTH", 1),
                ("XDT", 0.06),
            ):
                sdk.write(other, known, module)
            found[name, value][kind] = sdk.set(name, value, module)
    assert found == {(name, value): pytest.approx(there, rel=1e-6) for name, value, there in CLAMPED}


def test_all_channel_parameters_are_there_in_all_channels(simulation: Simulation) -> None:
    sdk = _crate(simulation)
    assert len(CHANNEL_PARAMETERS) == 37  # the 38th is CHANNEL_CSRB, which is disabled
    for module, channels in enumerate((16, 16, 16, 32)):
        for name in CHANNEL_PARAMETERS:
            before = sdk.read(name, module, channels - 1)
            assert sdk.set(name, before, module, channels - 1) == pytest.approx(before, rel=1e-6), name
        assert sdk.write("EMIN", 1, module, channels) == -300


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [("CFDThresh", 0, -301), ("CFDThresh", 65536, -301), ("CHANNEL_CSRB", 0, -304), ("emin", 1, -301), ("X", 1, -301)],
)
def test_what_is_refused_in_a_channel_changes_nothing(
    simulation: Simulation, name: str, value: float, code: int
) -> None:
    sdk = Sdk(simulation)
    before = sdk.read("CFDThresh")
    assert sdk.write(name, value) == code
    assert sdk.read("CFDThresh") == before


def test_parameters_act_on_each_other(simulation: Simulation) -> None:
    sdk = Sdk(simulation)
    assert sdk.set("TRIGGER_RISETIME", 0.1) == pytest.approx(0.1)
    assert sdk.set("TRIGGER_THRESHOLD", 100) == pytest.approx(100)
    sdk.write("TRIGGER_RISETIME", 0.2)
    assert sdk.read("TRIGGER_THRESHOLD") == pytest.approx(50)  # the stored number is not rescaled
    # All filter ranges: the smallest and the largest rise time and flat top.
    for slow in range(1, 7):
        assert sdk.write_module("SLOW_FILTER_RANGE", slow) == 0
        unit = 0.01 * 2**slow
        sdk.write("ENERGY_FLATTOP", 0)
        assert sdk.read("ENERGY_FLATTOP") == pytest.approx(3 * unit)
        assert sdk.set("ENERGY_RISETIME", 1e6) == pytest.approx(124 * unit)
        assert sdk.set("ENERGY_RISETIME", 0) == pytest.approx(2 * unit)
        assert sdk.set("ENERGY_FLATTOP", 1e6) == pytest.approx(125 * unit)
    # A delay that is longer than the trace (ticks compared with samples) becomes half of it; it survives a new filter.
    sdk.write("TRACE_LENGTH", 0.2)
    assert sdk.set("TRACE_DELAY", 5) == pytest.approx(0.5)
    assert sdk.set("TRACE_DELAY", 0.12) == pytest.approx(0.12)
    sdk.write("ENERGY_FLATTOP", 0.2)
    assert sdk.read("TRACE_DELAY") == pytest.approx(0.12)
    sdk.write("TRACE_LENGTH", 40)
    assert sdk.set("TRACE_DELAY", 30) == pytest.approx(10.23)
    # Decay time and gain have the baseline cut found again.
    for name, value in (("TAU", 2.0), ("CHANNEL_CSRA", 1 << 14 | 4)):
        sdk.write("BLCUT", 7)
        sdk.write(name, value)
        assert sdk.read("BLCUT") != 7, name
    sdk.write("BLCUT", 7)
    sdk.write("CHANNEL_CSRA", 1 << 14)
    assert sdk.read("BLCUT") == 7


def test_module_parameters(simulation: Simulation) -> None:
    sdk = _crate(simulation)
    for name in ("SYNCH_WAIT", "IN_SYNCH", "HOST_RT_PRESET"):
        assert sdk.write_module(name, 4294967295, 1) == 0
        assert [sdk.read_module(name, module) for module in range(4)] == [4294967295] * 4  # broadcast
    assert [sdk.write_module("SLOW_FILTER_RANGE", value) for value in (0, 7, 4294967295)] == [-209] * 3
    assert (sdk.write_module("FAST_FILTER_RANGE", 1), sdk.read_module("FAST_FILTER_RANGE")) == (0, 0)
    for name in ("ModID", "MODULE_CSRA", "MODULE_FORMAT", "MAX_EVENTS"):
        assert (sdk.write_module(name, 0), sdk.read_module(name)) == (-211, -211)
    assert (sdk.write_module("SlotID", 3), sdk.read_module("SlotID")) == (-212, 2)
    assert (sdk.write_module("MODULE_NUMBER", 3), sdk.read_module("MODULE_NUMBER", 2)) == (-209, 2)
    assert sdk.write_module("nix", 3) == -209
    # A role that only one module may have.
    for bit in (0, 4, 6):
        assert sdk.write_module("MODULE_CSRB", 1 << bit, 0) == 0
        assert sdk.write_module("MODULE_CSRB", 1 << bit, 1) == -209
    assert sdk.write_module("MODULE_CSRB", 1 << 12, 1) == 0
    for index in range(4):
        assert sdk.write_module(f"TrigConfig{index}", 0xF0000000 + index) == 0
    assert [sdk.read_module(f"TrigConfig{index}") for index in range(4)] == [0xF0000000 + index for index in range(4)]
    assert "FAST_FILTER_RANGE 1 is set to 0" in simulation.log


def test_settings_files_hold_everything(simulation: Simulation, tmp_path: Path) -> None:
    sdk = _crate(simulation)
    path = str(tmp_path / "saved.json").encode()
    sdk.write("TRIGGER_THRESHOLD", 77, 3, 31)
    sdk.write("QDCLen7", 1.0, 1, 5)
    sdk.write_module("TrigConfig2", 99, 2)
    assert sdk.api.Pixie16SaveDSPParametersToFile(path) == 0
    saved = json.loads(Path(path.decode()).read_text())
    assert [module["metadata"]["num-channels"] for module in saved] == [16, 16, 16, 32]
    assert [module["metadata"]["hardware_revision"] for module in saved] == ["D", "F", "F", "H"]
    assert saved[1]["channel"]["input"]["QDCLen7"][5] == 250
    assert saved[2]["module"]["input"]["TrigConfig"] == [0, 0, 99, 0]
    before = {(m, n, c): sdk.read(n, m, c) for m in range(4) for n in CHANNEL_PARAMETERS for c in (0, 5, 15)}
    for module, name, channel in before:
        if name != "CFDThresh":
            sdk.write(name, 0, module, channel)
    sdk.write_module("TrigConfig2", 0, 2)
    assert sdk.api.Pixie16LoadDSPParametersFromFile(path) == 0
    assert before == {(m, n, c): sdk.read(n, m, c) for m, n, c in before}
    assert sdk.read_module("TrigConfig2", 2) == 99
    # Fewer modules in the file than in the crate: the rest get default settings.
    Path(path.decode()).write_text(json.dumps(saved[:3]))
    assert sdk.api.Pixie16LoadDSPParametersFromFile(path) == 0
    assert sdk.read("TRIGGER_THRESHOLD", 3, 31) == 100
    # What cannot be read changes nothing.
    Path(path.decode()).write_text(json.dumps(saved)[:-1])
    sdk.write("EMIN", 5)
    assert sdk.api.Pixie16LoadDSPParametersFromFile(path) == -602
    assert sdk.api.Pixie16LoadDSPParametersFromFile(b"/nix.json") == -701
    assert sdk.read("EMIN") == 5


def test_copies_go_to_the_chosen_channels(simulation: Simulation) -> None:
    sdk = Sdk(simulation, (2, 3))
    sdk.write("TRIGGER_THRESHOLD", 55)
    sdk.write("QDCLen0", 2)
    mask = (ctypes.c_ushort * 32)()
    mask[3] = mask[16 + 15] = 1
    assert sdk.api.Pixie16CopyDSPParameters(1 << 0, 0, 0, mask) == 0
    assert [sdk.read("TRIGGER_THRESHOLD", m, c) for m, c in ((0, 3), (1, 15), (1, 14))] == [55, 55, 100]
    assert sdk.read("QDCLen0", 0, 3) == pytest.approx(0.3)
