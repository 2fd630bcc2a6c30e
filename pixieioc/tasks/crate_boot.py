"""The crate of a task's process: which one, how it boots, and what is shown of that."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixieioc.account import state_home
from pixieioc.hardware import BootPlan, BootState, Crate, CrateOwner, HardwareError, ModuleInfo
from pixieioc.hardware.crate_file import read_crate_file
from pixieioc.listmode.variant import SLOT_FIRST, SLOT_LAST
from pixieioc.pipeline import Error, Parameter, Report
from pixieioc.tasks.crate import CrateFacts, per_module
from pixieioc.tasks.not_ready import NotReady

_STATES = tuple(state.value for state in BootState)
#: How often a start that waits for a boot looks whether it is to end, in seconds.
_LOOK = 0.2


class CrateBoot(NotReady):
    """What a task declares that owns a crate, and how it has the crate boot.

    The boot is a thread's, so that the task answers meanwhile: `owner` knows how far it is. Only while no boot is in
    progress may the task use `owner.crate`.
    """

    modules, channels = CrateFacts.modules, CrateFacts.channels
    adc_mhz, firmware_revision = CrateFacts.adc_mhz, CrateFacts.firmware_revision

    implementation = Parameter(
        "pypixie16",
        choices=("pypixie16", "sdk", "simulated"),
        new_process=True,
        doc="How the crate is reached: through pypixie16, through XIA's library alone, or simulated in the task.",
    )
    crate_file = Parameter(
        "",
        path=True,
        must_exist=True,
        new_process=True,
        doc="TOML file with XIA's library and the firmware of each kind of modules, for the implementation sdk.",
    )
    firmware = Parameter(
        "default", new_process=True, doc="Section [Firmware.<name>] of pypixie16's configuration file."
    )
    slots = Parameter(
        [],
        items=float,
        low=SLOT_FIRST,
        high=SLOT_LAST,
        new_process=True,
        doc="Slots of the modules, module 0 first; an empty list: 2, 3 and so on.",
    )
    settings_file = Parameter(
        "",
        path=True,
        shared=True,
        section="crate",
        doc="File of the modules' settings that a boot loads; empty: the one that goes with the firmware, if any.",
    )
    boot_at_start = Parameter(
        True, shared=True, section="crate", doc="Whether the modules boot as soon as the task's process is there."
    )
    fast_boot = Parameter(
        True,
        shared=True,
        section="crate",
        doc="Whether modules that are booted with this firmware only load their settings.",
    )
    boot = Parameter(
        False, command=True, access="EX", shared=True, section="crate", doc="Boots the modules; done when they have."
    )

    boot_state = Report(
        "Offline",
        choices=_STATES,
        severities=("NO_ALARM", "NO_ALARM", "NO_ALARM", "MAJOR"),
        of_process=True,
        shared=True,
        section="crate",
        pv="BootState_RBV",
        doc="Whether the modules have booted.",
        guidance="Failed: ErrorMessage and SdkLog say which module and why; check its slot, power and firmware files, "
        "then write 1 to Boot.",
    )
    boot_progress = Report(
        0.0,
        unit="%",
        precision=0,
        of_process=True,
        shared=True,
        section="crate",
        pv="BootProgress_RBV",
        doc="How many of the modules have booted.",
    )
    sdk_version = Report(
        "", shared=True, section="crate", pv="SdkVersion_RBV", doc="XIA's library, as far as it is known."
    )
    sdk_log = Report(
        "", shared=True, section="crate", pv="SdkLog_RBV", longest=4096, doc="The last lines of the library's log."
    )

    if TYPE_CHECKING:

        def flush_report(self) -> None: ...

    owner: CrateOwner
    _print: Callable[[str], None]

    @classmethod
    def do_check(cls, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        slots, modules = settings["slots"], settings["modules"]
        if slots and (len(set(slots)) < len(slots) or len(slots) != modules or any(slot % 1 for slot in slots)):
            yield (
                "slots",
                f"must be {modules} different slots, one for each module, or an empty list for {SLOT_FIRST} on",
            )
        if settings["implementation"] == "sdk" and not settings["crate_file"]:
            yield "crate_file", "the implementation sdk needs it"

    def begin_owning(self, print_line: Callable[[str], None]) -> None:
        """The process has started: there is no crate yet; boots it if that is wanted."""
        # At INFO the library writes a line for each look at statistics: a million lines a day.
        os.environ.setdefault("PIXIE16_LOG_LEVEL", "WARNING")
        self._print = print_line
        self.owner = CrateOwner(
            lambda done, total: print_line(f"{done} of {total} modules are booted"), state_home() / "pixieioc"
        )
        if self.boot_at_start:
            self.begin_boot(fast=self.fast_boot)
        self.show_boot()

    def begin_boot(self, *, fast: bool) -> None:
        """Begins a boot, unless one is in progress."""
        self._print(f"booting the modules in slots {list(self.slots_in_use)}")
        self.owner.boot(self._prepare, self.settle_boot, fast=fast)

    def settle_boot(self, crate: Crate) -> None:
        """What belongs to a boot once the modules have booted; in the thread of the boot."""

    def follow_boots(self) -> None:
        """What is to be told after a boot, before anybody is told that the modules have booted."""

    def await_boot(self, stopping: Callable[[], bool], beat: Callable[[], None]) -> bool:
        """Waits until the modules have booted, and boots them if nobody has; False if the run is to end before.

        Raises what has made the boot fail.
        """
        if not self.owner.booting and self.owner.state is not BootState.BOOTED:
            self.begin_boot(fast=self.fast_boot)
        while not self.owner.wait(_LOOK):
            beat()
            if stopping():
                return False
        self.raise_if_failed()
        return True

    def raise_if_failed(self) -> None:
        """Error if the last boot has failed: the process is replaced then, as a boot can only be tried in a new one."""
        if self.owner.error is not None:
            self.show_boot()
            self.flush_report()  # who hears of the error finds the state that goes with it
            raise Error(f"the boot of the crate has failed: {self.owner.error}") from self.owner.error

    def show_boot(self) -> None:
        """Reports how far the boot is."""
        owner = self.owner
        owner.note_log()
        state = owner.state  # it may change meanwhile: all that is reported here is of one state
        if state is not BootState.BOOTING:
            self.follow_boots()
        self.boot_state = state.value
        self.boot_progress = 100.0 * owner.done / owner.total if owner.total else 0.0
        self.not_ready, self.becoming_ready = owner.problem_in(state), state is BootState.BOOTING
        self.sdk_version = owner.version or self.sdk_version
        self.sdk_log = "\n".join(owner.log)[-4000:]

    def file_to_boot_with(self, known: Path | None) -> Path | None:
        """The file of settings for a boot; `known` is the one that goes with the firmware, if there is one."""
        return Path(self.settings_file) if self.settings_file else known

    @property
    def slots_in_use(self) -> tuple[int, ...]:
        """The slots of the modules."""
        return tuple(int(slot) for slot in self.slots) or tuple(range(SLOT_FIRST, SLOT_FIRST + self.modules))

    # -- in the thread of the boot ------------------------------------------------------------------------------------

    def _prepare(self, crate: Crate | None) -> tuple[Crate, BootPlan]:
        """The crate, made with its library, and what it is to be booted with."""
        offline = False
        match self.implementation:
            case "pypixie16":
                from pixieioc.hardware.pypixie16 import Pypixie16Crate

                made = crate if isinstance(crate, Pypixie16Crate) else Pypixie16Crate()
                firmware, known = made.configured_firmware(self.firmware)
            case "sdk":
                from pixieioc.hardware.sdk import SdkCrate

                file = read_crate_file(Path(self.crate_file))
                made = crate or SdkCrate(file.library)
                firmware, known, offline = file.firmware, file.settings, file.offline
            case "simulated":
                from pixieioc.hardware.simulated import SimulatedCrate, warm_up

                warm_up()  # so that the first start need not wait for compiled code
                made, firmware, known = crate or SimulatedCrate(self._simulated_modules()), (), None
            case other:
                raise HardwareError("boot", 0, f"there is no implementation {other}")
        return made, BootPlan(self.slots_in_use, firmware, self.file_to_boot_with(known), offline)

    def _simulated_modules(self) -> Sequence[ModuleInfo]:
        rates, revisions = (
            per_module(values, self.modules, name)
            for values, name in ((self.adc_mhz, "adc_mhz"), (self.firmware_revision, "firmware_revision"))
        )
        letter = "H" if self.channels > 16 else "F"
        return [
            ModuleInfo(slot, letter, 1000 + slot, 14, int(rate), int(revision))
            for slot, rate, revision in zip(self.slots_in_use, rates, revisions, strict=True)
        ]
