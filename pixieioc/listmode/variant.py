"""The layout of a list-mode record, as one table: which bits mean what at which ADC rate and firmware revision.

Neither the rate nor the revision is in the data, so a reader must be told both, per module.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Header lengths in words and the blocks that follow the four base words; the key is the set of PARTS bits.
PART_ETS, PART_ESUM, PART_QDC = 1, 2, 4
HEADER_LENGTHS = tuple(range(4, 20, 2))
#: Sub-tick times are whole multiples of this many nanoseconds in every variant.
CFD_UNIT_NS = 1 / 32768
LONGEST_RECORD = 16383
SLOT_FIRST, SLOT_LAST = 2, 14
#: Channels of the largest module.
CHANNELS = 32


@dataclass(frozen=True)
class Bits:
    """`count` bits of word `word`, from bit `shift` upwards; no bits at all where a variant lacks the field."""

    word: int = 0
    shift: int = 0
    count: int = 0

    @property
    def mask(self) -> int:
        """The field's largest value."""
        return (1 << self.count) - 1


@dataclass(frozen=True)
class Variant:
    """One row of the table: the record layout of a range of firmware revisions at one ADC rate.

    The CFD time in units of 1/32768 ns is `cfd_unit * fraction + 32768 * (source_ns * source + source_offset_ns)`;
    a forced, failed or switched-off CFD leaves the tick alone.
    """

    adc_mhz: int
    first_revision: int
    last_revision: int | None
    tick_ns: int
    record_length: Bits
    energy: Bits
    trace_length: Bits
    out_of_range: Bits
    cfd_fraction: Bits
    cfd_unit: int
    cfd_source: Bits = Bits()
    source_ns: int = 0
    source_offset_ns: int = 0
    last_source: int = 0
    cfd_forced: Bits = Bits()
    forced_value: int = 1
    channel: Bits = Bits(0, 0, 4)
    slot: Bits = Bits(0, 4, 4)
    crate: Bits = Bits(0, 8, 4)

    @property
    def channels(self) -> int:
        """How many channels such a module has: those of revision H, whose channel number has 6 bits, have 32."""
        return CHANNELS if self.channel.count > 4 else 16

    def __str__(self) -> str:
        last = "" if self.last_revision is None else f"..{self.last_revision}"
        return f"{self.adc_mhz} MHz, firmware {self.first_revision}{last or ' and later'}"


_LENGTH_13, _LENGTH_14 = Bits(0, 17, 13), Bits(0, 17, 14)
_ENERGY_15, _ENERGY_16 = Bits(3, 0, 15), Bits(3, 0, 16)
_TRACE_15, _TRACE_16 = Bits(3, 16, 15), Bits(3, 16, 16)
_RANGE_W0, _RANGE_W3_LOW, _RANGE_W3_HIGH = Bits(0, 30, 1), Bits(3, 15, 1), Bits(3, 31, 1)

# The three generations of word 0 and word 3: (record length, energy, trace length, out of range).
_OLD = (_LENGTH_13, _ENERGY_16, _TRACE_16, _RANGE_W0)
_MIDDLE = (_LENGTH_14, _ENERGY_15, _TRACE_16, _RANGE_W3_LOW)
_NEW = (_LENGTH_14, _ENERGY_16, _TRACE_15, _RANGE_W3_HIGH)


def _mhz100(first: int, last: int | None, words: tuple[Bits, Bits, Bits, Bits], fraction_bits: int) -> Variant:
    forced = Bits(2, 31, 1) if fraction_bits == 15 else Bits()
    unit = 10 * 32768 >> fraction_bits
    return Variant(100, first, last, 10, *words, Bits(2, 16, fraction_bits), unit, cfd_forced=forced)


def _mhz250(
    first: int,
    last: int | None,
    words: tuple[Bits, Bits, Bits, Bits],
    fraction_bits: int,
    numbering: tuple[Bits, Bits, Bits] = (Bits(0, 0, 4), Bits(0, 4, 4), Bits(0, 8, 4)),
) -> Variant:
    source = {16: Bits(), 15: Bits(2, 31, 1), 14: Bits(2, 30, 1)}[fraction_bits]
    forced = Bits(2, 31, 1) if fraction_bits == 14 else Bits()
    unit = 4 * 32768 >> fraction_bits
    fraction = Bits(2, 16, fraction_bits)
    return Variant(250, first, last, 8, *words, fraction, unit, source, -4, 0, source.mask, forced, 1, *numbering)


def _mhz500(first: int, last: int | None, words: tuple[Bits, Bits, Bits, Bits]) -> Variant:
    source = Bits(2, 29, 3)
    return Variant(500, first, last, 10, *words, Bits(2, 16, 13), 2 * 32768 >> 13, source, 2, -2, 4, source, 7)


#: XIA's 32-channel modules (revision H) number channels with 6 bits and crates with 2.
_REVISION_H = (Bits(0, 0, 6), Bits(0, 6, 4), Bits(0, 10, 2))

VARIANTS: tuple[Variant, ...] = (
    _mhz100(17562, 29431, _OLD, 16),
    _mhz100(29432, 30473, _MIDDLE, 16),
    _mhz100(30474, 34687, _MIDDLE, 15),
    _mhz100(34688, None, _NEW, 15),
    _mhz250(20466, 27360, _OLD, 16),
    _mhz250(27361, 29431, _OLD, 15),
    _mhz250(29432, 30473, _MIDDLE, 15),
    _mhz250(30474, 34687, _MIDDLE, 14),
    _mhz250(34688, 46539, _NEW, 14),
    _mhz250(46540, None, _NEW, 14, _REVISION_H),
    _mhz500(29432, 34687, _MIDDLE),
    _mhz500(34688, None, _NEW),
)

#: The ADC rates in MHz that there are.
ADC_RATES = tuple(sorted({row.adc_mhz for row in VARIANTS}))
#: The oldest firmware revision whose layout is known.
FIRST_REVISION = min(row.first_revision for row in VARIANTS)


def variant(adc_mhz: int, revision: int) -> Variant:
    """The record layout of a module.

    Parameters: ADC rate in MHz and firmware revision (a decimal number as XIA writes it, for example 34688).
    Raises ValueError that names the known rates, or the known revisions of that rate.
    """
    rows = [row for row in VARIANTS if row.adc_mhz == adc_mhz]
    if not rows:
        raise ValueError(f"ADC rate {adc_mhz} MHz: must be one of {list(ADC_RATES)}")
    for row in rows:
        if row.first_revision <= revision and (row.last_revision is None or revision <= row.last_revision):
            return row
    first = min(row.first_revision for row in rows)
    raise ValueError(f"firmware revision {revision} of a {adc_mhz} MHz module: must be {first} or later")
