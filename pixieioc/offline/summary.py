"""What an offline job has found, as plain data."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from pixieioc.tasks.calibration import Calibration
from pixieioc.tasks.names import to_json


@dataclasses.dataclass(frozen=True)
class Channel:
    """What came from one channel."""

    module: int
    channel: int
    events: int
    energy_sum: int
    pileup: int
    mean_kev: float | None = None  #: of the events' energies; None without a calibration
    name: str = ""
    detector: str = ""
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Summary:
    """What was in the files; times are those of the modules' counters in ns, None without events."""

    files: tuple[str, ...]
    bytes: int
    events: int
    channels: tuple[Channel, ...]
    energy_sum: int
    trace_samples: int
    pileup: int
    corrupt_regions: int
    bytes_lost: int
    bytes_left_over: int
    damage: str  #: which files could not be read to their end or are not as long as they were, and where
    late_events: int
    runs: int  #: recorded runs that the files are of, as far as that is known
    counter_resets: int
    first_time: int | None
    last_time: int | None
    seconds: float  #: that the run took, without the start of its processes
    out: str | None
    bytes_written: int  #: to `out` and the files beside it
    plot: str | None
    calibration: str | None = None  #: its version; None: no channel has one
    calibration_from: str = ""  #: where it is from, or why there is none
    modules_apart: str = ""  #: which modules' times are far from the others', and what that means

    @property
    def counts(self) -> dict[int, dict[int, int]]:
        """Events by module and channel."""
        found: dict[int, dict[int, int]] = {}
        for channel in self.channels:
            found.setdefault(channel.module, {})[channel.channel] = channel.events
        return found

    @property
    def intact(self) -> bool:
        """True if every byte of the files is in an event, and every event in its place."""
        lost = self.corrupt_regions or self.bytes_lost or self.bytes_left_over or self.damage
        return not (lost or self.late_events)

    def to_json(self) -> str:
        """One JSON object; `counts` are events by module and channel."""
        content = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        content["channels"] = [dataclasses.asdict(channel) for channel in self.channels]
        return to_json({**content, "counts": self.counts})


@dataclasses.dataclass(frozen=True)
class Spectra:
    """Energy spectra, `counts[module, channel, bin]`; a bin is `width` ADC units wide, the first begins at 0."""

    counts: NDArray[np.int32]
    width: float
    events_elsewhere: int  #: from modules or channels without a spectrum
    calibration: Calibration = dataclasses.field(default_factory=lambda: Calibration.of({}))
