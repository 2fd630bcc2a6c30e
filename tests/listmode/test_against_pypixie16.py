"""Field by field what another reader says of the real recording.

`pypixie16_reading.json` holds a digest of each field of all 24 598 records as pypixie16 3.1.0 reads them, so that the
comparison needs neither that package nor its dependencies. With it installed (extra `bench`), this writes it anew:

    python tests/listmode/test_against_pypixie16.py
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixieioc.listmode import events as ev
from pixieioc.listmode.flags import FLAG_CFD_FORCED, FLAG_OUT_OF_RANGE, FLAG_PILEUP
from pixieioc.listmode.stream import Decoder
from pixieioc.listmode.variant import variant

READING = Path(__file__).with_name("pypixie16_reading.json")
RECORDING = Path(__file__).parents[2] / "examples" / "data" / "pixie16_binary_data-full.bin"

#: pypixie16's name of a field, and what it is made of in our columns. Both readers are exact: no tolerance.
FIELDS = {
    "timestamp": lambda events: events["time"],
    "CFD_fraction": lambda events: events["cfd"].astype(np.float64),
    "CFD_error": lambda events: events["flags"] & FLAG_CFD_FORCED > 0,
    "energy": lambda events: events["energy"],
    "channel": lambda events: events["channel"],
    "slot": lambda events: events["slot"],
    "crate": lambda events: events["crate"],
    "pileup": lambda events: events["flags"] & FLAG_PILEUP > 0,
    "trace_flag": lambda events: events["flags"] & FLAG_OUT_OF_RANGE > 0,
}


def digest(column: Any) -> str:
    """The same for the same values, whatever type they have."""
    return hashlib.sha256(np.asarray(column).astype("<f8").tobytes()).hexdigest()


@pytest.mark.parametrize("field", FIELDS)
def test_both_say_the_same_of_every_record(field: str) -> None:
    decoder = Decoder(variant(500, 34688))
    events = ev.concatenate(decoder.feed(np.fromfile(RECORDING, "<u4")) + decoder.finish())
    reading = json.loads(READING.read_text())
    assert ev.size(events) == reading["records"] == 24_598
    assert digest(FIELDS[field](events)) == reading["fields"][field]


def main() -> None:
    """Has pypixie16 read the recording."""
    os.environ["MPLBACKEND"] = "Agg"
    from pixie16.read.list_mode import (  # pyright: ignore[reportMissingImports]
        read_list_mode_data_as_events,
    )

    events = read_list_mode_data_as_events(RECORDING)
    fields = {field: digest([getattr(event, field) for event in events]) for field in FIELDS}
    READING.write_text(json.dumps({"reader": "pypixie16 3.1.0", "records": len(events), "fields": fields}, indent=1))


if __name__ == "__main__":
    main()
