"""Shows a spectrum in the terminal: python spectrum.py PX16:M00:C09:Spectrum_RBV"""

import sys

import numpy as np
from caproto.sync.client import read

WIDTH, HEIGHT = 96, 12
BLOCKS = " ▁▂▃▄▅▆▇█"


def picture(spectrum: np.ndarray) -> str:
    """The counts over the energies, from 0 to the last bin with an event."""
    filled = np.flatnonzero(spectrum)
    if not len(filled):
        return "no events"
    step = -(-(filled[-1] + 1) // WIDTH)
    columns = np.add.reduceat(spectrum, np.arange(0, filled[-1] + 1, step))
    eighths = np.ceil(columns / columns.max() * HEIGHT * 8).astype(int)
    rows = ["".join(BLOCKS[e] for e in np.clip(eighths - 8 * row, 0, 8)) for row in reversed(range(HEIGHT))]
    energy = 65536 // len(spectrum)
    axis = f"energy 0 to {(filled[-1] + 1) * energy}, {step * energy} a column; highest column {columns.max()} events"
    return "\n".join([*rows, "─" * len(columns), axis])


if __name__ == "__main__":
    print(picture(np.asarray(read(sys.argv[1], repeater=False).data)))
