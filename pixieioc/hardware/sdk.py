"""A crate through XIA's library alone (`libPixie16Api.so`), by ctypes; modules may have 32 channels."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_double, c_size_t, c_uint, c_ushort
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.hardware.crate import (
    CHANNELS_H,
    REVISIONS,
    RUN_TIME,
    Firmware,
    Floats,
    Losses,
    ModuleInfo,
    Progress,
    Statistics,
    Words,
    booted,
    firmware_for,
    nobody,
)
from pixieioc.hardware.ending import end_all
from pixieioc.hardware.error import HardwareError
from pixieioc.hardware.sdk_log import SdkLog

_LIST_MODE, _NEW_RUN = 0x100, 1
#: A boot loads the firmware, programs the trigger FPGA and sets the offsets; settings, which need a file, come later.
_WITHOUT_SETTINGS = 0x6F
#: PixieBootCrate: load what is not there; load all; load settings only.
_PROBE, _RESET_LOAD, _SETTINGS_LOAD = range(3)
#: The devices of a module, in the order of the files of firmware.
_REGISTER, _DEVICES = "PixieRegisterCrateFirmware", ("sys", "fippi", "dsp", "var")
_OFFLINE = -204
_BINS, _BINS_H, _BASELINES = 32768, 16384, 3640
#: In the order of the SDK's structure; larger than any that is known, so that none is written past its end.
_COUNTERS = "PixieReadRunFifoStats"
#: Decay times (us) below this are none: -1, or what all bits 0 are read as.
_NO_TAU = 1e-6
_FIFO_COUNTERS, _ROOM = ("in", "out", "dma_in", "overflows", "dropped", "hw_overflows"), 32


class SdkCrate:
    """Calls XIA's library in this process; `Pixie16Msg.log` is followed in the folder in which the process runs."""

    def __init__(self, library: Path) -> None:
        """`library` is the shared library; HardwareError if it cannot be loaded."""
        self._log = SdkLog()
        self._library = library
        try:
            self._api: Any = ctypes.CDLL(str(library))
        except OSError as error:
            raise HardwareError("load", 0, f"XIA's library cannot be loaded: {error}") from error
        self._set_up(self._api)

    def _set_up(self, api: Any) -> None:
        self._offline = self._registered = False
        self._modules: tuple[ModuleInfo, ...] = ()
        for name in ("RealTime", "LiveTime", "RawInputCount", "RawOutputCount"):
            getattr(api, f"Pixie16Compute{name}").restype = c_double

    @property
    def library(self) -> Path:
        """XIA's library."""
        return self._library

    @property
    def modules(self) -> tuple[ModuleInfo, ...]:
        return self._modules

    @property
    def version(self) -> str:
        interface = "SDK 5 or later" if hasattr(self._api, _COUNTERS) else "before SDK 5"
        return f"{self._library.resolve().name} ({interface})"

    def open(self, slots: Sequence[int], *, offline: bool = False) -> None:
        array = (c_ushort * len(slots))(*slots)
        self._call("Pixie16InitSystem", c_ushort(len(slots)), array, c_ushort(offline))
        self._find(slots, offline)

    def _find(self, slots: Sequence[int], offline: bool) -> None:
        self._offline = offline
        self._modules = tuple(self._info(module, slot) for module, slot in enumerate(slots))

    def _info(self, module: int, slot: int) -> ModuleInfo:
        revision, serial, bits, mhz = c_ushort(), c_uint(), c_ushort(), c_ushort()
        pointers = [ctypes.byref(each) for each in (revision, serial, bits, mhz)]
        self._call("Pixie16ReadModuleInfo", c_ushort(module), *pointers, module=module)
        letter = REVISIONS.get(revision.value, str(revision.value))
        return ModuleInfo(slot, letter, serial.value, bits.value, mhz.value)

    def boot(
        self, firmware: Sequence[Firmware], settings: Path | None = None, progress: Progress | None = None
    ) -> None:
        tell = progress or nobody
        total = len(self._modules)
        tell(0, total)
        sets = self._chosen(firmware)
        if self._offline or self._registered:  # the SDK knows the firmware, and boots the modules in parallel
            self._boot_crate(_RESET_LOAD, settings)
            self._have_booted(sets)
            tell(total, total)
            return
        for module, chosen in enumerate(sets):
            system, fippi, code, variables = (str(path).encode() for path in chosen.files)
            # The file for the trigger FPGA is of modules that are no longer supported.
            arguments = (system, fippi, b" ", code, b"", variables, c_ushort(module), c_ushort(_WITHOUT_SETTINGS))
            self._call("Pixie16BootModule", *arguments, module=module)
            tell(module + 1, total)
        self._have_booted(sets)
        if settings is not None:
            self.load_settings(settings)

    def resume(self, firmware: Sequence[Firmware], settings: Path | None = None) -> bool:
        if not hasattr(self._api, _REGISTER):
            return False  # an older SDK
        sets = self._chosen(firmware)
        if not self._offline:
            self._register(sets)
        try:
            self._boot_crate(_SETTINGS_LOAD if settings is not None else _PROBE, settings)
        except HardwareError as error:
            if error.code == _OFFLINE:
                return False
            raise
        self._have_booted(sets)
        # A boot has written the slot; it is read wrongly if the variables are those of another firmware.
        return all(self.read_module(module, "SlotID") == info.slot for module, info in enumerate(self._modules))

    def _chosen(self, firmware: Sequence[Firmware]) -> list[Firmware]:
        """The firmware of each module; none where the SDK brings that of what it simulates."""
        return [] if self._offline else [firmware_for(m, info, firmware) for m, info in enumerate(self._modules)]

    def _have_booted(self, sets: Sequence[Firmware]) -> None:
        self._modules = tuple(map(booted, self._modules, sets)) if sets else self._modules

    def _register(self, sets: Sequence[Firmware]) -> None:
        """Tells the SDK the firmware of each kind of modules; from then on it boots no single module any more."""
        revisions = {letter: number for number, letter in REVISIONS.items()}
        kinds = {info.kind: (info, chosen) for info, chosen in zip(self._modules, sets, strict=True)}
        for info, chosen in kinds.values():
            kind = revisions.get(info.revision, 0), info.adc_mhz, info.adc_bits
            for device, path in zip(_DEVICES, chosen.files, strict=True):
                self._call(_REGISTER, chosen.revision, *kind, device.encode(), str(path).encode())
        self._registered = True

    def _boot_crate(self, mode: int, settings: Path | None) -> None:
        self._call("PixieBootCrate", str(settings.absolute() if settings else "").encode(), mode)

    def read_channel(self, module: int, channel: int, name: str) -> float:
        value = c_double()
        where = (c_ushort(module), c_ushort(channel))
        self._call(
            "Pixie16ReadSglChanPar",
            name.encode(),
            ctypes.byref(value),
            *where,
            module=module,
            channel=channel,
            about=name,
        )
        return value.value

    def write_channel(self, module: int, channel: int, name: str, value: float) -> float:
        where = (c_ushort(module), c_ushort(channel))
        self._call(
            "Pixie16WriteSglChanPar", name.encode(), c_double(value), *where, module=module, channel=channel, about=name
        )
        return self.read_channel(module, channel, name)

    def read_module(self, module: int, name: str) -> float:
        value = c_uint()
        self._call(
            "Pixie16ReadSglModPar", name.encode(), ctypes.byref(value), c_ushort(module), module=module, about=name
        )
        return ctypes.c_float.from_buffer_copy(value).value if name == RUN_TIME else value.value

    def write_module(self, module: int, name: str, value: float) -> float:
        bits = c_uint.from_buffer_copy(ctypes.c_float(value)) if name == RUN_TIME else c_uint(int(value))
        self._call("Pixie16WriteSglModPar", name.encode(), bits, c_ushort(module), module=module, about=name)
        return self.read_module(module, name)

    def load_settings(self, path: Path) -> None:
        self._call("Pixie16LoadDSPParametersFromFile", str(path.absolute()).encode(), about=str(path))

    def save_settings(self, path: Path) -> None:
        self._call("Pixie16SaveDSPParametersToFile", str(path.absolute()).encode(), about=str(path))

    def start(self) -> None:
        for module in range(len(self._modules)):
            self._start(module)

    def _start(self, module: int) -> None:
        arguments = (c_ushort(module), c_ushort(_LIST_MODE), c_ushort(_NEW_RUN))
        self._call("Pixie16StartListModeRun", *arguments, module=module)

    def start_histograms(self) -> None:
        for module in range(len(self._modules)):
            self._call("Pixie16StartHistogramRun", c_ushort(module), c_ushort(_NEW_RUN), module=module)

    def running(self) -> tuple[bool, ...]:
        return tuple(
            self._call("Pixie16CheckRunStatus", c_ushort(module), module=module) == 1
            for module in range(len(self._modules))
        )

    def level(self, module: int) -> int:
        words = c_uint()
        self._call("Pixie16CheckExternalFIFOStatus", ctypes.byref(words), c_ushort(module), module=module)
        return words.value

    def read(self, module: int) -> Words:
        words = np.empty(self.level(module), np.uint32)
        if len(words):
            pointer = words.ctypes.data_as(ctypes.c_void_p)
            self._call("Pixie16ReadDataFromExternalFIFO", pointer, c_uint(len(words)), c_ushort(module), module=module)
        return words

    def losses(self, module: int) -> Losses | None:
        if not hasattr(self._api, _COUNTERS):
            return None  # an older SDK, whose structure has more in it
        numbers = (c_size_t * _ROOM)()
        self._call(_COUNTERS, c_ushort(module), numbers, module=module)
        counted = dict(zip(_FIFO_COUNTERS, numbers, strict=False))
        return Losses(counted["in"], counted["out"], counted["dropped"], counted["overflows"], counted["hw_overflows"])

    def statistics(self, module: int) -> Statistics:
        words = (c_uint * self._api.Pixie16GetStatisticsSize())()
        self._call("Pixie16ReadStatisticsFromModule", words, c_ushort(module), module=module)
        api, number = self._api, c_ushort(module)
        live, hits, events = (
            np.array([compute(words, number, c_ushort(c)) for c in range(self._modules[module].channels)], np.float64)
            for compute in (
                api.Pixie16ComputeLiveTime,
                api.Pixie16ComputeRawInputCount,
                api.Pixie16ComputeRawOutputCount,
            )
        )
        return Statistics(api.Pixie16ComputeRealTime(words, number), live, hits, events)

    def end(self) -> None:
        end_all(len(self._modules), self._end)

    def _end(self, module: int) -> None:
        self._call("Pixie16EndRun", c_ushort(module), module=module)

    def adjust_offsets(self, module: int) -> None:
        self._call("Pixie16AdjustOffsets", c_ushort(module), module=module)

    def adc_traces(self, module: int) -> NDArray[np.uint16]:
        self._call("Pixie16AcquireADCTrace", c_ushort(module), module=module)
        rows: list[NDArray[np.uint16]] = []
        for channel in range(self._modules[module].channels):
            length, where = c_uint(), (c_ushort(module), c_ushort(channel))
            self._call("PixieGetTraceLength", *where, ctypes.byref(length), module=module, channel=channel)
            row = np.zeros(length.value, np.uint16)
            pointer = row.ctypes.data_as(ctypes.c_void_p)
            self._call("Pixie16ReadSglChanADCTrace", pointer, length, *where, module=module, channel=channel)
            rows.append(row)
        return np.stack(rows)

    def baselines(self, module: int) -> tuple[Floats, Floats]:
        self._call("Pixie16AcquireBaselines", c_ushort(module), module=module)
        channels = self._modules[module].channels
        values, times = np.zeros((2, channels, _BASELINES))
        for channel in range(channels):
            pointers = [each[channel].ctypes.data_as(ctypes.c_void_p) for each in (values, times)]
            where = (c_ushort(values.shape[1]), c_ushort(module), c_ushort(channel))
            self._call("Pixie16ReadSglChanBaselines", *pointers, *where, module=module, channel=channel)
        return values, times

    def decay_times(self, module: int) -> Floats:
        found = (c_double * CHANNELS_H)()
        self._call("Pixie16TauFinder", c_ushort(module), found, module=module)
        taus = np.array(found)[: self._modules[module].channels]
        return np.where(taus < _NO_TAU, np.nan, taus)

    def find_baseline_cut(self, module: int, channel: int) -> int:
        cut = c_uint()
        where = (c_ushort(module), c_ushort(channel))
        self._call("Pixie16BLcutFinder", *where, ctypes.byref(cut), module=module, channel=channel)
        return cut.value

    def histogram(self, module: int, channel: int) -> Words:
        bins = np.zeros(_BINS_H if self._modules[module].channels == CHANNELS_H else _BINS, np.uint32)
        where = (bins.ctypes.data_as(ctypes.c_void_p), c_uint(len(bins)), c_ushort(module), c_ushort(channel))
        self._call("Pixie16ReadHistogramFromModule", *where, module=module, channel=channel)
        return bins

    def log(self) -> tuple[str, ...]:
        return self._log.new_lines()

    def close(self) -> None:
        if self._modules:
            count, self._modules = len(self._modules), ()
            self._call("Pixie16ExitSystem", c_ushort(count))

    def _call(
        self, name: str, *arguments: Any, module: int | None = None, channel: int | None = None, about: str = ""
    ) -> int:
        """Calls a function; HardwareError if it answers with an error, else its answer."""
        if not hasattr(self._api, name):
            raise HardwareError(name, -803, "this version of XIA's library has no such function")
        code = int(getattr(self._api, name)(*arguments))
        if code < 0:
            raise self._error(name, code, module=module, channel=channel, about=about)
        return code

    def _error(
        self, call: str, code: int, *, module: int | None = None, channel: int | None = None, about: str = ""
    ) -> HardwareError:
        text = ctypes.create_string_buffer(1024)
        self._api.PixieGetReturnCodeText(code, text, c_uint(len(text)))
        described = text.value.decode(errors="replace") + (f": {about}" if about else "")
        log = self._log.new_lines("ERROR")
        return HardwareError(call, code, described, module=module, channel=channel, log=log)
