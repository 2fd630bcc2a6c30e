"""What is simulated: a crate, its modules, what stands before it, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pixieioc.detector.pulse import ADC_TOP, BASELINE
from pixieioc.detector.response import DETECTORS, Detector
from pixieioc.detector.sources import SOURCES
from pixieioc.listmode.variant import LONGEST_RECORD, PART_ESUM, PART_ETS, PART_QDC, SLOT_FIRST, SLOT_LAST, Variant
from pixieioc.listmode.variant import variant as row_of

#: Modules that fit into one crate.
MOST_MODULES = SLOT_LAST - SLOT_FIRST + 1
#: The firmware revision from which there are external time stamps.
FIRST_ETS_REVISION = 30980


#: Which value is wrong, and what is wrong with it: where, and what is allowed.
Problem = tuple[str, str]


class BadCrate(ValueError):
    """A crate that cannot be: its `problems` say why, by the names of values ("layout": ADC rate and revision)."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(text for _, text in self.problems))


@dataclass(frozen=True)
class Channel:
    """What a channel makes of hits, whichever settings of a module lead to that.

    Energies of records are `gain` units per keV, the ADC sees `adc_per_kev` on its `baseline`. Nothing below
    `threshold_kev` is seen, nothing at all unless `seen`, and two hits within `fast_us` are one. The energy filter's
    `rise_us` + `flat_top_us` are the time in which hits pile up, if `pileup`: `reject` says which of them have records
    (all; single ones; all, those piled up without energy; those piled up alone), and none has unless `good`. After a
    record a channel is dead for `dead_us`. The CFD, if there is one, fails below `cfd_from_kev`, and with the
    probability exp(-energy / `cfd_fails_kev`), never for 0. Traces are `trace_us` long (0: none), `delay_us` of that
    before the trigger; sums of the QDC follow each other from its beginning, `qdc_us` long (none: no QDC).
    """

    gain: float = 10.0
    adc_per_kev: float = (ADC_TOP - BASELINE) / 3000.0
    baseline: float = BASELINE
    seen: bool = True
    good: bool = True
    threshold_kev: float = 0.0
    fast_us: float = 0.0
    rise_us: float = 0.2
    flat_top_us: float = 0.1
    pileup: bool = True
    reject: int = 0
    dead_us: float = 0.0
    cfd: bool = True
    cfd_from_kev: float = 0.0
    cfd_fails_kev: float = 200.0
    trace_us: float = 0.0
    delay_us: float = 0.0
    qdc_us: tuple[float, ...] = ()
    energy_sums: bool = False
    external_time: bool = False

    @property
    def parts(self) -> int:
        """The optional blocks of each record, as a sum of PARTS bits."""
        return PART_ETS * self.external_time + PART_ESUM * self.energy_sums + PART_QDC * bool(self.qdc_us)

    @property
    def pileup_ns(self) -> float:
        """Hits that are closer than this pile up."""
        return 1e3 * (self.rise_us + self.flat_top_us) if self.pileup else 0.0

    def samples(self, adc_mhz: int) -> int:
        """Samples of each trace: an even number."""
        return 2 * round(self.trace_us * adc_mhz / 2)


@dataclass(frozen=True)
class Module:
    """A module: ADC rate (MHz) and firmware revision, which decide the layout, and the detectors on its channels.

    `settings`: one for all channels, or one per channel. `slot` 0: the one that follows from its number.
    """

    adc_mhz: int = 500
    revision: int = 34688
    detector: str = "LaBr3"
    settings: tuple[Channel, ...] = (Channel(),)
    adc_bits: int = 14
    slot: int = 0
    crate: int = 0

    @property
    def layout(self) -> Variant:
        """The layout of its records; ValueError if there is none."""
        return row_of(self.adc_mhz, self.revision)

    @property
    def most_channels(self) -> int:
        """How many channels such a module has."""
        return self.layout.channels

    @property
    def sensor(self) -> Detector:
        """The detector that is on each of its channels."""
        return DETECTORS[self.detector]

    def channel(self, number: int) -> Channel:
        """The settings of a channel."""
        return self.settings[number if len(self.settings) > 1 else 0]


@dataclass(frozen=True)
class Crate:
    """A crate, of whose modules as many channels are used.

    `channel_rate`: mean rate of hits (1/s) in each channel; `sources`: names and relative weights. So many neighbours
    in a module's stream go `backwards`, as far as sweeps of at most 50 us over the channels make it possible. Faults
    are rates (1/s) in each module, and the interval (s) at which counters restart.
    """

    modules: tuple[Module, ...] = (Module(),)
    channels: int = 4
    channel_rate: float = 1000.0
    sources: tuple[tuple[str, float], ...] = (("60Co", 1.0), ("137Cs", 1.0))
    background: float = 0.1
    coincidence: float = 0.1
    backwards: float = 0.09
    external_mhz: float = 100.0
    corrupt_rate: float = 0.0
    truncate_rate: float = 0.0
    reset_interval: float = 0.0

    def __post_init__(self) -> None:
        if problems := self._problems():
            raise BadCrate(problems)

    def _problems(self) -> list[Problem]:
        found: list[Problem] = []
        if not 1 <= len(self.modules) <= MOST_MODULES:
            found.append(("modules", f"{len(self.modules)} modules: a crate has 1 to {MOST_MODULES}"))
        found += [("sources", problem) for problem in map(wrong_source, self.sources) if problem]
        for number, module in enumerate(self.modules):
            found += [(name, f"module {number}: {problem}") for name, problem in self._problems_of(module)]
        return found

    def _problems_of(self, module: Module) -> list[Problem]:
        try:
            layout = module.layout
        except ValueError as error:
            return [("layout", str(error))]
        found: list[Problem] = []
        if problem := wrong_detector(module.detector):
            found.append(("detector", problem))
        if not 1 <= self.channels <= module.most_channels:
            text = f"channels = {self.channels}: {layout} has channels 1 to {module.most_channels}"
            found.append(("channels", text))
        if len(module.settings) not in (1, self.channels):
            found.append(("settings", f"has those of {len(module.settings)} channels: must be 1 or {self.channels}"))
        if len(module.settings) > 1 and (self.corrupt_rate or self.truncate_rate):
            found.append(("settings", "faults need records of one length: one Channel for all channels"))
        for settings in dict.fromkeys(module.settings):
            found += self._problems_with(settings, module, layout)
        return found

    @staticmethod
    def _problems_with(settings: Channel, module: Module, layout: Variant) -> Iterator[Problem]:
        if settings.external_time and module.revision < FIRST_ETS_REVISION:
            text = f"external time stamps need firmware revision {FIRST_ETS_REVISION} or later, not {layout}"
            yield "external_time", text
        header = 4 + 2 * settings.parts
        most = min(2 * (min(LONGEST_RECORD, layout.record_length.mask) - header), layout.trace_length.mask // 2 * 2)
        if settings.samples(module.adc_mhz) > most:
            text = f"a trace of {settings.trace_us:g} us: at most {most / module.adc_mhz:g} us fit into a record"
            yield "trace_us", text


def wrong_source(source: tuple[str, float]) -> str:
    """What is wrong with a source and its weight; empty if nothing is."""
    name, weight = source
    if name not in SOURCES:
        return f"source {name!r}: must be one of {', '.join(SOURCES)}"
    return "" if 0 < weight < 1e9 else f"weight {weight:g} of source {name}: must be above 0"


def wrong_detector(name: str) -> str:
    """What is wrong with a detector; empty if nothing is."""
    return "" if name in DETECTORS else f"detector {name!r}: must be one of {', '.join(DETECTORS)}"
