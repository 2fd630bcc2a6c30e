"""ConvertToEvents: list-mode words to events, one decoder a module."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.counted import counted
from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.listmode.stream import Decoder, StreamCounts, warm_up
from pixieioc.listmode.variant import CHANNELS, Variant, variant
from pixieioc.pipeline import Error, Parameter, Report, Task
from pixieioc.tasks.crate import CrateFacts, layout_of
from pixieioc.tasks.items import EVENTS, WORDS, Beginning, EventBlock, run_begins, run_ends, words_of


def _channels(names: list[str]) -> dict[int, set[int]]:
    """The channels that are named, by module."""
    found: dict[int, set[int]] = {}
    for name in names:
        match = re.fullmatch(r"(\d{1,3}):(\d{1,2}|\*)", name)
        if match is None or (match[2] != "*" and int(match[2]) >= CHANNELS):
            raise Error(f"cfd_off: {name!r} must be module:channel, channel 0 to {CHANNELS - 1}, or module:*")
        found.setdefault(int(match[1]), set()).update(range(CHANNELS) if match[2] == "*" else [int(match[2])])
    return found


class ConvertToEvents(Task):
    """Decodes the stream of each module; a record that is cut by a block boundary is carried over.

    How records are laid out follows from ADC rate and firmware revision, which are not in the data.
    """

    takes, gives = WORDS, EVENTS
    events_known = True

    adc_mhz, firmware_revision = CrateFacts.adc_mhz, CrateFacts.firmware_revision
    cfd_off = Parameter(
        [],
        rule=_channels,
        doc="Channels whose CFD is switched off, which the data do not show: module:channel, as in 0:3, or module:*.",
    )
    corrupt_regions = Report(
        0,
        alarm_hihi=1,
        doc="Regions in this run where the stream was corrupt and the next record had to be found again.",
        guidance="Records are damaged: check firmware revision and ADC rate, then cables and crate.",
    )
    bytes_lost = Report(
        0,
        unit="B",
        alarm_hihi=1,
        doc="Bytes in those regions, which are not in any event.",
        guidance="Data are lost: see CorruptRegions for what to check.",
    )
    bytes_left_over = Report(
        0,
        unit="B",
        alarm_high=1,
        doc="Bytes of records that were not complete when the run ended.",
        guidance="The last record of a module was cut off by the end of the run or of its file.",
    )

    @classmethod
    def do_check(cls, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        rates, revisions = settings["adc_mhz"], settings["firmware_revision"]
        for module in range(max(len(rates), len(revisions))):
            try:
                layout_of(rates, revisions, module)
            except Error as error:
                yield "adc_mhz", str(error)

    def do_init(self) -> None:
        warm_up()

    def do_start(self) -> None:
        self._decoders: dict[int, Decoder] = {}
        self._printed: dict[int, int] = {}  # broken regions by module
        self._ended: list[StreamCounts] = []  # of decoders of runs that came before
        self._begins: Beginning | None = None  # a run whose first events are still to come
        self._layouts: dict[int, Variant] = {}  # of modules that have said so themselves
        self._cfd_off = _channels(self.cfd_off)
        self._several = False  # modules in this block, whose events are joined for sending
        self.corrupt_regions = self.bytes_lost = self.bytes_left_over = 0

    def do_work(self, datum: Any) -> None:
        if run_begins(datum):
            self._end_run()
            self._begins = begins = datum["begins"]
            self._layouts = {module: variant(*layout) for module, layout in begins.get("layouts", {}).items()}
            return
        if run_ends(datum):
            self._end_run()
            self.send(EventBlock(events=ev.empty(), words_read={}, quiet=[], ends=datum["ends"]))
            return
        block = words_of(datum, self.name)
        self._several = len(block) > 1
        chunks: list[Events] = []
        for module, words in block.items():
            if module not in self._decoders:
                self._decoders[module] = Decoder(
                    self._layouts.get(module) or layout_of(self.adc_mhz, self.firmware_revision, module),
                    module,
                    self._cfd_off.get(module, ()),
                    self._memory,
                )
            decoder = self._decoders[module]
            chunks += decoder.feed(words, joined=not self._several)
            if decoder.counts.corrupt_regions:
                self._print_regions(module, decoder)
        quiet = [module for module, words in block.items() if not len(words) and self._decoders[module].holds_nothing]
        self._send(chunks, {module: len(words) for module, words in block.items()}, quiet)

    def do_stop(self) -> None:
        self._end_run()

    def _end_run(self) -> None:
        """Hands on what the decoders still hold, which is the end of these data."""
        chunks = [chunk for decoder in self._decoders.values() for chunk in decoder.finish()]
        self._send(chunks, {}, [])
        self._ended += [decoder.counts for decoder in self._decoders.values()]
        for module, decoder in self._decoders.items():
            if decoder.counts.corrupt_regions:
                self._print_regions(module, decoder)
        self._decoders, self._printed = {}, {}
        if self._begins:  # nothing has come of it
            self._send_block(ev.empty(), {}, [])

    def _send(self, chunks: list[Events], words_read: dict[int, int], quiet: list[int]) -> None:
        counts = [*self._ended, *(decoder.counts for decoder in self._decoders.values())]
        self.events = sum(c.events for c in counts)
        self.corrupt_regions = sum(c.corrupt_regions for c in counts)
        self.bytes_lost = 4 * sum(c.words_lost for c in counts)
        self.bytes_left_over = 4 * sum(c.words_left_over for c in counts)
        # In one message, which costs what a few thousand events cost; traces would be copied for the next task anyway.
        events = ev.concatenate(chunks, self.allocate)
        if ev.size(events) or words_read:  # the sorter must know that these modules were read and had nothing
            self._send_block(events, words_read, quiet)

    def _send_block(self, events: Events, words_read: dict[int, int], quiet: list[int]) -> None:
        block = EventBlock(events=events, words_read=words_read, quiet=quiet)
        if self._begins:
            block["begins"], self._begins = self._begins, None
        self.send(block)

    def _memory(self, size: int) -> NDArray[np.uint8]:
        return ev.heap(size) if self._several else self.allocate(size)

    def _print_regions(self, module: int, decoder: Decoder) -> None:
        """Prints the broken regions whose end has been found since the last time."""
        regions = decoder.complete_regions
        new = regions[self._printed.get(module, 0) :]
        self._printed[module] = len(regions)
        if new:
            (position, length), more = new[0], len(new) - 1
            others = f", and {counted(more, 'more region')} after it" * bool(more)
            print(f"module {module}: {4 * length} bytes broken at byte {4 * position} of this run{others}")
