"""What XIA's own SDK 5.3 answers on the crate that it simulates, measured: the simulated SDK must answer the same.

With PIXIEIOC_XIA_SDK=<path of XIA's library>, XIA's answers again, too.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pixieioc.hardware.crate import RUN_LEADER
from tests.hardware.simulation import OFFLINE_SLOTS as SLOTS
from tests.hardware.simulation import Offline, Simulation

XIA = os.environ.get("PIXIEIOC_XIA_SDK", "")
F250, F500, F250_14, H = range(4)
#: Module, parameter, what is written into a channel, and what is read back, or the code of the refusal.
WRITES = [
    (F250, "EMIN", 99.5, 99), (F250, "EMIN", 5e9, 705032704), (F250, "CHANNEL_CSRA", 4095.6, 4095),
    (F250, "BLCUT", 0.5, 0), (F250, "BASELINE_AVERAGE", 0.5, 0), (F250, "BASELINE_PERCENT", 99.5, 99),
    (F250, "BINFACTOR", 3.9, 3), (F250, "CFDScale", 0.5, 0), (F250, "MultiplicityMaskL", 4095.6, 4095),
    (F250, "INTEGRATOR", 0.5, 0), (F250, "INTEGRATOR", math.inf, 7), (F250, "INTEGRATOR", -1, 0),
    (F250, "CFDThresh", 0.5, -301), (F250, "CFDThresh", 99.5, 99), (F250, "CFDThresh", -1, -301),
    (F250, "TAU", 0.0333, 0.033299997), (F250, "TAU", 4095.6, 4095.599853516), (F250, "TAU", 0, 0),
    (F250, "TAU", -0.0333, -0.033299997),
    (F250, "VOFFSET", -1, -1.000030518), (F500, "VOFFSET", 0.5, 0.499969482), (F250, "VOFFSET", 0.016, 0.015975952),
    (F250, "VOFFSET", -1.6, 1.499954224), (F250, "VOFFSET", 2, 1.499954224), (F250, "VOFFSET", math.nan, -1.5),
    (F250, "FASTTRIGBACKLEN", 3.3, 3.304), (F250, "ExtTrigStretch", 3.3, 3.304), (H, "ExternDelayLen", 3.3, 3.304),
    (F250, "XDT", 1e9, 12157521.92), (F500, "XDT", 5e9, 17837936.64), (F500, "XDT", 0.07, 0.12),
    (F250, "TRIGGER_RISETIME", math.nan, 0.016), (F500, "TRIGGER_RISETIME", math.inf, 0.02),
    (F250, "TRIGGER_RISETIME", -1, 0.936), (F250, "TRIGGER_RISETIME", -0.008, 34359738.36),
    (F250, "TRIGGER_FLATTOP", -1, 0.936), (F250, "TRIGGER_THRESHOLD", 3.3, 3.3),
    (F250, "TRIGGER_THRESHOLD", 0.29, 0.25), (F500, "TRIGGER_THRESHOLD", -1, 1310.7),
    (F250, "ENERGY_RISETIME", -1, 3.744), (F250, "ENERGY_FLATTOP", 0, 0.096),
    (F250, "TRACE_LENGTH", 0.5, 0.496), (F500, "TRACE_LENGTH", 0.58, 0.58), (H, "TRACE_LENGTH", 1, 1.024),
    (F500, "TRACE_LENGTH", 1000, 40.94), (H, "TRACE_LENGTH", 1000, 16), (F250, "TRACE_LENGTH", math.inf, 0),
    (F500, "TRACE_DELAY", 20, 2.5), (F250, "TRACE_DELAY", math.inf, 0),
    (F250, "CHANNEL_CSRB", 0, -304), (F250, "NIX", 0, -301), (F250, "tau", 0, -301), (F250, "", 0, -301),
]  # fmt: skip
#: Module parameter, what is written, and what is read back, or the code of the refusal.
MODULE_WRITES = [
    ("CrateID", 16, 16), ("CrateID", 0xFFFFFFFF, 0xFFFFFFFF), ("SLOW_FILTER_RANGE", 0, -209),
    ("SLOW_FILTER_RANGE", 7, -209), ("FAST_FILTER_RANGE", 1, 0), ("SlotID", 7, -212), ("ModID", 1, -211),
    ("MODULE_NUMBER", 1, -209), ("MAX_EVENTS", 1, -211), ("TrigConfig", 1, -209),
    ("TrigConfig3", 0xF0000001, 0xF0000001),    ("HOST_RT_PRESET", 77, 77), ("SYNCH_WAIT", 0xFFFFFFFF, 0xFFFFFFFF),
]  # fmt: skip
#: What the codes mean.
TEXTS = {
    -100: "crate already open", -203: "module failed to close", -212: "module parameter is readonly",
    -213: "module parameter is writeonly", -214: "module task timeout", -217: "module test invalid",
    -218: "module data run is active", -303: "invalid channel variable", -304: "invalid channel index",
    -305: "channel parameter is readonly", -306: "channel parameter is writeonly", -400: "invalid header length",
    -408: "invalid slot", -500: "device failed to load", -501: "device failed to boot",
    -502: "device failed to initialize", -506: "device dma failure", -507: "device dma busy",
    -508: "device fifo failure", -509: "device eeprom failure", -511: "device eeprom tag not found",
    -600: "invalid config parameter", -601: "config parameter not found", -602: "config json error",
    -701: "file open failure", -705: "file close failure", -800: "no memory", -802: "invalid value",
    -803: "not supported", -804: "buffer pool empty", -807: "buffer pool not enough", -902: "bad allocation",
    -903: "read only", -990: "bad error code", -999: "bad error code",
}  # fmt: skip


Maker = Callable[[], Offline]


@pytest.fixture(params=["simulated", pytest.param("xia", marks=pytest.mark.skipif(not XIA, reason="no SDK of XIA's"))])
def maker(request: pytest.FixtureRequest, simulation: Simulation, tmp_path: Path) -> Maker:
    """Opens a crate of the library; the settings to begin with are the same for both."""
    settings = tmp_path / "begin.json"
    simulated = Simulation(tmp_path / "other") if (tmp_path / "other").mkdir() is None else simulation
    assert Offline(simulated.library).api.Pixie16SaveDSPParametersToFile(str(settings).encode()) == 0
    library = simulation.library
    if request.param == "xia":
        library = tmp_path / "xia.so"
        shutil.copy(XIA, library)  # each copy is a crate of its own
    return lambda: Offline(library, settings)


def test_what_becomes_of_values(maker: Maker, tmp_path: Path) -> None:
    sdk = maker()
    answers: dict[object, object] = {}
    for module, name, value, _ in WRITES:
        assert sdk.load(tmp_path / "begin.json") == 0
        code = sdk.write(name, value, module)
        answers[module, name, str(value)] = round(sdk.read(name, module), 9) if code == 0 else code
    assert answers == {(module, name, str(value)): told for module, name, value, told in WRITES}


def test_what_becomes_of_module_parameters(maker: Maker) -> None:
    sdk = maker()
    answers = {
        (name, value): sdk.write_module(name, value) or sdk.read_module(name) for name, value, _ in MODULE_WRITES
    }
    assert answers == {(name, value): told for name, value, told in MODULE_WRITES}
    assert sdk.write_module("CrateID", 3, len(SLOTS)) == 0  # in all modules
    assert [sdk.read_module("CrateID", module) for module in range(4)] == [3] * 4


def test_what_codes_mean(maker: Maker) -> None:
    sdk = maker()
    told: dict[int, str] = {}
    for code in TEXTS:
        text = ctypes.create_string_buffer(100)
        assert sdk.api.PixieGetReturnCodeText(code, text, 100) == 0
        # The text has no end of its own.
        told[code] = text.value.decode()
    assert told == TEXTS


def test_runs(maker: Maker) -> None:
    sdk = maker()
    api, words = sdk.api, (ctypes.c_uint * 4000)()
    assert api.Pixie16EndRun(0) == 0  # there is none
    assert api.Pixie16ReadDataFromExternalFIFO(words, 5, 0) == 0  # more than there are
    assert api.Pixie16StartListModeRun(0, 0x101, 1) == api.Pixie16StartListModeRun(0, 0x100, 7) == -802
    assert sdk.start() == 0
    assert api.Pixie16StartListModeRun(0, 0x100, 1) == api.Pixie16StartHistogramRun(0, 1) == -218
    cut, trace = ctypes.byref(ctypes.c_uint()), (ctypes.c_ushort * 8192)()
    refused = {
        "write": sdk.write("TAU", 1), "write_module": sdk.write_module("CrateID", 1),
        "read": sdk.read_module("CrateID"), "save": api.Pixie16SaveDSPParametersToFile(b"r.json"),
        "load": sdk.load("r.json"), "offsets": api.Pixie16AdjustOffsets(0), "trace": api.Pixie16AcquireADCTrace(0),
        "read trace": api.Pixie16ReadSglChanADCTrace(trace, 8192, 0, 0), "baselines": api.Pixie16AcquireBaselines(0),
        "tau": api.Pixie16TauFinder(0, (ctypes.c_double * 32)()), "cut": api.Pixie16BLcutFinder(0, 0, cut),
        "dacs": api.Pixie16SetDACs(0), "boot": api.PixieBootCrate(b"", 1), "exit": api.Pixie16ExitSystem(0),
    }  # fmt: skip
    assert refused == dict.fromkeys(refused, -218)
    assert api.Pixie16ReadStatisticsFromModule(words, 0) == 0
    assert api.Pixie16ComputeLiveTime(words, 0, 99) == -300
    assert api.Pixie16ReadHistogramFromModule(words, 10, 0, 0) == api.PixieReadRunFifoStats(0, words) == 0
    assert api.Pixie16EndRun(4) == 0
    assert [api.Pixie16CheckRunStatus(module) for module in range(5)] == [0, 0, 0, 0, -200]


def test_a_synchronous_run_needs_a_leader(maker: Maker) -> None:
    sdk = maker()
    assert sdk.write_module("SYNCH_WAIT", 1) == 0
    assert sdk.start() == -206
    assert sdk.write_module("MODULE_CSRB", RUN_LEADER, 2) == 0
    assert sdk.write_module("MODULE_CSRB", RUN_LEADER, 1) == -209
    assert sdk.start() == sdk.api.Pixie16EndRun(4) == 0


def test_modules_of_revision_h_cannot_do_everything(maker: Maker) -> None:
    sdk, taus, cut = maker(), (ctypes.c_double * 32)(), ctypes.byref(ctypes.c_uint())
    answers = [
        (sdk.api.Pixie16AcquireBaselines(m), sdk.api.Pixie16TauFinder(m, taus), sdk.api.Pixie16BLcutFinder(m, 0, cut))
        for m in (F250, H)
    ]
    assert answers == [(0, 0, 0), (-803, -803, -803)]


def test_files_of_settings(maker: Maker, tmp_path: Path) -> None:
    sdk = maker()
    saved = json.loads((tmp_path / "begin.json").read_text())

    def load(content: str) -> int:
        (tmp_path / "x.json").write_text(content)
        return sdk.load(tmp_path / "x.json")

    codes = {text: load(text) for text in ("[]", "{}", "", "[{", "3", "[{}]")}
    assert codes == {"[]": 0, "{}": 0, "": -602, "[{": -602, "3": -900, "[{}]": -602}
    assert [sdk.load(path) for path in ("/nix.json", "", ".")] == [-701, -701, -902]
    assert sdk.api.Pixie16SaveDSPParametersToFile(b"/nix/x.json") == -701
    saved[0]["channel"]["input"]["EnergyLow"] = [5, 6]  # the others get the first
    saved[0]["module"]["input"] |= {"SlotID": 9, "ModNum": 9}
    saved[1]["channel"]["input"]["Nix"] = [1]
    assert load(json.dumps(saved)) == 0
    assert [sdk.read("EMIN", 0, channel) for channel in (0, 1, 2, 15)] == [5, 6, 5, 5]
    assert (sdk.read_module("SlotID"), sdk.read_module("MODULE_NUMBER")) == (2, 0)
    saved[0]["channel"]["input"]["EnergyLow"] = ["x"] * 16
    assert load(json.dumps(saved)) == -602


def test_boots(maker: Maker, tmp_path: Path) -> None:
    sdk = maker()
    api, settings = sdk.api, str(tmp_path / "begin.json").encode()
    firmware = tmp_path / "firmware"
    firmware.write_text("x")
    f = str(firmware).encode()
    assert api.Pixie16BootModule(f, f, b" ", f, settings, f, 0, 0x01) == -802  # a part of the devices
    assert api.Pixie16BootModule(f, f, b" ", f, settings, f, 0, 0x7F) == -207  # it has firmware of its own
    modes = {(mode, name): api.PixieBootCrate(name, mode) for mode in (0, 1, 2) for name in (b"", b"/nix", settings)}
    assert modes == {
        (0, b""): 0, (0, b"/nix"): 0, (0, settings): 0, (1, b""): 0, (1, b"/nix"): -701, (1, settings): 0,
        (2, b""): -802, (2, b"/nix"): -701, (2, settings): 0,
    }  # fmt: skip
    assert api.PixieRegisterFirmware(1, 15, 250, 16, b"nix", f, 0) == -207
    assert api.PixieRegisterFirmware(1, 13, 250, 16, b"sys", f, 0) == -207
    assert api.PixieRegisterFirmware(1, 15, 250, 16, b"sys", f, 9) == -200
    kinds = [api.PixieRegisterCrateFirmware(1, 11, 100, 12, each, f) for each in (b"sys", b"fippi", b"dsp", b"var")]
    assert kinds == [0, 0, 0, 0]


@pytest.mark.parametrize(("slots", "code", "again"), [((), -201, 0), ((7,), -200, -100), ((1,), -200, -100),
                                                      ((20,), -200, -100), ((2, 3, 4, 5, 6), -201, 0)])  # fmt: skip
def test_a_crate_that_cannot_be_opened(
    simulation: Simulation, tmp_path: Path, slots: tuple[int, ...], code: int, again: int
) -> None:
    libraries = [simulation.library]
    if XIA:
        libraries.append(Path(shutil.copy(XIA, tmp_path / "xia.so")))
    for library in libraries:
        api = ctypes.CDLL(str(library))
        assert api.Pixie16CheckRunStatus(0) == -101
        assert api.Pixie16InitSystem(len(slots), (ctypes.c_ushort * 13)(*slots), 1) == code
        assert api.Pixie16InitSystem(2, (ctypes.c_ushort * 2)(2, 3), 1) == again
