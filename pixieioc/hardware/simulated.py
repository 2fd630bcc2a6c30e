"""A crate that is simulated in the process: settings that act as in a module, and data that obey them.

Nothing runs in the background: each verb first brings the modules that it is about to the present.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.detector import simulation
from pixieioc.hardware.crate import (
    RUN_LEADER,
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
from pixieioc.hardware.error import HardwareError
from pixieioc.hardware.parameters import GOOD, ChannelSettings
from pixieioc.hardware.simulated_module import SimulatedModule
from pixieioc.listmode import stream
from pixieioc.listmode.variant import SLOT_FIRST, SLOT_LAST

#: Module parameters that one write changes in all modules; those that the SDK has disabled; those that it sets itself.
_BROADCAST, _DISABLED = ("SYNCH_WAIT", "IN_SYNCH", RUN_TIME), ("ModID", "MODULE_CSRA", "MODULE_FORMAT", "MAX_EVENTS")
_SCOPE, _BASELINES = 8192, 3640
#: Bits of MODULE_CSRB that only one module may have.
_ROLES = 1 << 0 | 1 << 4 | RUN_LEADER
#: What XIA's SDK simulates when it is opened offline.
_OFFLINE = (ModuleInfo(2, "F", 250, 16, 250), ModuleInfo(3, "F", 500, 14, 500), ModuleInfo(4, "F", 251, 14, 250),
            ModuleInfo(5, "H", 252, 14, 250))  # fmt: skip


class SimulatedCrate:
    """`modules` are those in the slots; each channel sees `rate` hits per second, from the time of `clock` (s) on."""

    def __init__(
        self,
        modules: Sequence[ModuleInfo] = (ModuleInfo(SLOT_FIRST, "F", 1002, 14, 500),),
        rate: float = 1000.0,
        *,
        seed: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots: Mapping[int, ModuleInfo] = {info.slot: info for info in modules}
        self._rate, self._seed, self._clock = rate, seed, clock
        self._crate: list[SimulatedModule] = []
        self._opened = self._offline = False
        self._lines: list[str] = []

    @property
    def modules(self) -> tuple[ModuleInfo, ...]:
        return tuple(module.info for module in self._crate)

    def set_rate(self, rate: float) -> None:
        """Each channel sees this many hits per second from now on."""
        self._advance()
        for module in self._crate:
            module.rate = rate

    def settings_of(self, module: int, channel: int) -> ChannelSettings:
        """The settings of a channel as its module has them."""
        return self._channel("Pixie16ReadSglChanPar", module, channel)

    @property
    def version(self) -> str:
        return "simulated in the process"

    def open(self, slots: Sequence[int], *, offline: bool = False) -> None:
        call = "Pixie16InitSystem"
        if self._opened:
            self._crate = []
            raise HardwareError(call, -100, "crate already open")
        there = {info.slot: info for info in _OFFLINE} if offline else self._slots
        if not 1 <= len(slots) <= SLOT_LAST - SLOT_FIRST + 1:
            raise HardwareError(call, -201, f"invalid module count: {len(slots)}")
        for slot in slots:
            if slot not in there:
                raise HardwareError(call, -200, f"invalid module number: module asignment refences empty slot: {slot}")
        rate = 0.0 if offline else self._rate
        self._crate = [SimulatedModule(there[slot], number, rate, self._seed) for number, slot in enumerate(slots)]
        self._opened, self._offline = True, offline

    def boot(
        self, firmware: Sequence[Firmware], settings: Path | None = None, progress: Progress | None = None
    ) -> None:
        tell = progress or nobody
        total = len(self._crate)
        tell(0, total)
        # What is simulated can do without files; those that are named must be there, as for modules.
        without = self._offline or not firmware
        sets = [] if without else [firmware_for(i, each.info, firmware) for i, each in enumerate(self._crate)]
        for number, module in enumerate(self._crate):
            module.boot(module.info if without else booted(module.info, sets[number]))
            self._lines.append(f"module: num={number},slot={module.info.slot}: booted")
            tell(number + 1, total)
        if settings is not None:
            self.load_settings(settings)

    def resume(self, firmware: Sequence[Firmware], settings: Path | None = None) -> bool:
        return False  # they end with their process

    def read_channel(self, module: int, channel: int, name: str) -> float:
        settings = self._channel("Pixie16ReadSglChanPar", module, channel)
        with _where(module, channel):
            return settings.read(name)

    def write_channel(self, module: int, channel: int, name: str, value: float) -> float:
        settings = self._channel("Pixie16WriteSglChanPar", module, channel)
        with _where(module, channel):
            settings.write(name, value)
            return settings.read(name)

    def read_module(self, module: int, name: str) -> float:
        return self._values("Pixie16ReadSglModPar", module, name)[name]

    def write_module(self, module: int, name: str, value: float) -> float:
        call = "Pixie16WriteSglModPar"
        values, number = self._values(call, module, name), int(value) & 0xFFFFFFFF
        refused: tuple[int, str] | None = None
        match name:
            case "SLOW_FILTER_RANGE" if not 1 <= number <= 6:
                refused = -209, f"must be 1..6, not {number}"
            case "SlotID":
                refused = -212, "is read only"
            case "MODULE_NUMBER":
                refused = -209, "is read only"
            case "MODULE_CSRB" if any(
                number & int(other.values[name]) & _ROLES for other in self._crate if other.values is not values
            ):
                refused = -209, "role already taken"
            case "FAST_FILTER_RANGE":
                number = 0
            case _:
                pass
        if refused is not None:
            raise HardwareError(call, refused[0], f"module parameter {name} {refused[1]}", module=module)
        for target in self._crate if name in _BROADCAST else [self._crate[module]]:
            target.values[name] = float(np.float32(value)) if name == RUN_TIME else number
            if name == "SLOW_FILTER_RANGE":
                target.filter_range_changed()
        return values[name]

    def load_settings(self, path: Path) -> None:
        call = "Pixie16LoadDSPParametersFromFile"
        self._idle(call)
        try:
            saved: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
            taken = [module.settings_of(saved[n] if n < len(saved) else None) for n, module in enumerate(self._crate)]
        except FileNotFoundError as error:
            raise HardwareError(call, -701, f"file open failure: {path}") from error
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise HardwareError(call, -602, f"config json error: {path}: {error}") from error
        for module, settings in zip(self._crate, taken, strict=True):
            module.take_over(settings)

    def save_settings(self, path: Path) -> None:
        call = "Pixie16SaveDSPParametersToFile"
        self._idle(call)
        try:
            path.write_text(json.dumps([module.saved() for module in self._crate], indent=1), encoding="utf-8")
        except OSError as error:
            raise HardwareError(call, -701, f"file open failure: {error}") from error

    def start(self) -> None:
        self._start("Pixie16StartListModeRun", histograms=False)

    def start_histograms(self) -> None:
        self._start("Pixie16StartHistogramRun", histograms=True)

    def _start(self, call: str, *, histograms: bool) -> None:
        now = self._advance()
        for number, module in enumerate(self._crate):
            if module.active:
                raise HardwareError(call, -218, "module data run is active", module=number)
        waiting = [module.values.get("SYNCH_WAIT") == 1 for module in self._crate]
        if any(waiting) and not any(int(module.values["MODULE_CSRB"]) & RUN_LEADER for module in self._crate):
            why = "sync wait mode enabled but no run leader slot is assigned"
            raise HardwareError(call, -206, f"invalid module operation: {why}", module=0)
        for number, module in enumerate(self._crate):
            self._booted(call, number).start(now, histograms=histograms)
            self._lines.append(f"module: num={number},slot={module.info.slot}: run started")

    def running(self) -> tuple[bool, ...]:
        self._advance()
        return tuple(module.active for module in self._crate)

    def level(self, module: int) -> int:
        return self._present("Pixie16CheckExternalFIFOStatus", module).level

    def read(self, module: int) -> Words:
        return self._present("Pixie16ReadDataFromExternalFIFO", module).take()

    def losses(self, module: int) -> Losses | None:
        return self._present("PixieReadRunFifoStats", module).losses

    def statistics(self, module: int) -> Statistics:
        return self._present("Pixie16ReadStatisticsFromModule", module).statistics

    def end(self) -> None:
        now = self._clock()
        for module in self._crate:
            module.advance(now, whole=True)
            module.active = False

    def adjust_offsets(self, module: int) -> None:
        self._idle("Pixie16AdjustOffsets")
        for number, settings in enumerate(self._booted("Pixie16AdjustOffsets", module).channels):
            if settings.variables["ChanCSRa"] & GOOD:
                self._crate[module].adjust_offset(number)

    def adc_traces(self, module: int) -> NDArray[np.uint16]:
        self._idle("Pixie16AcquireADCTrace")
        it = self._booted("Pixie16AcquireADCTrace", module)
        return np.stack([it.scope(channel, _SCOPE) for channel in range(it.info.channels)])

    def baselines(self, module: int) -> tuple[Floats, Floats]:
        self._idle("Pixie16AcquireBaselines")
        it = self._not_h("Pixie16AcquireBaselines", module)
        values = np.array([[it.baseline(channel)] for channel in range(it.info.channels)])
        times = np.array([it.window_ns(channel) / 1e9 * np.arange(_BASELINES) for channel in range(it.info.channels)])
        return (values + it.random.normal(size=times.shape)).astype(np.float64), times.astype(np.float64)

    def decay_times(self, module: int) -> Floats:
        self._idle("Pixie16TauFinder")
        return self._not_h("Pixie16TauFinder", module).decay_times()

    def find_baseline_cut(self, module: int, channel: int) -> int:
        settings = self._channel("Pixie16BLcutFinder", module, channel)
        self._not_h("Pixie16BLcutFinder", module)
        return settings.find_baseline_cut()

    def histogram(self, module: int, channel: int) -> Words:
        return self._present("Pixie16ReadHistogramFromModule", module).histograms[channel].copy()

    def log(self) -> tuple[str, ...]:
        lines, self._lines = tuple(self._lines), []
        return lines

    def close(self) -> None:
        self._crate = []

    def _advance(self) -> float:
        now = self._clock()
        for module in self._crate:
            module.advance(now)
        return now

    def _present(self, call: str, module: int) -> SimulatedModule:
        """A booted module, brought to the present: the others have time until somebody looks at them."""
        found = self._booted(call, module)
        found.advance(self._clock())
        return found

    def _booted(self, call: str, module: int) -> SimulatedModule:
        if not self._opened:
            raise HardwareError(call, -101, "crate not ready", module=module)
        if not 0 <= module < len(self._crate):
            raise HardwareError(call, -200, "invalid module number", module=module)
        if not self._crate[module].online:
            raise HardwareError(call, -204, "module offline", module=module)
        return self._crate[module]

    def _not_h(self, call: str, module: int) -> SimulatedModule:
        """A module that can do what XIA's SDK does not support for revision H."""
        if self._booted(call, module).info.revision == "H":
            raise HardwareError(call, -803, "not supported", module=module)
        return self._crate[module]

    def _idle(self, call: str) -> None:
        self._advance()
        for number in range(len(self._crate)):
            if self._booted(call, number).active:
                raise HardwareError(call, -218, "module data run is active", module=number)

    def _channel(self, call: str, module: int, channel: int) -> ChannelSettings:
        self._idle(call)
        channels = self._booted(call, module).channels
        if not 0 <= channel < len(channels):
            raise HardwareError(call, -300, "invalid channel number", module=module, channel=channel)
        return channels[channel]

    def _values(self, call: str, module: int, name: str) -> dict[str, float]:
        self._idle(call)
        values = self._booted(call, module).values
        if name in _DISABLED:
            raise HardwareError(call, -211, f"module parameter disabled: {name}", module=module)
        if name not in values:
            raise HardwareError(call, -209, f"invalid module parameter: {name}", module=module)
        return values


def warm_up() -> None:
    """Compiles the loops that make data and histograms, or loads them, so that no run need wait for it."""
    simulation.warm_up()
    stream.warm_up()


@contextmanager
def _where(module: int, channel: int) -> Generator[None]:
    """An error in here is one of this channel."""
    try:
        yield
    except HardwareError as error:
        raise HardwareError(error.call, error.code, error.text, module=module, channel=channel) from None
