"""GatherData: larger buckets of raw data, for the next task and for the disk."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pixieioc
from pixieioc.pipeline import Error, Parameter, Report, Task
from pixieioc.pipeline.rate import RateWindow
from pixieioc.tasks import calibration, cut_off
from pixieioc.tasks.complete_files import NONE
from pixieioc.tasks.crate import CrateFacts
from pixieioc.tasks.disk import make_folder
from pixieioc.tasks.file_errors import OK, FileErrors
from pixieioc.tasks.file_settings import FileSettings
from pixieioc.tasks.items import WORDS, Beginning, Ending, WordBlock, run_begins, run_ends, words_of
from pixieioc.tasks.raw_files import RawFiles
from pixieioc.tasks.raw_names import MODULES, file_name, why_not_new
from pixieioc.tasks.run_record import counts_of_module
from pixieioc.tasks.settings_file import write_settings
from pixieioc.tasks.sidecar import record_in
from pixieioc.tasks.sidecars_of_run import sidecars_of_run
from pixieioc.tasks.unfinished_files import UnfinishedFiles

Words = NDArray[np.uint32]

#: How often it is looked whether the files are still in their places, in seconds.
_CHECK_INTERVAL = 0.5
#: The rate of writing is that over at least this time, in seconds.
_RATE_INTERVAL = 0.4


class GatherData(calibration.ChannelCalibration, FileSettings, Task):
    """Collects words in two buckets, one that is passed on and, with `auto_save`, one that is written to raw files.

    What is written is byte for byte what came in, one file per module and run. A run's files are named `*.part` until
    they are complete and on disk; a JSON file beside each tells what it is.
    """

    takes = WORDS

    modules, channels = CrateFacts.modules, CrateFacts.channels
    bucket_size = Parameter(
        2 * 1024**2, unit="B", low=4, high=256 * 1024**2, live=True, doc="Size of a bucket that is passed on."
    )
    disk_bucket_size = Parameter(
        1024**2, unit="B", low=4, high=256 * 1024**2, live=True, doc="Size of a bucket that is written."
    )
    max_delay = Parameter(0.25, unit="s", low=0, high=3600, live=True, doc="Longest time that data are held here.")
    buckets = Report(0, doc="Buckets passed on in this run.")

    @classmethod
    def do_ready(cls, settings: Mapping[str, Any], run_id: int) -> Iterator[str]:
        if settings["auto_save"]:
            path, name, number = settings["file_path"], settings["file_name"], settings["file_number"]
            try:
                problem = why_not_new(settings["file_template"], path, name, number, run_id)
            except (Error, OSError):  # do_check, and the check of the folder, tell of a template or folder that is none
                return
            if problem:
                yield problem

    @classmethod
    def do_sidecars(cls, settings: Mapping[str, Any], run_id: int) -> Iterator[Path]:
        if settings["auto_save"]:
            template, path = settings["file_template"], settings["file_path"]
            names = {
                file_name(template, path, settings["file_name"], settings["file_number"], run_id, module)
                for module in range(MODULES)
            }
            for name in sorted(names):
                yield from sidecars_of_run(name, settings["second_file_path"])

    def do_init(self) -> None:
        self._errors = FileErrors(self)
        self._files = self._no_files()
        self._unfinished = UnfinishedFiles(self, cut_off.raw_files)
        self._name_unfinished()
        self._calibration = calibration.InUse(self.parameter_values)

    def do_configure(self, config: dict[str, Any]) -> None:
        if calibration.PARAMETERS & config.keys():
            self._calibration.change(self.parameter_values, time.time())
        if {"file_path", "file_template"} & config.keys():
            self._name_unfinished()

    def do_start(self) -> None:
        self._next, self._disk = _Bucket(), _Bucket()
        self._calibrated = self._calibration.begin()
        self._files = self._no_files()
        self._begins: Beginning | None = None
        self._ends: Ending | None = None
        self._errors.begin()
        self._rate = RateWindow(0.0, _RATE_INTERVAL, time.monotonic(), 0)
        self.buckets = self.bytes_written = 0
        self.write_rate, self.write_message, self.write_status = 0.0, "", OK
        self.run_files, self.files_complete = NONE, 0
        self._unfinished.run_begins(self.file_template, self.file_path)
        if self.auto_save:
            self._prepare_folder()

    def do_work(self, datum: Any) -> None:
        with self._errors.completing(self._files, self._name_unfinished):
            if run_begins(datum):
                self._hand_on()
                self._begins = datum["begins"]
                self.send(datum)
                self._keep_settings()
                return
            if run_ends(datum):
                self._hand_on()
                self._ends = datum["ends"]
                self.send(datum)
                return
            block = words_of(datum, self.name)
            self._next.add(block)
            if self.auto_save:
                self._disk.add(block)
            self._empty_if_due()
            self._check_in_place()

    def do_wait(self) -> None:
        if self.running:
            with self._errors.completing(self._files, self._name_unfinished):
                self._empty_if_due()
                self._errors.guarded(self._files.check)
                self._check_in_place()
                self._count()
        else:
            self._unfinished.follow(self.file_template, self.file_path)

    def do_report(self) -> None:
        if not self.running:
            return
        self.bytes_written = self._files.bytes
        if (rates := self._rate.rates(time.monotonic(), self.bytes_written)) is not None:
            self.write_rate = rates[0] / 1e6

    def do_stop(self) -> None:
        with self._errors.completing(self._files, self._name_unfinished):
            self._hand_on()
            self.end_stream()  # the files are closed while the tasks behind end their part of the run
            self._write()
            self._errors.over = True
            self._errors.guarded(lambda: self._files.finish("IOC lost" if self.pipeline_lost else "run ended"))
            self._count()
            self.write_rate = 0.0

    def _empty_if_due(self) -> None:
        if self._next.is_due(self.bucket_size, self.max_delay):
            self._hand_on()
        if self._disk.is_due(self.disk_bucket_size, self.max_delay):
            self._write()

    def _hand_on(self) -> None:
        if not self._next.empty:
            self.send(self._next.take())
            self.buckets += 1

    def _write(self) -> None:
        for module, words in self._disk.take().items():
            if len(words):
                self._errors.guarded(lambda module=module, words=words: self._files.write(module, words.data.cast("B")))
        self._count()

    def _count(self) -> None:
        self.bytes_written = self._files.bytes
        self._errors.report(self._files.destination)

    def _no_files(self) -> RawFiles:
        rules, waits = lambda: self._errors.rules(self.create_directory), self._errors.waits
        return RawFiles(self._path, self._about, self._at_end, rules, waits, self._errors.too_slow)

    def _path(self, module: int) -> Path:
        return file_name(self.file_template, self.file_path, self.file_name, self.file_number, self.run_id, module)

    def _prepare_folder(self) -> None:
        """Makes the folder; refuses to start a run whose data could not be written, before any data have come."""
        path = self._path(0)
        fields = (self.file_template, self.file_path, self.file_name, self.file_number, self.run_id)
        if problem := why_not_new(*fields):
            raise Error(problem)
        make_folder(path.parent, self.create_directory)
        self._folder, self._device = path.parent, path.parent.stat().st_dev
        self._checked = time.monotonic()

    def _check_in_place(self) -> None:
        """Now and then: fails the task if what is written goes to where nobody will find it."""
        now = time.monotonic()
        if self.auto_save and now - self._checked >= _CHECK_INTERVAL:
            self._checked = now
            self._errors.guarded(self._files.check_in_place)
            if not self._files.destination.latest:
                self._errors.guarded(self._check_folder)

    def _check_folder(self) -> None:
        try:
            known = self._folder.stat().st_dev == self._device
        except OSError:
            known = False
        if not known:
            raise Error(f"the folder {self._folder} was removed, moved or unmounted in the run, before data had come")

    def _name_unfinished(self) -> None:
        self._unfinished.name(self.file_template, self.file_path)

    def _about(self, module: int) -> dict[str, Any]:
        return {
            **record_in(dict(self.run_record)),
            "format": "XIA Pixie-16 list mode, little-endian 32-bit words",
            "run_id": self.run_id,
            "module": module,
            "start_time": self.run_started,
            "calibration": self._calibrated.about(),
            "configuration": calibration.settings_without(self.run_settings),
            "software": f"pixieioc {pixieioc.__version__}",
            **self._said_by_the_source(module),
        }

    def _said_by_the_source(self, module: int) -> dict[str, Any]:
        """What the module has said of itself, and when its clock was at 0 (Unix time), if the source knows it."""
        begins = self._begins or {}
        known = dict(zip(("adc_mhz", "firmware_revision"), begins.get("layouts", {}).get(module, ()), strict=False))
        zero = {"clock_zero": zero} if (zero := begins.get("clock_zero")) is not None else {}
        return {**known, **zero, **(counts_of_module(self._begins, self._ends, module) if self._errors.over else {})}

    def _keep_settings(self) -> None:
        """Writes the settings of the modules beside the data, if the source has sent them."""
        text = (self._begins or {}).get("settings", "")
        if not (self.auto_save and text):
            return
        try:
            write_settings(self._path(0), text)
        except Error as error:  # the sidecars have the settings, too
            self.print(str(error))

    def _at_end(self) -> dict[str, Any]:
        return {"items": self.counter, "items_discarded": self.dropped}


@dataclass
class _Bucket:
    """Words that wait, by module."""

    parts: dict[int, list[Words]] = field(default_factory=dict[int, list[Words]])
    bytes: int = 0
    since: float = 0.0

    @property
    def empty(self) -> bool:
        return not self.parts

    def add(self, block: WordBlock) -> None:
        if not self.parts:
            self.since = time.monotonic()
        for module, words in block.items():
            self.parts.setdefault(module, []).append(words)
            self.bytes += words.nbytes

    def is_due(self, size: int, delay: float) -> bool:
        return bool(self.parts) and (self.bytes >= size or time.monotonic() - self.since >= delay)

    def take(self) -> WordBlock:
        block = {module: words[0] if len(words) == 1 else np.concatenate(words) for module, words in self.parts.items()}
        self.parts, self.bytes = {}, 0
        return block
