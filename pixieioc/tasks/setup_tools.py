"""Tools with which a detector is set up, as commands: ADC traces, baselines, decay times, baseline cuts and offsets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pixieioc.hardware.crate_settings import CrateSettings
from pixieioc.pipeline import Error, Parameter, Report
from pixieioc.tasks.setup_modules import SetupModules, Tool

#: What stands for all modules, or all channels.
_ALL = -1
_NAMED = {"all": _ALL}


def _command(doc: str) -> Parameter[bool]:
    return Parameter(False, command=True, access="EX", shared=True, section="modules", device=True, doc=doc)


def _arrays(dtype: type, length: str, unit: str, pv: str, doc: str) -> Report[Any]:
    return Report(
        np.zeros((0, 0, 0), dtype), per="channel", length=length, large=True, unit=unit, pv=f"{pv}_RBV", doc=doc
    )


class SetupTools(SetupModules):
    """The tools work on the modules and channels that SetupModule and SetupChannel name, and never during a run."""

    if TYPE_CHECKING:

        def send_starting(self, what: str) -> None: ...
        def send_heart_beat(self) -> None: ...
        def flush_report(self) -> None: ...

    scope_samples = Parameter(
        8192, unit="samples", low=1, high=8192, fixed=True, doc="Samples of an ADC trace that are shown."
    )
    baselines_shown = Parameter(3640, low=1, high=3640, fixed=True, doc="Baselines of a channel that are shown.")
    setup_module = Parameter(
        _ALL, low=_ALL, high=12, below="modules", unset=_ALL, named=_NAMED, live=True, shared=True, section="modules",
        doc="The module that set-up tools work on; -1: all.",
    )  # fmt: skip
    setup_channel = Parameter(
        _ALL, low=_ALL, high=31, below="channels", unset=_ALL, named=_NAMED, live=True, shared=True, section="modules",
        doc="The channel of SetupModule that set-up tools work on; -1: all.",
    )  # fmt: skip
    acquire_traces = _command("Has the ADCs sampled: AdcTrace and AdcTraceTime of each channel.")
    acquire_baselines = _command("Has baselines taken: Baselines and BaselineTimes of each channel.")
    find_tau = _command("Measures the decay times of pulses: FoundTau of each channel; TAU stays as it is.")
    apply_tau = _command("Writes the decay times that FindTau has found into TAU.")
    find_baseline_cut = _command("Determines BLCUT of each channel again.")
    adjust_offsets = _command("Moves the baselines of the good channels of SetupModule: replaces their VOFFSET.")

    adc_trace = _arrays(np.int32, "scope_samples", "ADC", "AdcTrace", "What the ADC sampled at the last AcquireTraces.")
    adc_trace_time = _arrays(np.float64, "scope_samples", "us", "AdcTraceTime", "Time of each sample, in steps of XDT.")
    baselines = _arrays(
        np.float64, "baselines_shown", "ADC", "Baselines", "Baselines that the last AcquireBaselines took."
    )
    baseline_times = _arrays(np.float64, "baselines_shown", "s", "BaselineTimes", "When each baseline was taken.")
    found_tau = Report(
        np.zeros((0, 0)), per="channel", unit="us", pv="FoundTau_RBV",
        doc="Decay time that the last FindTau found; NaN where it found none.",
    )  # fmt: skip

    setup_progress = Report(
        "", of_process=True, shared=True, section="modules", pv="SetupProgress_RBV",
        doc="What a set-up tool is doing; empty: nothing.",
    )  # fmt: skip

    def begin_tools(self) -> None:
        """Nothing has been measured yet."""
        self._taus = np.full((self.modules, self.channels), np.nan)
        self.found_tau = self._taus.copy()

    def tools(self) -> dict[str, Tool]:
        return {
            "acquire_traces": self._acquire_traces,
            "acquire_baselines": self._acquire_baselines,
            "find_tau": self._find_tau,
            "apply_tau": self._apply_tau,
            "find_baseline_cut": self._find_baseline_cut,
            "adjust_offsets": self._adjust_offsets,
        }

    def use_tool(self, tool: Tool, settings: CrateSettings) -> None:
        try:
            super().use_tool(tool, settings)
        finally:
            self.setup_progress = ""

    def _chosen(self, settings: CrateSettings) -> list[tuple[int, list[int]]]:
        """The modules and channels that the tools work on; Error if there is no such channel."""
        modules = range(settings.modules) if self.setup_module == _ALL else (self.setup_module,)
        wanted = self.setup_channel
        found = [(m, [c for c in settings.channels_of(m) if wanted in (_ALL, c)]) for m in modules]
        if not any(channels for _, channels in found):
            raise Error(f"SetupChannel = {wanted}: module {self.setup_module} has no such channel")
        return [(module, channels) for module, channels in found if channels]

    def _modules_in_turn(self, what: str, settings: CrateSettings) -> Iterator[tuple[int, list[int]]]:
        """The same, one after the other: each is announced, and what was measured of those before it leaves."""
        for module, channels in self._chosen(settings):
            self._announce(f"{what} of module {module}")
            yield module, channels

    def _announce(self, what: str) -> None:
        """Shows what takes long from now on: it is no hang."""
        self.send_starting(what)
        self.setup_progress = what
        self.flush_report()

    def _acquire_traces(self, settings: CrateSettings) -> None:
        for module, channels in self._modules_in_turn("ADC traces", settings):
            rows = self.owner.crate.adc_traces(module)[:, : self.scope_samples]
            steps = {(module, channel): settings.value(("XDT", (module, channel))) for channel in channels}
            self.adc_trace = {(module, channel): rows[channel].astype(np.int32) for channel in channels}
            self.adc_trace_time = {place: step * np.arange(rows.shape[1]) for place, step in steps.items()}

    def _acquire_baselines(self, settings: CrateSettings) -> None:
        for module, channels in self._modules_in_turn("baselines", settings):
            values, times = (each[:, : self.baselines_shown] for each in self.owner.crate.baselines(module))
            self.baselines = {(module, channel): values[channel] for channel in channels}
            self.baseline_times = {(module, channel): times[channel] for channel in channels}

    def _find_tau(self, settings: CrateSettings) -> None:
        for module, channels in self._modules_in_turn("decay times", settings):
            self._taus[module, channels] = self.owner.crate.decay_times(module)[channels]
            self.found_tau = self._taus.copy()

    def _apply_tau(self, settings: CrateSettings) -> None:
        places = [(module, channel) for module, channels in self._chosen(settings) for channel in channels]
        found = {place: float(self._taus[place]) for place in places if np.isfinite(self._taus[place])}
        if not found:
            raise Error(
                "FindTau has found no decay time of SetupModule and SetupChannel that could be written into TAU"
            )
        self._announce("writing TAU")
        settings.apply({("TAU", place): tau for place, tau in found.items()})

    def _find_baseline_cut(self, settings: CrateSettings) -> None:
        for module, channels in self._chosen(settings):
            for channel in channels:
                self._announce(f"baseline cut of module {module}, channel {channel}")
                self.owner.crate.find_baseline_cut(module, channel)
            settings.read((module, channel) for channel in channels)

    def _adjust_offsets(self, settings: CrateSettings) -> None:
        for module, _ in self._modules_in_turn("offsets", settings):
            self.owner.crate.adjust_offsets(module)
            settings.read((module, channel) for channel in settings.channels_of(module))
