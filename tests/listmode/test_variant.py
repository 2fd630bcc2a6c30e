"""The table of record layouts, against the published one."""

from __future__ import annotations

import pytest

from pixieioc.listmode.variant import VARIANTS, Bits, variant

#: ADC MHz, first and last revision, bits of record length, energy, trace length, place of the out-of-range bit,
#: bits of the CFD fraction and its divisor, CFD source bits, CFD forced bit, channel, slot, crate: as XIA documents
#: them.
PUBLISHED = """
100 17562 29431 0:17-29 16 16 0:30 16 65536 -     -    4/4/4
100 29432 30473 0:17-30 15 16 3:15 16 65536 -     -    4/4/4
100 30474 34687 0:17-30 15 16 3:15 15 32768 -     2:31 4/4/4
100 34688 -     0:17-30 16 15 3:31 15 32768 -     2:31 4/4/4
250 20466 27360 0:17-29 16 16 0:30 16 65536 -     -    4/4/4
250 27361 29431 0:17-29 16 16 0:30 15 32768 31    -    4/4/4
250 29432 30473 0:17-30 15 16 3:15 15 32768 31    -    4/4/4
250 30474 34687 0:17-30 15 16 3:15 14 16384 30    2:31 4/4/4
250 34688 46539 0:17-30 16 15 3:31 14 16384 30    2:31 4/4/4
250 46540 -     0:17-30 16 15 3:31 14 16384 30    2:31 6/4/2
500 29432 34687 0:17-30 15 16 3:15 13 8192  29-31 2:29 4/4/4
500 34688 -     0:17-30 16 15 3:31 13 8192  29-31 2:29 4/4/4
"""


@pytest.mark.parametrize(("row", "line"), list(zip(VARIANTS, PUBLISHED.strip().splitlines(), strict=True)), ids=str)
def test_the_table_is_the_published_one(row, line: str) -> None:
    mhz, first, last, length, energy, trace, range_, fraction, divisor, source, forced, numbering = line.split()
    assert (row.adc_mhz, row.first_revision) == (int(mhz), int(first))
    assert row.last_revision == (None if last == "-" else int(last))
    assert row.tick_ns == (8 if mhz == "250" else 10)
    low, high = length.removeprefix("0:").split("-")
    assert row.record_length == Bits(0, int(low), int(high) - int(low) + 1)
    assert row.energy == Bits(3, 0, int(energy))
    assert row.trace_length == Bits(3, 16, int(trace))
    word, bit = range_.split(":")
    assert row.out_of_range == Bits(int(word), int(bit), 1)
    assert row.cfd_fraction == Bits(2, 16, int(fraction))
    # The unit is 1/32768 ns: a whole fraction is worth 10, 4 and 2 ns at 100, 250 and 500 MHz.
    assert row.cfd_unit * int(divisor) == {"100": 10, "250": 4, "500": 2}[mhz] * 32768
    if source == "-":
        assert row.cfd_source.count == 0
    else:
        assert row.cfd_source == Bits(2, int(source.split("-")[0]), 3 if "-" in source else 1)
    assert (row.cfd_forced.count == 0) == (forced == "-")
    widths = tuple(map(int, numbering.split("/")))
    assert (row.channel.count, row.slot.count, row.crate.count) == widths
    assert (row.channel.shift, row.slot.shift, row.crate.shift) == (0, widths[0], widths[0] + widths[1])


@pytest.mark.parametrize(
    ("mhz", "revision", "first"), [(100, 17562, 17562), (250, 46539, 34688), (250, 46540, 46540), (500, 99999, 34688)]
)
def test_a_revision_finds_its_row(mhz: int, revision: int, first: int) -> None:
    assert variant(mhz, revision).first_revision == first


def test_what_is_not_in_the_table_is_refused_with_what_is() -> None:
    with pytest.raises(ValueError, match=r"ADC rate 125 MHz: must be one of \[100, 250, 500\]"):
        variant(125, 34688)
    with pytest.raises(ValueError, match="firmware revision 29431 of a 500 MHz module: must be 29432 or later"):
        variant(500, 29431)


def test_a_row_says_what_it_is() -> None:
    assert str(variant(500, 34688)) == "500 MHz, firmware 34688 and later"
    assert str(variant(100, 20000)) == "100 MHz, firmware 17562..29431"
