"""How fast the settings of a full crate are reached over Channel Access: 13 modules on the simulated SDK.

    python benchmarks/module_settings.py

Bars: the IOC answers within 5 s of its start and needs less than 2 % of a core when nothing happens; a put to a setting
is answered, with its readback, within 50 ms; a copy to 208 channels takes less than 2 s, a file of settings 5 s.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.hardware.crate_ioc import crate_ioc, until_booted
from tests.running_ioc import running

PUTS, IDLE = 100, 10.0


def timed(action: Callable[[], object]) -> float:
    """Seconds that something takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _row(what: str, value: str, bar: str) -> None:
    print(f"{what:46}{value:>14}   {bar}")


def main() -> None:
    """Measures and prints."""
    with crate_ioc("rate 0", modules=13, gather=True, at_start=True) as (ioc, simulation):
        began = time.perf_counter()
        answered: list[float] = []

        def ask() -> None:
            ioc.raw("IOC:ALIVE", 60)
            answered.append(time.perf_counter() - began)

        asking = threading.Thread(target=ask)
        asking.start()
        with running(ioc):
            asking.join()
            _row("start until the IOC answers", f"{answered[0]:.2f} s", "5 s")
            _row("start until the tasks are there", f"{time.perf_counter() - began:.2f} s", "")
            until_booted(ioc)
            assert ioc.get("M12:C15:TRIGGER_THRESHOLD_RBV") > 0
            _row("start until the settings are known", f"{time.perf_counter() - began:.2f} s", "")
            _row("process variables", f"{ioc.get('IOC:RECORD_CNT'):.0f}", "")
            ioc.put("M05:C03:TRIGGER_THRESHOLD", 99)
            took: list[float] = []
            for i in range(PUTS):
                began = time.perf_counter()
                ioc.put("M05:C03:TRIGGER_THRESHOLD", 100 + i)
                assert ioc.get("M05:C03:TRIGGER_THRESHOLD_RBV") == 100 + i
                took.append(time.perf_counter() - began)
            typical, worst = statistics.median(took), sorted(took)[-2]
            _row("put to its readback, median", f"{1e3 * typical:.1f} ms", "50 ms")
            _row(f"put to its readback, second worst of {PUTS}", f"{1e3 * worst:.1f} ms", "")
            ioc.put("CopyFrom", "M05:C03")
            for name, value in (("CFDDelay", 0.3), ("TAU", 3.3), ("TRACE_LENGTH", 3), ("QDCLen0", 1.2)):
                ioc.put(f"M05:C03:{name}", value)
            copied = timed(lambda: ioc.put("CopyTRIGGER_THRESHOLD", 1))
            assert ioc.get("M12:C15:TRIGGER_THRESHOLD_RBV") == 99 + PUTS
            _row("copy of one setting to 207 channels", f"{copied:.2f} s", "2 s")
            _row("copy of all settings to 207 channels", f"{timed(lambda: ioc.put('CopyAllSettings', 1)):.2f} s", "2 s")
            assert ioc.get("M12:C15:QDCLen0_RBV") == 1.2
            ioc.put("SettingsFile", str(simulation.folder / "saved.json"))
            _row("file saved", f"{timed(lambda: ioc.put('SaveSettings', 1)):.2f} s", "")
            for name in ("TAU", "TRIGGER_THRESHOLD", "QDCLen0"):
                ioc.put(f"M05:C03:{name}", 7)
                ioc.put(f"Copy{name}", 1)
            _row("file loaded", f"{timed(lambda: ioc.put('LoadSettings', 1)):.2f} s", "5 s")
            assert ioc.get("M12:C15:QDCLen0_RBV") == 1.2
            before = [sum(process.cpu_times()[:2]) for process in ioc.processes()]
            time.sleep(IDLE)
            after = [sum(process.cpu_times()[:2]) for process in ioc.processes()]
            _row("processor time of the IOC, idle", f"{100 * (after[0] - before[0]) / IDLE:.2f} %", "2 %")
            _row("with its tasks", f"{100 * (sum(after) - sum(before)) / IDLE:.2f} %", "")


if __name__ == "__main__":
    main()
