"""The simulated SDK for tests: built once per test process, and a crate of it in a folder of its own."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.listmode.stream import Decoder
from pixieioc.listmode.variant import Variant

SOURCE = Path(__file__).parents[2] / "sim" / "xia" / "pixie16_sim.c"
#: What a site's configuration names, and pypixie16's keys for it.
FIRMWARE_KEYS = ("ComFPGAConfigFile", "SPFPGAConfigFile", "DSPCodeFile", "DSPVarFile")
#: What is simulated in tasks of a test's own pipeline: their fork server has its environment from before the test.
_OF_TASKS = Path(os.environ.setdefault("PIXIE16_SIM_CONTROL", f"{tempfile.mkdtemp()}/control"))


@functools.cache
def library() -> Path:
    """The simulated SDK as a shared library; skips where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler (cc, gcc or clang) to build the simulated SDK with")
    made = Path(tempfile.mkdtemp()) / "libPixie16Api.so"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-shared", "-fPIC", "-pthread"]
    done = subprocess.run([compiler, *flags, "-o", made, SOURCE, "-lm"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made


@dataclass(frozen=True)
class Simulation:
    """A folder with a copy of the library, which is loaded beside other copies, firmware, a control file."""

    folder: Path

    def __post_init__(self) -> None:
        shutil.copy(library(), self.library)
        self.control()

    @property
    def library(self) -> Path:
        """The shared library."""
        return self.folder / "libPixie16Api.so"

    @property
    def control_file(self) -> Path:
        """What is simulated, and what fails."""
        return self.folder / "control"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to know before it loads the library, or pypixie16."""
        return {
            "PIXIE16_SIM_CONTROL": str(self.control_file),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "MPLBACKEND": "Agg",
        }

    @property
    def log(self) -> str:
        """What the library has written into the folder in which its process runs, if that is this one."""
        path = self.folder / "Pixie16Msg.log"
        return path.read_text() if path.exists() else ""

    def control(self, *lines: str) -> None:
        """Replaces the control file; it is read again by the next call of the library."""
        for file in (self.control_file, _OF_TASKS):
            new = file.with_name("control.new")
            new.write_text("\n".join(lines) + "\n")
            new.replace(file)

    def firmware(self, letter: str = "f", msps: int = 500, bits: int = 14, revision: int = 35207) -> list[Path]:
        """The four files that a module is booted with, in the order of `FIRMWARE_KEYS`."""
        kind = f"rev{letter}general_{bits}b{msps}m"
        names = (
            f"syspixie16_rev{letter}general_adc{msps}mhz_r33341.bin",
            f"fippixie16_{kind}_r34688.bin",
            f"Pixie16DSP_{kind}_r{revision}.ldr",
            f"Pixie16DSP_{kind}_r{revision}.var",
        )
        paths = [self.folder / name for name in names]
        for path in paths:
            path.write_text("firmware\n")
        return paths

    def configure_pypixie16(self, settings: Path | None = None) -> None:
        """Writes the configuration of pypixie16, with one kind of firmware."""
        files = dict(zip(FIRMWARE_KEYS, self.firmware(), strict=True))
        lines = ["[Libraries]", f"sdk = {self.library}", "[Data]", f"datadir = {self.folder}", "[Firmware.default]"]
        lines += [f"{key} = {path}" for key, path in files.items()]
        lines += [f"SettingFile = {settings or self.default_settings()}"]
        path = self.folder / "config" / "PIXIE16" / "config.ini"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")

    def crate_file(self, *kinds: tuple[str, int, int, int]) -> Path:
        """A crate file with firmware for these kinds of modules: letter, MHz, bits, firmware revision."""
        lines = [f'library = "{self.library.name}"']
        for letter, mhz, bits, revision in kinds or (("F", 500, 14, 35207),):
            lines.append(f"[firmware.{letter}-{mhz}-{bits}]")
            files = self.firmware(letter.lower(), mhz, bits, revision)
            keys = ("system", "fippi", "dsp_code", "dsp_variables")
            lines += [f'{key} = "{path.name}"' for key, path in zip(keys, files, strict=True)]
        path = self.folder / "crate.toml"
        path.write_text("\n".join(lines) + "\n")
        return path

    def default_settings(self) -> Path:
        """A settings file without settings: the modules keep their defaults."""
        path = self.folder / "default.json"
        path.write_text("[]\n")
        return path


class Sdk:
    """The C interface, called with plain numbers; one of these per copy of the library is one process with a crate."""

    def __init__(self, simulation: Simulation, slots: tuple[int, ...] = (2,), boot: bool = True) -> None:
        self.api = ctypes.CDLL(str(simulation.library))
        self._set_up()
        self.slots = slots
        assert self.api.Pixie16InitSystem(len(slots), (ctypes.c_ushort * len(slots))(*slots), 0) == 0
        if boot:
            for module in range(len(slots)):
                assert self.boot(module, simulation) == 0

    def _set_up(self) -> None:
        for name in ("RealTime", "LiveTime", "RawInputCount", "InputCountRate", "RawOutputCount", "OutputCountRate"):
            getattr(self.api, f"Pixie16Compute{name}").restype = ctypes.c_double

    def boot(self, module: int, simulation: Simulation) -> int:
        """Boots one module with firmware of its type."""
        revision, msps, bits = self.kind(module)
        firmware = {17: 46540}.get(revision, 30474 if msps == 100 else 35207)
        files = simulation.firmware("abcdefghijklmn"[revision - 10], msps, bits, firmware)
        com, sp, dsp, var = (str(path).encode() for path in files)
        settings = str(simulation.default_settings()).encode()
        return self.api.Pixie16BootModule(com, sp, b" ", dsp, settings, var, module, 0x7F)

    def kind(self, module: int) -> tuple[int, int, int]:
        """Revision, MHz and bits."""
        revision, bits, msps = ctypes.c_ushort(), ctypes.c_ushort(), ctypes.c_ushort()
        pointers = [ctypes.byref(each) for each in (revision, ctypes.c_uint(), bits, msps)]
        assert self.api.Pixie16ReadModuleInfo(module, *pointers) == 0
        return revision.value, msps.value, bits.value

    def write(self, name: str, value: float, module: int = 0, channel: int = 0) -> int:
        """Writes a channel parameter and gives the return code."""
        return self.api.Pixie16WriteSglChanPar(name.encode(), ctypes.c_double(value), module, channel)

    def read(self, name: str, module: int = 0, channel: int = 0) -> float:
        """Reads a channel parameter."""
        value = ctypes.c_double()
        assert self.api.Pixie16ReadSglChanPar(name.encode(), ctypes.byref(value), module, channel) == 0
        return value.value

    def set(self, name: str, value: float, module: int = 0, channel: int = 0) -> float:
        """Writes a channel parameter and gives what is read back."""
        assert self.write(name, value, module, channel) == 0
        return self.read(name, module, channel)

    def write_module(self, name: str, value: int, module: int = 0) -> int:
        """Writes a module parameter and gives the return code."""
        return self.api.Pixie16WriteSglModPar(name.encode(), value, module)

    def read_module(self, name: str, module: int = 0) -> int:
        """Reads a module parameter, or gives the return code."""
        value = ctypes.c_uint()
        code = self.api.Pixie16ReadSglModPar(name.encode(), ctypes.byref(value), module)
        return code or value.value

    def start(self) -> int:
        """Starts a new list-mode run in all modules."""
        return self.api.Pixie16StartListModeRun(len(self.slots), 0x100, 1)

    def level(self, module: int = 0) -> int:
        """Words that can be read."""
        words = ctypes.c_uint()
        assert self.api.Pixie16CheckExternalFIFOStatus(ctypes.byref(words), module) == 0
        return words.value

    def take(self, module: int = 0) -> NDArray[np.uint32]:
        """All words that can be read."""
        words = np.empty(self.level(module), np.uint32)
        pointer = words.ctypes.data_as(ctypes.c_void_p)
        assert self.api.Pixie16ReadDataFromExternalFIFO(pointer, len(words), module) == 0
        return words

    def run(self, seconds: float) -> list[NDArray[np.uint32]]:
        """The words of each module in a run of this length, which nothing stalls."""
        assert self.start() == 0
        blocks: list[list[NDArray[np.uint32]]] = [[] for _ in self.slots]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for module, parts in enumerate(blocks):
                parts.append(self.take(module))
            time.sleep(0.005)  # as a reader that polls
        assert self.api.Pixie16EndRun(len(self.slots)) == 0
        return [np.concatenate([*parts, self.take(module)]) for module, parts in enumerate(blocks)]

    def statistics(self, module: int = 0) -> dict[str, NDArray[np.float64]]:
        """Real time, and live time and counts by channel."""
        words = (ctypes.c_uint * self.api.Pixie16GetStatisticsSize())()
        assert self.api.Pixie16ReadStatisticsFromModule(words, module) == 0
        by_channel = {
            name: np.array(
                [getattr(self.api, f"Pixie16Compute{name}")(words, module, channel) for channel in range(32)]
            )
            for name in ("LiveTime", "RawInputCount", "RawOutputCount", "InputCountRate", "OutputCountRate")
        }
        return {"RealTime": np.array(self.api.Pixie16ComputeRealTime(words, module)), **by_channel}

    def losses(self, module: int = 0) -> dict[str, int]:
        """Counters of the FIFO and the host's queue in this run."""
        numbers = (ctypes.c_size_t * 6)()
        assert self.api.PixieReadRunFifoStats(module, numbers) == 0
        names = ("in", "out", "dma_in", "overflows", "dropped", "hw_overflows")
        return dict(zip(names, numbers, strict=True))


#: The slots of the modules that XIA's SDK simulates itself.
OFFLINE_SLOTS = (2, 3, 4, 5)


class Offline(Sdk):
    """A library's own crate: four modules without data, booted, with the settings of a file."""

    def __init__(self, library: Path, settings: Path | None = None) -> None:
        self.api, self.slots = ctypes.CDLL(str(library)), OFFLINE_SLOTS
        self._set_up()
        assert self.api.Pixie16InitSystem(4, (ctypes.c_ushort * 4)(*OFFLINE_SLOTS), 1) == 0
        assert self.api.PixieBootCrate(b"", 1) == 0
        if settings is not None:
            assert self.load(settings) == 0

    def load(self, path: Path | str) -> int:
        """Loads a file of settings and gives the return code."""
        return self.api.Pixie16LoadDSPParametersFromFile(str(path).encode())


def until(holds: Callable[[], bool]) -> None:
    """Waits for something of the library, for 5 s at most."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)  # the library has nothing that could be waited for


def decoded(words: NDArray[np.uint32], layout: Variant) -> Events:
    """The events of a whole stream, which must have neither corrupt regions nor words left over."""
    decoder = Decoder(layout)
    events = ev.concatenate(decoder.feed(words) + decoder.finish())
    assert (decoder.counts.corrupt_regions, decoder.counts.words_left_over) == (0, 0)
    return events
