"""Owns the crate of a process: opened once, booted in a thread of its own, and what is known of it at any time.

XIA's library opens a crate once per process, and a boot may take minutes: so the process of the task that has the crate
stays responsive meanwhile. While a boot is in progress nobody else may use the crate, see `crate`.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pixieioc.hardware.boot_record import BootRecord
from pixieioc.hardware.crate import Crate, Firmware, ModuleInfo, Progress, nobody
from pixieioc.hardware.error import HardwareError
from pixieioc.hardware.setting_files import check_for_boot

#: Lines of the SDK's log that are kept.
_LINES = 20


class BootState(Enum):
    """How far the modules are."""

    OFFLINE = "Offline"
    BOOTING = "Booting"
    BOOTED = "Booted"
    FAILED = "Failed"


@dataclass(frozen=True)
class BootPlan:
    """What a boot needs beside the crate: slots, sets of firmware, and a file of settings if there is one.

    `offline`: the modules are those that the SDK simulates.
    """

    slots: tuple[int, ...]
    firmware: Sequence[Firmware]
    settings: Path | None = None
    offline: bool = False


#: Makes the crate (unless there is one: then that is passed), and the plan of its boot; it may take long.
Prepare = Callable[[Crate | None], tuple[Crate, BootPlan]]
#: Does with the modules, once they have booted, what belongs to a boot, such as reading their settings.
Settle = Callable[[Crate], None]


class CrateOwner:
    """The crate of this process, and its boot; `on_progress` is called in the thread that boots.

    What it has booted is noted in `folder`, for the next process: see `boot`.
    """

    def __init__(self, on_progress: Progress | None = None, folder: Path | None = None) -> None:
        self._folder, self._record = folder, BootRecord(None, ())
        self._on_progress = on_progress or nobody
        self._crate: Crate | None = None
        self._opened: tuple[int, ...] = ()
        self._loaded: Sequence[Firmware] = ()
        self._thread: threading.Thread | None = None
        self.state = BootState.OFFLINE
        self.error: BaseException | None = None  #: why the last boot has failed
        self.done, self.total = 0, 0  #: modules that have booted, and all
        self.boots = 0  #: how many boots have succeeded: whoever reads settings compares it
        self.doubts: Sequence[str] = ()  #: what in the file of settings of the last boot is not of these modules
        self.log: deque[str] = deque(maxlen=_LINES)  #: the last lines of the SDK's log

    # -- what others may ask ------------------------------------------------------------------------------------------

    @property
    def crate(self) -> Crate:
        """The crate, booted; HardwareError that says why it cannot be used."""
        state = self.state
        if self._crate is None or state is not BootState.BOOTED:
            raise HardwareError("crate", 0, self.problem_in(state))
        return self._crate

    @property
    def modules(self) -> tuple[ModuleInfo, ...]:
        """The modules that have booted; empty unless all have."""
        return self._crate.modules if self._crate is not None and self.state is BootState.BOOTED else ()

    @property
    def version(self) -> str:
        """The SDK's version, as far as it is known."""
        return self._crate.version if self._crate is not None and self.state is not BootState.BOOTING else ""

    @property
    def problem(self) -> str:
        """Why the crate cannot be used, in a sentence; empty if it can."""
        return self.problem_in(self.state)

    def problem_in(self, state: BootState) -> str:
        """The same, for a state that was looked at before: a boot may end at any time."""
        match state:
            case BootState.OFFLINE:
                return "the crate is not booted: write 1 to Boot"
            case BootState.BOOTING:
                if not self.total:
                    return "the crate is being opened"
                return f"the crate is booting: {self.done} of {self.total} modules"
            case BootState.FAILED:
                return f"the boot of the crate has failed: {self.error}; write 1 to Boot once that is mended"
            case BootState.BOOTED:
                return ""

    @property
    def booting(self) -> bool:
        """Whether a boot is in progress."""
        return self.state is BootState.BOOTING

    # -- what it does -------------------------------------------------------------------------------------------------

    def boot(self, prepare: Prepare, settle: Settle | None = None, *, fast: bool = False) -> None:
        """Begins a boot, unless one is in progress; with `fast`, modules that are booted only load their settings.

        That can also be an earlier process's boot, with the same firmware, if nothing has gone wrong since. The modules
        have booted when `settle` has returned; what it raises makes the boot fail.
        """
        if self.booting:
            return
        # A thread that hangs in the library must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, args=(prepare, settle, fast), name="boot", daemon=True)
        self.done = self.total = 0
        self._was_booted = self.state is BootState.BOOTED
        self.state, self.error = BootState.BOOTING, None
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Waits for the end of a boot; True if none is in progress."""
        if self._thread is not None and self.booting:
            self._thread.join(seconds)
        return not self.booting

    def begin_run(self) -> None:
        """A run begins: whoever has the crate after it was cut off has to boot."""
        self._record.forget()

    def end_run(self) -> None:
        """The run has ended well: the modules are as they were booted."""
        if self._crate is not None:
            self._record.note(self._crate.modules, self._loaded)

    def note_log(self) -> None:
        """Takes over what the SDK has logged since; without effect while another thread uses the crate."""
        if self._crate is not None and not self.booting:
            self.log.extend(self._crate.log())

    def close(self) -> None:
        """Gives up the modules, unless a boot is in progress: then the end of the process does."""
        if self._crate is None or self.booting:
            return
        # After a boot that has failed, modules may be offline, which the library refuses to shut down.
        with contextlib.suppress(*((HardwareError,) if self.state is BootState.FAILED else ())):
            self._crate.close()
        self.state = BootState.OFFLINE

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self, prepare: Prepare, settle: Settle | None, fast: bool) -> None:
        try:
            crate = self._boot(prepare, fast)
            if settle is not None:
                settle(crate)
            self._record.note(crate.modules, self._loaded)
        except BaseException as error:  # whatever a library raises, also sys.exit(): who asked for the boot is told
            self.error = error
            self.log.extend(error.log if isinstance(error, HardwareError) else ())
            self.state = BootState.FAILED
        else:
            self.boots += 1
            self.state = BootState.BOOTED

    def _boot(self, prepare: Prepare, fast: bool) -> Crate:
        crate, plan = prepare(self._crate)
        if self._crate is None:
            crate.open(plan.slots, offline=plan.offline)
            self._crate, self._opened = crate, plan.slots
            self._record = BootRecord(self._folder, plan.slots)
        if plan.slots != self._opened:
            raise HardwareError(
                "open", -100, f"this process has opened slots {list(self._opened)}, for {list(plan.slots)} it needs to "
                "be a new one",
            )  # fmt: skip
        self.total = len(crate.modules)
        self.doubts = [] if plan.settings is None else check_for_boot(plan.settings, crate.modules)
        known = self._record.holds(crate.modules, plan.firmware)
        self._record.forget()
        if fast and self._was_booted and list(plan.firmware) == list(self._loaded):
            if plan.settings is not None:
                crate.load_settings(plan.settings)
            self._show_progress(self.total, self.total)
        elif fast and known and self._resume(crate, plan):
            self._show_progress(self.total, self.total)
        else:
            crate.boot(plan.firmware, plan.settings, self._show_progress)
        self._loaded = tuple(plan.firmware)
        return crate

    def _resume(self, crate: Crate, plan: BootPlan) -> bool:
        """Whether the modules can be used as an earlier process has booted them; what is against it is logged."""
        try:
            return crate.resume(plan.firmware, plan.settings)
        except HardwareError as error:
            self.log.append(f"the modules boot again: {error}")
            return False

    def _show_progress(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        self._on_progress(done, total)
