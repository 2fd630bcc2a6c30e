"""What a user of pypixie16 does with a crate, as a program: the package is loaded as it is, and told nothing special.

    python pypixie16_session.py FOLDER

Writes the words of each module and the statistics into the folder.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from pixie16 import control  # pyright: ignore[reportMissingImports]
from pixie16.C_library_sdk import (  # pyright: ignore[reportMissingImports]
    read_module_info,
    write_single_module_parameter,
)

SLOTS = [2, 5]


def main(folder: Path) -> None:
    control.init_and_boot(modules=SLOTS)
    control.adjust_offsets()
    leads = [False] * 25 + [True] + [False] * 6  # bit 6, the highest comes first
    write_single_module_parameter("MODULE_CSRB", leads, 0)
    control.set_sync_mode()
    read_back = control.set_channel_parameter("TRIGGER_THRESHOLD", 50, 0, 3)
    control.set_traces(1, 2, True)
    control.change_setting_from_dict({"channels": [(0, 4), (1, 4)], "EnableCFD": True, "TRACE_LENGTH": 0.5})
    settings = control.read_settings()
    control.write_settings(settings)
    control.save_settings_to_json(folder / "settings.json")
    control.empty_all_fifos()
    control.start_list_mode_run()
    blocks: list[list[np.ndarray]] = [[] for _ in SLOTS]
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        for module, words in enumerate(control.read_list_mode_fifo(threshold=1000)):
            blocks[module].append(words)
        time.sleep(0.002)  # as a reader that polls
    running = control.check_run_status()
    control.end_run()
    ended = not control.check_run_status()
    for module, words in enumerate(control.read_list_mode_fifo(check=False)):
        blocks[module].append(words)
    statistics = [dict(each) for each in control.get_stats()]
    for module, parts in enumerate(blocks):
        np.concatenate(parts).astype("<u4").tofile(folder / f"module{module}.bin")
    control.exit_system()
    seen = {
        "read_back": np.asarray(read_back).item(),
        "running": running,
        "ended": ended,
        "statistics": statistics,
        "information": [read_module_info(module) for module, _ in enumerate(SLOTS)],
    }
    (folder / "seen.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
