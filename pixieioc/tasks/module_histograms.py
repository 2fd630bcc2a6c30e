"""The histograms that modules fill themselves: read by command, or now and then during a run."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from pixieioc.hardware import HardwareError
from pixieioc.hardware.crate_settings import CrateSettings
from pixieioc.pipeline import Error, Parameter, Report
from pixieioc.tasks.setup_modules import Tool
from pixieioc.tasks.setup_tools import SetupTools

_MOST = np.iinfo(np.int32).max


class ModuleHistograms(SetupTools):
    """During a run one channel is read at a time, so that the FIFOs do not wait; those with CaptureHistogram only."""

    if TYPE_CHECKING:

        def print(self, string: str) -> None: ...

    histogram_bins = Parameter(
        32768, unit="bins", low=1, high=32768, fixed=True, doc="Bins of a module's histogram that are shown."
    )
    histogram_interval = Parameter(
        0.0, unit="s", low=0.1, high=3600, unset=0, live=True, shared=True, section="modules",
        doc="Time between two reads of the modules' histograms during a run, and at its end; 0: never.",
    )  # fmt: skip
    read_histograms = Parameter(
        False, command=True, access="EX", shared=True, section="modules", device=True,
        doc="Reads the histograms of SetupModule and SetupChannel, those of the last run.",
    )  # fmt: skip

    histogram = Report(
        np.zeros((0, 0, 0), np.int32), per="channel", length="histogram_bins", large=True, pv="Histogram_RBV",
        doc="The histogram that the module has filled in this run, where CaptureHistogram is Yes.",
    )  # fmt: skip

    def begin_histograms(self, now: float) -> None:
        """A run begins, at a monotonic time (s)."""
        self._histograms_read = now
        self._histograms_left: deque[tuple[int, int]] = deque()

    def histogram_due(self, now: float) -> bool:
        """Whether a histogram is to be read now."""
        return bool(self._histograms_left) or 0 < self.histogram_interval <= now - self._histograms_read

    @property
    def histograms_left(self) -> bool:
        """Whether some of those that are due have not been read yet."""
        return bool(self._histograms_left)

    def read_next_histogram(self, now: float) -> None:
        """Reads one; a failure is printed and ends no run."""
        try:
            if not self._histograms_left:
                self._histograms_read = now
                self._histograms_left.extend(self._captured())
            if self._histograms_left:
                self._read_histogram(*self._histograms_left.popleft())
        except (HardwareError, Error) as error:
            self._histograms_left.clear()
            self.print(f"no histograms: {error}")

    def read_last_histograms(self) -> None:
        """Reads them once more, as the run has ended, if they are read at all."""
        self._histograms_left.clear()
        if not self.histogram_interval:
            return
        self.read_next_histogram(0.0)
        while self._histograms_left:
            self.send_heart_beat()
            self.read_next_histogram(0.0)

    def tools(self) -> dict[str, Tool]:
        return {**super().tools(), "read_histograms": self._read_histograms}

    def _read_histograms(self, settings: CrateSettings) -> None:
        for module, channels in self._modules_in_turn("histograms", settings):
            for channel in channels:
                self._read_histogram(module, channel)

    def _captured(self) -> list[tuple[int, int]]:
        settings = self._known()
        places = [(module, channel) for module, channels in self._chosen(settings) for channel in channels]
        return [place for place in places if settings.value(("CaptureHistogram", place))]

    def _read_histogram(self, module: int, channel: int) -> None:
        counts: Any = self.owner.crate.histogram(module, channel)[: self.histogram_bins]
        # A process variable has 32 bits with a sign for each bin.
        self.histogram = {(module, channel): np.minimum(counts, _MOST).astype(np.int32)}
