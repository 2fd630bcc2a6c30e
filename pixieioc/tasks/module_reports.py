"""What a source reports of each module: what it is, how it does in the run, and its scalers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pixieioc.hardware import ModuleInfo, Statistics
from pixieioc.pipeline import Report

#: Revisions of modules; the first one stands for any other.
_REVISIONS = ("Unknown", "B", "C", "D", "F", "H")
_NOBODY_READ = "Nobody has read the module in time: see which task is slow, FifoLevel and the links' QueueUse."


def _whole() -> Any:
    return np.zeros(0, np.int32)


class ModuleReports:
    """The reports; parameters of the task are `modules` and `channels`."""

    module_slot = Report(_whole(), per="module", pv="Slot_RBV", doc="Slot of the module.")
    module_revision = Report(
        _whole(), per="module", choices=_REVISIONS, pv="Revision_RBV", doc="Hardware revision of the module."
    )
    module_serial = Report(np.zeros(0), per="module", pv="SerialNumber_RBV", doc="Serial number of the module.")
    module_adc_bits = Report(_whole(), per="module", pv="AdcBits_RBV", doc="Bits of the module's ADCs.")
    module_adc_mhz = Report(
        np.zeros(0), per="module", unit="MHz", precision=0, pv="AdcMsps_RBV", doc="Rate of the module's ADCs."
    )
    module_channels = Report(_whole(), per="module", pv="Channels_RBV", doc="Channels of the module.")
    module_firmware = Report(
        _whole(), per="module", pv="Firmware_RBV", doc="Firmware revision of the module; 0 if its file does not tell."
    )
    module_running = Report(
        _whole(), per="module", choices=("No", "Yes"), pv="Running_RBV", doc="Whether the module takes data."
    )
    module_fifo_level = Report(
        np.zeros(0),
        per="module",
        unit="%",
        precision=0,
        alarm_high=50,
        alarm_hihi=90,
        hysteresis=5,
        pv="FifoLevel_RBV",
        doc="How full the module's buffers were at most since the last report.",
        guidance=f"Events are about to be lost in the module. {_NOBODY_READ}",
    )
    module_overflows = Report(
        np.zeros(0), per="module", pv="Overflows_RBV", doc="How often the module's FIFO was seen full in this run."
    )
    module_lost = Report(
        np.zeros(0),
        per="module",
        alarm_hihi=1,
        pv="Lost_RBV",
        doc="Hits of this run that the module counted and that did not arrive; exact once the run has ended.",
        guidance=f"Data of this run are incomplete. {_NOBODY_READ}",
    )
    hits_lost = Report(
        0,
        alarm_hihi=1,
        shared=True,
        section="crate",
        pv="Lost_RBV",
        doc="Hits of this run that the modules counted and that did not arrive; exact once the run has ended.",
        guidance=f"Data of this run are incomplete: see which module. {_NOBODY_READ}",
    )
    module_real_time = Report(
        np.zeros(0), per="module", unit="s", precision=3, pv="RealTime_RBV", doc="The module's real time of this run."
    )
    input_counts = Report(
        np.zeros((0, 0)), per="module", length="channels", pv="InputCounts_RBV", doc="Triggers of each channel."
    )
    output_counts = Report(
        np.zeros((0, 0)), per="module", length="channels", pv="OutputCounts_RBV", doc="Events of each channel."
    )
    live_times = Report(
        np.zeros((0, 0)),
        per="module",
        length="channels",
        unit="s",
        pv="LiveTimes_RBV",
        doc="Live time by channel.",
    )

    modules: Any  # parameters of the task
    channels: Any

    def show_modules(self, modules: Sequence[ModuleInfo]) -> None:
        """Reports what the modules are."""
        self.module_slot = np.array([info.slot for info in modules], np.int32)
        revisions = [_REVISIONS.index(info.revision) if info.revision in _REVISIONS else 0 for info in modules]
        self.module_revision = np.array(revisions, np.int32)
        self.module_serial = np.array([float(info.serial) for info in modules])
        self.module_adc_bits = np.array([info.adc_bits for info in modules], np.int32)
        self.module_adc_mhz = np.array([float(info.adc_mhz) for info in modules])
        self.module_channels = np.array([info.channels for info in modules], np.int32)
        self.module_firmware = np.array([info.firmware for info in modules], np.int32)

    def show_running(self, running: Sequence[bool]) -> None:
        """Reports which modules take data."""
        self.module_running = np.array(running, np.int32)

    def show_losses(self, lost: Any, overflows: Any) -> None:
        """Reports losses by module."""
        self.module_lost, self.module_overflows, self.hits_lost = lost.copy(), overflows.copy(), int(lost.sum())

    def show_scalers(self, statistics: Sequence[Statistics]) -> None:
        """Reports what the modules have counted in this run."""
        self.module_real_time = np.array([each.real_time for each in statistics])
        rows = np.full((3, self.modules, self.channels), np.nan)
        for module, each in enumerate(statistics):
            count = min(self.channels, len(each.live_times))
            rows[:, module, :count] = [of[:count] for of in (each.input_counts, each.output_counts, each.live_times)]
        self.input_counts, self.output_counts, self.live_times = rows
