"""Records are counted as a decoder does, whatever is broken and wherever the stream is cut."""

from __future__ import annotations

import numpy as np
import pytest

from pixieioc.listmode.encode import encode
from pixieioc.listmode.stream import Decoder, RecordCounter
from pixieioc.listmode.variant import VARIANTS, Variant
from tests.listmode.samples import random_events


@pytest.mark.parametrize("layout", VARIANTS, ids=str)
def test_a_counter_counts_what_a_decoder_finds(layout: Variant) -> None:
    random = np.random.default_rng(layout.first_revision)
    words = encode(random_events(layout, 300, 1), layout).copy()
    words[random.integers(0, len(words), 5)] ^= np.uint32(1) << random.integers(0, 32, 5).astype(np.uint32)
    decoder, counter = Decoder(layout), RecordCounter(layout)
    for block in np.split(words, np.sort(random.integers(0, len(words), 7))):
        decoder.feed(block)
        assert counter.feed(block) == []
        assert counter.counts == decoder.counts
    decoder.finish()
    assert counter.finish() == []
    assert counter.counts == decoder.counts
    assert counter.counts.events > 250
