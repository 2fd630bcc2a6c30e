"""Radioactive sources: which photons they emit, and which of them together.

Energies and intensities follow the recommended values of the Decay Data Evaluation Project (M.-M. Be, V. P. Chechev,
Nucl. Instr. Meth. A 728 (2013) 157), rounded.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Photon:
    """`intensity`: photons per decay; `partners`: energies (keV) of photons of the same decay that can be with it."""

    kev: float
    intensity: float
    partners: tuple[float, ...] = ()


SOURCES: dict[str, tuple[Photon, ...]] = {
    "22Na": (Photon(511.0, 1.80, (511.0, 1274.5)), Photon(1274.5, 0.999, (511.0,))),
    "40K": (Photon(1460.8, 0.106),),
    "54Mn": (Photon(834.8, 1.0),),
    "60Co": (Photon(1173.2, 0.999, (1332.5,)), Photon(1332.5, 1.0, (1173.2,))),
    "133Ba": (
        Photon(81.0, 0.333, (302.9, 356.0)),
        Photon(276.4, 0.071),
        Photon(302.9, 0.183, (81.0,)),
        Photon(356.0, 0.621, (81.0,)),
        Photon(383.8, 0.089),
    ),
    "137Cs": (Photon(32.1, 0.056), Photon(36.4, 0.013), Photon(661.7, 0.850)),
    "152Eu": (
        Photon(121.8, 0.284, (244.7, 964.1, 1112.1, 1408.0)),
        Photon(244.7, 0.076, (121.8,)),
        Photon(344.3, 0.266, (411.1, 778.9)),
        Photon(411.1, 0.022, (344.3,)),
        Photon(778.9, 0.130, (344.3,)),
        Photon(964.1, 0.145, (121.8,)),
        Photon(1085.8, 0.101),
        Photon(1112.1, 0.134, (121.8,)),
        Photon(1408.0, 0.209, (121.8,)),
    ),
    "208Tl": (Photon(583.2, 0.850, (2614.5,)), Photon(2614.5, 0.998, (583.2,))),
    "241Am": (Photon(59.5, 0.359),),
}


@dataclass(frozen=True)
class Emission:
    """One way in which a decay is seen: a photon (keV), perhaps a `second` one in another channel; 0 keV is the room.

    `share` is that among all decays that are seen.
    """

    share: float
    first: float
    second: float | None = None


def emissions(mixture: tuple[tuple[str, float], ...], background: float, coincidence: float) -> list[Emission]:
    """All ways in which a decay of a mixture of sources (name, weight) or the room's background is seen.

    `background`: share of the room; `coincidence`: chance that a partner of a photon is seen in another channel.
    """
    total = sum(weight for _, weight in mixture)
    scale = (1 - background) if total else 1.0
    found = [Emission(background if total else 1.0, 0.0)]
    for name, weight in mixture:
        photons = SOURCES[name]
        intensity = sum(photon.intensity for photon in photons)
        for photon in photons:
            share = scale * weight / total * photon.intensity / intensity
            together = coincidence if photon.partners else 0.0
            found.append(Emission(share * (1 - together), photon.kev))
            found += [Emission(share * together / len(photon.partners), photon.kev, kev) for kev in photon.partners]
    return [emission for emission in found if emission.share > 0]
