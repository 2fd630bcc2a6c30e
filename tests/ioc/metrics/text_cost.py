"""What a page of metrics costs the event loop: `python -m tests.ioc.metrics.text_cost --modules 13 --channels 32`."""

from __future__ import annotations

import argparse
import os
import time

from pixieioc.ioc.metrics.families import families_of
from pixieioc.ioc.metrics.text import PLAIN, Exposition
from pixieioc.ioc.records import Pvs
from pixieioc.pvinfo.build import all_pvs
from tests.configs import config_of

CHAIN = ("TakeData", "GatherData", "ConvertToEvents", "SortEvents", "GatherEvents", "FillSpectra", "SnapTraces")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modules", type=int, default=13)
    parser.add_argument("--channels", type=int, default=32)
    options = parser.parse_args()
    facts = {"modules": options.modules, "channels": options.channels}
    pvs = Pvs(all_pvs(config_of(CHAIN, dict.fromkeys(("TakeData", "FillSpectra", "SnapTraces"), facts))), "PX16:")
    began = time.process_time()
    exposition = Exposition(families_of(record.info for record in pvs.values()), pvs, [])
    made = time.process_time() - began
    pieces: list[float] = []
    size, began = 0, time.process_time()
    last = time.perf_counter()
    for piece in exposition.pieces(PLAIN):
        pieces.append(time.perf_counter() - last)
        size += len(piece)
        last = time.perf_counter()
    took = time.process_time() - began
    pieces.sort()
    print(
        f"{len(pvs)} process variables: {1e3 * made:.0f} ms at the start; a page of {size / 1e3:.0f} kB in "
        f"{len(pieces)} pieces: {1e3 * took:.1f} ms, a piece {1e3 * pieces[len(pieces) // 2]:.2f} ms (median), "
        f"{1e3 * pieces[-1]:.2f} ms (worst); load {os.getloadavg()[0]:.0f}"
    )


if __name__ == "__main__":
    main()
