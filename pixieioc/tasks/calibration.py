"""What energies mean, channel by channel: keV = offset + gain * energy + quadratic * energy^2, in ADC units.

It is for energies as modules write them, whatever the bins of a spectrum are. A channel whose gain is 0 has no
calibration; where one is needed its energies are NaN, never keV by chance.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.pipeline import Parameter
from pixieioc.pipeline.channel_values import channel_name

#: The name of the table in a configuration.
CALIBRATION = "calibration"
#: Energies of the Pixie-16 have 16 bits; a calibration holds for all of them, and for the end of the last bin.
ENERGIES = 1 << 16
FORMULA = "keV = offset + gain * energy + quadratic * energy^2"

Floats = NDArray[np.float64]


def _increases(quadratic: float, gain: float) -> None:
    """Two energies of one channel never have the same keV, and the larger one has more."""
    if gain and gain + 2 * quadratic * ENERGIES <= 0:
        raise ValueError(
            f"must be above {-gain / (2 * ENERGIES):.6g} with cal_gain = {gain:.6g}, so that keV increase over all "
            f"energies from 0 to {ENERGIES - 1}"
        )


class ChannelCalibration:
    """A task takes all of it, or what it needs: `cal_gain = ChannelCalibration.cal_gain`; said once, for all tasks."""

    cal_offset = Parameter(
        [[0.0]], per="channel", shared=True, live=True, low=-1e5, high=1e5, unit="keV", precision=4, pv="CalOffset",
        doc="Calibration: keV at energy 0.",
    )  # fmt: skip
    cal_gain = Parameter(
        [[0.0]], per="channel", shared=True, live=True, low=1e-6, high=1000, unset=0, unit="keV/ADU", precision=6,
        pv="CalGain", doc="Calibration: keV per ADC unit of an event's energy; 0: the channel has no calibration.",
    )  # fmt: skip
    cal_quadratic = Parameter(
        [[0.0]], per="channel", shared=True, live=True, low=-1, high=1, precision=12,
        goes_with="cal_gain", fits=_increases, pv="CalQuadratic",
        doc="Calibration: keV per square of the energy, added to the others.",
    )  # fmt: skip
    channel_name = Parameter(
        [[""]], per="channel", shared=True, live=True, longest=39, pv="Name", doc="Name of the channel."
    )
    channel_detector = Parameter(
        [[""]], per="channel", shared=True, live=True, longest=39, pv="Detector", doc="Detector of the channel."
    )
    channel_group = Parameter(
        [[""]], per="channel", shared=True, live=True, longest=39, pv="Group",
        doc="Group that the channel belongs to, such as a ring of detectors.",
    )  # fmt: skip


#: What a configuration calls them.
KEYS = {
    "offset": "cal_offset",
    "gain": "cal_gain",
    "quadratic": "cal_quadratic",
    "name": "channel_name",
    "detector": "channel_detector",
    "group": "channel_group",
}
#: The parameters of a task.
PARAMETERS = frozenset(KEYS.values())


@dataclass(frozen=True, eq=False)
class Calibration:
    """That of all channels: numbers and texts by module and channel."""

    offset: Floats
    gain: Floats
    quadratic: Floats
    texts: Mapping[str, Sequence[Sequence[str]]]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Calibration:
        """By the values of a task's parameters; one that has none of them knows no calibration."""
        offset, gain, quadratic = (
            np.array(values.get(KEYS[key], [[0.0]]), np.float64) for key in ("offset", "gain", "quadratic")
        )
        texts = {key: [list(row) for row in values.get(KEYS[key], ())] for key in ("name", "detector", "group")}
        return cls(offset, gain, quadratic, texts)

    @cached_property
    def channels(self) -> dict[str, dict[str, Any]]:
        """What is known of channels, by name (M00:C03): the numbers of those with a calibration, and texts."""
        found: dict[str, dict[str, Any]] = {}
        for module, channel in np.argwhere(self.gain > 0).tolist():
            numbers = {key: float(getattr(self, key)[module, channel]) for key in ("offset", "gain", "quadratic")}
            found[channel_name(module, channel)] = numbers
        for key, rows in self.texts.items():
            for module, row in enumerate(rows):
                for channel, text in enumerate(row):
                    if text:
                        found.setdefault(channel_name(module, channel), {})[key] = text
        return dict(sorted(found.items()))

    @cached_property
    def version(self) -> str:
        """The same for the same numbers, wherever they are used; empty if no channel has a calibration."""
        numbers = {
            name: [about["offset"], about["gain"], about["quadratic"]]
            for name, about in self.channels.items()
            if "gain" in about
        }
        return hashlib.sha256(json.dumps(numbers).encode()).hexdigest()[:12] if numbers else ""

    def has(self, module: int, channel: int) -> bool:
        """Whether this channel has a calibration."""
        modules, channels = self.gain.shape
        return module < modules and channel < channels and bool(self.gain[module, channel] > 0)

    def kev(self, module: int, channel: int, energy: Any) -> Any:
        """Energies of one channel in keV, as exactly as can be; NaN without a calibration."""
        if not self.has(module, channel):
            return np.full_like(np.asarray(energy, np.float64), np.nan)
        place = (module, channel)
        return self.offset[place] + energy * (self.gain[place] + energy * self.quadratic[place])

    def edges(self, module: int, channel: int, bins: int) -> Floats:
        """Where the bins of a spectrum begin, and the last one ends, in keV."""
        return self.kev(module, channel, np.arange(bins + 1) * (ENERGIES / bins))

    def energy(self, module: int, channel: int, kev: float) -> float:
        """The energy that is `kev`, also beyond all that there are; NaN without a calibration."""
        if not self.has(module, channel):
            return math.nan
        offset, gain, quadratic = (float(a[module, channel]) for a in (self.offset, self.gain, self.quadratic))
        # The root that becomes the linear one; in this form nothing cancels.
        under = gain * gain + 4 * quadratic * (kev - offset)
        return 2 * (kev - offset) / (gain + math.sqrt(under)) if under >= 0 else math.copysign(math.inf, quadratic) * -1

    @cached_property
    def _by_channel(self) -> tuple[Floats, Floats, Floats | None]:
        offset = np.where(self.gain > 0, self.offset, np.nan)
        quadratic = np.where(self.gain > 0, self.quadratic, 0.0)
        return offset.ravel(), self.gain.ravel(), quadratic.ravel() if quadratic.any() else None

    def of_events(self, module: NDArray[Any], channel: NDArray[Any], energy: NDArray[Any]) -> NDArray[np.float32]:
        """The energies of events in keV; NaN where there is no calibration.

        A float32 has 24 bits, an energy 16: neighbouring energies of a channel stay apart, 256 times as far as they
        are rounded, and a float64 would have nothing more to tell.
        """
        modules, channels = self.gain.shape
        offset, gain, quadratic = self._by_channel
        place = channel.astype(np.intp)
        outside = place >= channels
        if modules > 1 or int(module.max(initial=0)) > 0:
            outside |= module >= modules
            place += module.astype(np.intp) * channels
        is_outside = bool(outside.any())
        if is_outside:
            place[outside] = 0
        number = energy.astype(np.float64)
        kev = gain[place]
        if quadratic is not None:
            kev += quadratic[place] * number
        kev *= number
        kev += offset[place]
        if is_outside:
            kev[outside] = np.nan
        return kev.astype(np.float32)


#: What lies so far from where two bins meet is there, in bins: numbers are exact to much less.
_THERE = 1e-6


def bin_of(position: float, bins: int, *, last: bool, doubt: float = 0.0) -> int:
    """The bin in which a region begins or ends that has its edge at `position`, an energy in ADC units.

    The region has all bins that it touches; an edge between two bins touches one of them, also one that may be there
    because `position` has been rounded, by up to `doubt`. Below and above all bins: -1 and `bins`.
    """
    place = position * bins / ENERGIES
    near = (
        round(place) if math.isfinite(place) and abs(place - round(place)) < _THERE + doubt * bins / ENERGIES else None
    )
    found = near if near is not None else math.floor(place) if math.isfinite(place) else bins if place > 0 else -1
    if last and near is not None:
        found -= 1
    return min(max(found, -1), bins)


def settings_without(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings by task, without the calibration, which metadata say once for all tasks."""
    return {
        task: {name: value for name, value in of_task.items() if name not in PARAMETERS}
        for task, of_task in settings.items()
    }


class InUse:
    """The calibration in use, and what became of it since a beginning: that of a run, or of a file."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.now = Calibration.of(settings)
        self._changes, self._changed_at = 0, 0.0

    def change(self, settings: Mapping[str, Any], now: float) -> None:
        """Something in the settings of a task may be new at a Unix time."""
        changed = Calibration.of(settings)
        if changed.channels != self.now.channels:
            self.now, self._changes, self._changed_at = changed, self._changes + 1, now

    def begin(self) -> Begun:
        """From now on what is told counts from here."""
        return Begun(self, self.now, self._changes)

    def since(self, changes: int) -> tuple[int, float]:
        """How many changes have come after the first `changes`, and when the last one did."""
        return self._changes - changes, self._changed_at


@dataclass(frozen=True)
class Begun:
    """A run or a file that began with a calibration."""

    in_use: InUse
    calibration: Calibration
    changes: int

    def about(self) -> dict[str, Any]:
        """What metadata say: the calibration of the beginning, how often it was changed, and what it is now."""
        changes, when = self.in_use.since(self.changes)
        found = {"formula": FORMULA, **_told(self.calibration), "changes": changes}
        if changes:
            now = self.in_use.now
            news = {name: now.channels.get(name, {}) for name in _differing(self.calibration, now)}
            found |= {"changed_at": when, "at_end": {"version": now.version or None, "channels": news}}
        return found


def _differing(one: Calibration, other: Calibration) -> list[str]:
    """The channels of which not the same is known."""
    names = sorted({*one.channels, *other.channels})
    return [name for name in names if one.channels.get(name) != other.channels.get(name)]


def _told(calibration: Calibration) -> dict[str, Any]:
    return {"version": calibration.version or None, "channels": calibration.channels}
