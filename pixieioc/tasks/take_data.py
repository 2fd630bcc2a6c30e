"""TakeData: the Pixie-16 itself as the source of a run, through XIA's SDK as pypixie16 wraps it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import NonCallableMock

import numpy as np

from pixieioc.pipeline import NOTHING, Error, Parameter, Report, Task
from pixieioc.tasks.channel_rates import ChannelRates, counted, rates_of
from pixieioc.tasks.crate import CrateFacts
from pixieioc.tasks.items import WORDS, Silence, WordBlock

#: Channels of a module that pypixie16 reads.
_CHANNELS = 16


class TakeData(ChannelRates, Task):
    """Boots the modules at the first run, and reads their FIFOs in list mode, and now and then their statistics.

    The package and the SDK are loaded in this task's own process, when the first run starts: the SDK keeps its state in
    the process, and importing it is slow.
    """

    takes, gives = NOTHING, WORDS

    start_timeout = 180.0  # booting a crate of modules takes that long

    slots = Parameter([2.0], items=float, low=2, high=14, doc="Slots of the modules; module 0 is the first.")
    modules, channels = CrateFacts.modules, CrateFacts.channels
    firmware = Parameter("default", doc="Section [Firmware.<name>] of pypixie16's configuration file.")
    synchronous = Parameter(False, doc="Whether all modules start and stop together.")
    run_time = Parameter(0.0, unit="s", low=0, high=1e7, doc="Time after which the run ends; 0: not by itself.")
    threshold = Parameter(
        16384, unit="words", low=1, high=131072, live=True, doc="A FIFO is read when it holds at least this many words."
    )
    max_delay = Parameter(
        0.1, unit="s", low=0.01, high=60, live=True, doc="Longest time between two reads of the FIFOs."
    )
    poll_interval = Parameter(
        0.002, unit="s", low=0.0005, high=1, live=True, doc="Time between two looks at the levels of the FIFOs."
    )
    statistics_interval = Parameter(
        1.0,
        unit="s",
        low=0,
        high=3600,
        live=True,
        doc="Shortest time between two reads of the modules' statistics; 0: never, rates stay 0 then.",
    )

    booted = Report(False, doc="Whether the modules are booted.")
    words_read = Report(0, unit="words", doc="Words read in this run.")
    fifo_level = Report(
        0.0,
        unit="%",
        precision=0,
        alarm_high=50,
        alarm_hihi=90,
        hysteresis=5,
        doc="Fullest FIFO when it was read.",
        guidance="The read-out is hardly fast enough: events are about to be lost in the module.",
    )

    @classmethod
    def do_check(cls, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if settings["channels"] > _CHANNELS:
            yield "channels", f"at most {_CHANNELS}: pypixie16 reads no more channels of a module"

    def do_init(self) -> None:
        self._tell_all(0.0)

    def do_configure(self, config: dict[str, Any]) -> None:
        if not self.slots or len(set(self.slots)) < len(self.slots):
            raise Error(f"slots {self.slots}: must be at least one slot, each at most once")
        if {"slots", "firmware"} & config.keys():
            self.booted = False

    def do_start(self) -> None:
        self._control = _load()
        self._sdk_log = _ErrorLog()
        if not self.booted:
            self._boot()
        self._call("empty_all_fifos")
        self.words_read, self.fifo_level = 0, 0.0
        self._began = self._last_read = self._last_statistics = time.monotonic()
        self._counted = np.zeros((4, self.modules, self.channels))
        self._tell_all(0.0)
        self.live_share = 0.0
        self._call("start_list_mode_run")
        self._silence = Silence()
        self._taking = True

    def do_work(self, datum: Any) -> None:
        now = time.monotonic()
        if 0 < self.run_time <= now - self._began:
            self.finish()
            return
        overdue = now - self._last_read >= self.max_delay
        data = self._call("read_list_mode_fifo", check=not overdue, threshold=self.threshold)
        if data:
            self._last_read = now
            self._send(data)
        elif 0 < self.statistics_interval <= now - self._last_statistics:
            # Between two reads that are not due: the events come first.
            self._read_statistics(now)
        self.idle(self.poll_interval)

    def do_stop(self) -> None:
        if not self._taking:
            return
        self._taking = False
        self._call("end_run")
        deadline = time.monotonic() + 5
        while self._call("check_run_status"):
            if time.monotonic() > deadline:
                raise Error("the modules did not end their run within 5 s")
            time.sleep(self.poll_interval)
        data = self._call("read_list_mode_fifo", check=False)
        while any(len(words) for words in data):
            self._send(data)
            data = self._call("read_list_mode_fifo", check=False)
        if self.statistics_interval:
            self._read_statistics(time.monotonic())
        self._tell_all(0.0)

    def do_quit(self) -> None:
        if self.booted:
            self._call("exit_system")

    def _send(self, data: list[np.ndarray[Any, Any]]) -> None:
        block: WordBlock = {module: np.asarray(words, np.uint32) for module, words in enumerate(data)}
        self.words_read += sum(len(words) for words in block.values())
        self.fifo_level = max(100.0 * len(words) / 131072 for words in block.values())
        self._silence.send(block, self.send)

    def _read_statistics(self, now: float) -> None:
        """What the modules have counted since they were asked last; a failure is printed and ends no run."""
        self._last_statistics = now
        try:
            statistics = self._call("get_stats")
        except Error as error:
            self.print(f"no statistics: {error}")
            self._tell_all(np.nan)
            return
        before, self._counted = self._counted, counted(statistics, self.modules, self.channels)
        self.tell_rates(*rates_of(self._counted - before))
        self.tell_live_share(*rates_of(self._counted))

    def _tell_all(self, value: float) -> None:
        self.tell_rates(*np.full((2, self.modules, self.channels), value))

    def _boot(self) -> None:
        slots = [int(slot) for slot in self.slots]
        self._check_files()
        self.print(f"booting the modules in slots {slots}")
        self._call("init", modules=slots)
        if isinstance(self._control.SDK.SDK, NonCallableMock):
            library = self._control.config.config_get_parameters("Libraries", "sdk", verbose=False)
            raise Error(
                f"XIA's SDK could not be loaded from {library} ([Libraries] sdk in {self._control.config.inifile})"
            )
        self._call("boot", section_name=self.firmware)
        self._call("adjust_offsets")
        self._call("set_sync_mode" if self.synchronous else "unset_sync_mode")
        self.booted = True

    def _check_files(self) -> None:
        """pypixie16 leaves the process when its configuration is incomplete: say what is missing instead."""
        config = self._control.config
        section = f"Firmware.{self.firmware}"
        if section not in config.config.sections():
            raise Error(f"no section [{section}] in {config.inifile}")
        for key in ("ComFPGAConfigFile", "SPFPGAConfigFile", "DSPCodeFile", "DSPVarFile"):
            path = config.config.get(section, key, fallback="").strip("\"'")
            if not Path(path).is_file():
                raise Error(f"{key} of [{section}] in {config.inifile}: no file {path!r}")

    def _call(self, name: str, **arguments: Any) -> Any:
        """A function of pypixie16's control, which logs the SDK's errors instead of raising them."""
        self._sdk_log.texts.clear()
        result = getattr(self._control, name)(**arguments)
        if self._sdk_log.texts:
            raise Error(f"pixie16.control.{name}: {'; '.join(self._sdk_log.texts)}")
        return result


class _ErrorLog(logging.Handler):
    """Collects what pypixie16 logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []
        logging.getLogger("pixie16").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def _load() -> Any:
    try:
        return import_module("pixie16.control")
    except ModuleNotFoundError as error:
        raise Error(f"TakeData needs the package pypixie16: pip install 'pixieioc[hardware]' ({error})") from error
    except ImportError as error:
        raise Error(f"pypixie16 cannot be imported: {error} (it needs the system's libEGL and libGL)") from error
