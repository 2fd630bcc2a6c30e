"""Detectors: how much of a photon's energy stays in one, and how well it is measured."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ELECTRON_KEV = 511.0
REFERENCE_KEV = 661.7
#: Mean and highest deposit of the room's background, keV: an exponential.
ROOM_MEAN, ROOM_HIGHEST = 400.0, 2700.0
#: Share of the photons that have been scattered back from what is around the detector.
BACKSCATTER = 0.08
#: Points of the tables from which deposits are drawn.
QUANTILES = 1024


@dataclass(frozen=True)
class Detector:
    """`resolution`: FWHM / energy at 661.7 keV; `photopeak`: share of full-energy deposits there.

    The pulse is (1 - exp(-t / rise)) exp(-t / decay), in ns.
    """

    name: str
    resolution: float
    photopeak: float
    rise_ns: float
    decay_ns: float

    def fwhm(self, kev: float) -> float:
        """Full width at half maximum (keV) of a line: it grows with the root of the energy."""
        return self.resolution * (REFERENCE_KEV * kev) ** 0.5

    def photopeak_share(self, kev: float) -> float:
        """Share of full-energy deposits: falls with E^-0.7 from near 1 at low energies, as peak-to-total ratios do."""
        return min(0.95, self.photopeak * (REFERENCE_KEV / kev) ** 0.7)


DETECTORS = {
    detector.name: detector
    for detector in (
        Detector("LaBr3", 0.03, 0.35, 20.0, 30.0),
        Detector("NaI", 0.07, 0.40, 20.0, 250.0),
        Detector("HPGe", 0.002, 0.25, 20.0, 50_000.0),
        Detector("scintillator", 0.15, 0.02, 20.0, 100.0),
    )
}


def compton_edge(kev: float) -> float:
    """The largest energy (keV) that a photon leaves to an electron in one scattering."""
    return kev * 2 * kev / (ELECTRON_KEV + 2 * kev)


def klein_nishina(kev: float, deposit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape of the Compton continuum at `deposit` (keV, up to the edge), arbitrary units.

    Klein and Nishina's cross-section by electron energy: W. R. Leo, Techniques for Nuclear and Particle Physics
    Experiments, eq. 2.109.
    """
    alpha, s = kev / ELECTRON_KEV, deposit / kev
    return 2 + s**2 / (alpha * (1 - s)) ** 2 + s / (1 - s) * (s - 2 / alpha)


def backscattered(kev: float, cosine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energy (keV) of a photon that was scattered by an angle with that cosine."""
    return kev / (1 + kev / ELECTRON_KEV * (1 - cosine))


@functools.lru_cache(maxsize=1024)
def continuum(detector: Detector, kev: float) -> NDArray[np.float32]:
    """Quantiles of the deposits (keV) outside the photopeak, before resolution; of the room's background for 0 keV.

    It is kept, as to make it takes longer than all else that a run needs to begin; so it must not be changed.
    """
    share = np.linspace(0, 1, QUANTILES)
    if kev == 0:
        inside = 1 - np.exp(-ROOM_HIGHEST / ROOM_MEAN)
        return (-ROOM_MEAN * np.log1p(-share * inside)).astype(np.float32)
    grid = np.linspace(0, kev, 8193)
    middle = (grid[1:] + grid[:-1]) / 2
    compton = np.where(middle < compton_edge(kev), klein_nishina(kev, np.minimum(middle, compton_edge(kev))), 0)
    # Scattering by 120 to 180 degrees, all directions alike; absorbed in full.
    back = np.histogram(backscattered(kev, np.linspace(-1, -0.5, 10_001)), grid)[0].astype(np.float64)
    part = BACKSCATTER / (1 - detector.photopeak_share(kev))
    density = (1 - part) * compton / compton.sum() + part * back / back.sum() if part < 1 else back
    cumulated = np.concatenate([[0], np.cumsum(density)]) / density.sum()
    return np.interp(share, cumulated, grid).astype(np.float32)
