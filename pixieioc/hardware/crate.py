"""What a crate can do, in the field's words, and what it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pixieioc.hardware.error import HardwareError

Words = NDArray[np.uint32]
Floats = NDArray[np.float64]
#: Called during a boot with the number of modules that have booted, and of all.
Progress = Callable[[int, int], None]

#: Channels of a module; those of revision H have more.
CHANNELS, CHANNELS_H = 16, 32
#: XIA's numbers of hardware revisions.
REVISIONS = {11: "B", 12: "C", 13: "D", 15: "F", 17: "H"}
REVISION_H = 17
#: The module parameter that is a time, in seconds; all others are whole numbers of 32 bits.
RUN_TIME = "HOST_RT_PRESET"
#: The bit of MODULE_CSRB of the module that starts and ends a synchronous run of all: XIA's SDK needs one.
RUN_LEADER = 1 << 6
#: Words that the host holds of each module by default, in 100 buffers, before the module itself has to.
QUEUE_WORDS = 100 * 8192


@dataclass(frozen=True)
class ModuleInfo:
    """A module as it was found: `revision` is a letter, `firmware` the revision that decides the record layout.

    `firmware` is 0 until the module has booted, or if the name of its file does not tell.
    """

    slot: int
    revision: str
    serial: int
    adc_bits: int
    adc_mhz: int
    firmware: int = 0

    @property
    def channels(self) -> int:
        """How many channels it has."""
        return CHANNELS_H if self.revision == REVISIONS[REVISION_H] else CHANNELS

    @property
    def kind(self) -> str:
        """Revision, ADC rate and bits, as in `F-500-14`."""
        return f"{self.revision}-{self.adc_mhz}-{self.adc_bits}"


@dataclass(frozen=True)
class Firmware:
    """The four files that modules of a kind (as in `F-500-14`; "": of any kind) are booted with."""

    system: Path
    fippi: Path
    dsp_code: Path
    dsp_variables: Path
    kind: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, in the order in which they are loaded."""
        return self.system, self.fippi, self.dsp_code, self.dsp_variables

    @property
    def revision(self) -> int:
        """The firmware revision that the name of the DSP's code tells (..._r35207.ldr); 0 if it does not."""
        found = re.findall(r"_r(\d+)", self.dsp_code.stem)
        return int(found[-1]) if found else 0


@dataclass(frozen=True)
class Statistics:
    """What a module has counted in its run: real time (s); by channel, live times (s), triggers and events."""

    real_time: float
    live_times: Floats
    input_counts: Floats
    output_counts: Floats

    @property
    def input_rates(self) -> Floats:
        """Triggers per second of live time; 0 where there was none."""
        return np.divide(
            self.input_counts, self.live_times, out=np.zeros_like(self.input_counts), where=self.live_times > 0
        )

    @property
    def output_rates(self) -> Floats:
        """Events per second of real time."""
        return self.output_counts / self.real_time if self.real_time > 0 else np.zeros_like(self.output_counts)


@dataclass(frozen=True)
class Losses:
    """Words on their way from a module to the host in this run, and what did not fit.

    `full_fifo` is how often the module's FIFO was seen full: an estimate, what it lost then is not counted in words.
    """

    words_in: int
    words_out: int
    words_dropped: int
    full_queue: int
    full_fifo: int

    @property
    def any(self) -> bool:
        """Whether anything was lost."""
        return bool(self.words_dropped or self.full_fifo)


class Crate(Protocol):
    """A crate of modules, numbered from 0 in the order of the slots that it was opened with.

    One process has one crate, once: after `close`, or for other slots, a new process is needed. Every verb raises
    HardwareError; those that change settings are refused while a run is active.
    """

    @property
    def modules(self) -> tuple[ModuleInfo, ...]:
        """The modules that `open` has found, empty before."""
        ...

    @property
    def version(self) -> str:
        """The library's version, as far as it is known."""
        ...

    def open(self, slots: Sequence[int], *, offline: bool = False) -> None:
        """Finds the modules in these slots; `offline`: those that the SDK itself simulates, if it does."""
        ...

    def boot(
        self, firmware: Sequence[Firmware], settings: Path | None = None, progress: Progress | None = None
    ) -> None:
        """Boots one module after the other with the firmware of its kind, then loads a file of settings."""
        ...

    def resume(self, firmware: Sequence[Firmware], settings: Path | None = None) -> bool:
        """Has modules that an earlier process has booted with this firmware load their settings only.

        False if that is not possible: then they must be booted.
        """
        ...

    def read_channel(self, module: int, channel: int, name: str) -> float:
        """A channel parameter, by XIA's name."""
        ...

    def write_channel(self, module: int, channel: int, name: str, value: float) -> float:
        """Writes a channel parameter, and gives what the module has made of it: most are clamped without an error."""
        ...

    def read_module(self, module: int, name: str) -> float:
        """A module parameter, by XIA's name."""
        ...

    def write_module(self, module: int, name: str, value: float) -> float:
        """Writes a module parameter, and gives what is read back."""
        ...

    def load_settings(self, path: Path) -> None:
        """Takes over the settings of all modules from a JSON file of the SDK's."""
        ...

    def save_settings(self, path: Path) -> None:
        """Writes the settings of all modules into a file, `*.json`."""
        ...

    def start(self) -> None:
        """Starts a new list-mode run in all modules; what was left of the last one is discarded."""
        ...

    def start_histograms(self) -> None:
        """Starts a new run for histograms alone in all modules, which ends after HOST_RT_PRESET."""
        ...

    def running(self) -> tuple[bool, ...]:
        """Which modules have an active run."""
        ...

    def level(self, module: int) -> int:
        """How many words can be read from a module."""
        ...

    def read(self, module: int) -> Words:
        """All words that can be read from a module; not necessarily whole records."""
        ...

    def losses(self, module: int) -> Losses | None:
        """What was lost in this run between module and host; None if this SDK's counters cannot be read."""
        ...

    def statistics(self, module: int) -> Statistics:
        """What a module has counted."""
        ...

    def end(self) -> None:
        """Ends the run in every module, also if one of them fails; then raises the first error."""
        ...

    def adjust_offsets(self, module: int) -> None:
        """Sets VOFFSET of the good channels so that their baselines are at BASELINE_PERCENT."""
        ...

    def adc_traces(self, module: int) -> NDArray[np.uint16]:
        """What the ADCs see now, one row per channel, a sample every XDT."""
        ...

    def baselines(self, module: int) -> tuple[Floats, Floats]:
        """Baselines and their times (s), one row per channel."""
        ...

    def decay_times(self, module: int) -> Floats:
        """The decay times (us) that are found; NaN where none was."""
        ...

    def find_baseline_cut(self, module: int, channel: int) -> int:
        """Finds BLCUT of a channel, sets it, and gives it."""
        ...

    def histogram(self, module: int, channel: int) -> Words:
        """The histogram that the module has filled."""
        ...

    def log(self) -> tuple[str, ...]:
        """What the SDK has logged since it was asked last."""
        ...

    def close(self) -> None:
        """Gives up the modules; without effect if there are none."""
        ...


def firmware_for(module: int, info: ModuleInfo, sets: Iterable[Firmware]) -> Firmware:
    """The set of firmware for a module; HardwareError that names its kind, or the file that is missing."""
    known = list(sets)
    for firmware in known:
        if firmware.kind in ("", info.kind):
            for path in firmware.files:
                if not path.is_file():
                    raise HardwareError("boot", -700, f"no firmware file {path}", module=module)
            return firmware
    kinds = ", ".join(each.kind for each in known) or "nothing"
    raise HardwareError(
        "boot", -207, f"no firmware for {info.kind} in slot {info.slot}, only for {kinds}", module=module
    )


def nobody(done: int, total: int) -> None:
    """Follows a boot for those who do not want to."""


def booted(info: ModuleInfo, firmware: Firmware) -> ModuleInfo:
    """The module, booted."""
    return replace(info, firmware=firmware.revision)
