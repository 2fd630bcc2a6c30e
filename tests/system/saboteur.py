"""Tasks of the project that fail in every way a task can, when they are told: each is itself, and a saboteur."""

from __future__ import annotations

import ctypes
import os
import time
from typing import Any

from pixieioc.pipeline import Parameter, Task
from pixieioc.tasks.convert_to_events import ConvertToEvents
from pixieioc.tasks.dummy_data import DummyData
from pixieioc.tasks.fill_spectra import FillSpectra
from pixieioc.tasks.gather_data import GatherData
from pixieioc.tasks.sort_events import SortEvents
from pixieioc.tasks.write_events import WriteEvents


class _Saboteur(Task):
    """Does at its next item what it was told last."""

    be_wrong = Parameter(False, command=True, live=True, doc="The next item is an exception.")
    be_greedy = Parameter(False, command=True, live=True, doc="The next item needs more memory than there is.")
    be_busy = Parameter(False, command=True, live=True, doc="The next item takes all time that there is.")
    be_asleep = Parameter(False, command=True, live=True, doc="The next item waits for ever.")
    be_locked = Parameter(False, command=True, live=True, doc="So does all of the process: Python's lock is held.")
    be_gone = Parameter(False, command=True, live=True, doc="At the next item the process ends, with exit code 0.")
    _told = ""

    def do_configure(self, config: dict[str, Any]) -> None:
        super().do_configure(config)
        self._told = next((name for name, value in config.items() if name.startswith("be_") and value), "")

    def do_start(self) -> None:
        super().do_start()
        self._told = ""  # what the end of the last run has forestalled

    def do_work(self, datum: Any) -> None:
        told, self._told = self._told, ""
        match told:
            case "be_wrong":
                raise RuntimeError("sabotage")
            case "be_greedy":
                bytearray(1 << 60)
            case "be_busy":
                while True:
                    pass
            case "be_asleep":
                while True:
                    time.sleep(1000)
            case "be_locked":
                ctypes.PyDLL(None).sleep(1000)
            case "be_gone":
                os._exit(0)
            case _:
                super().do_work(datum)


class BadDummyData(_Saboteur, DummyData):
    """A source."""


class BadGatherData(_Saboteur, GatherData):
    """Writes raw files."""


class BadConvertToEvents(_Saboteur, ConvertToEvents):
    """Decodes."""


class BadSortEvents(_Saboteur, SortEvents):
    """Sorts."""


class BadWriteEvents(_Saboteur, WriteEvents):
    """Writes events."""


class BadFillSpectra(_Saboteur, FillSpectra):
    """The last one."""
