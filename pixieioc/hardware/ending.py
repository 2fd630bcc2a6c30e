"""The end of a run in all modules: also in those behind one that fails, but not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

from pixieioc.hardware.error import HardwareError

#: How long modules may fail to end before the others are not told any more, in seconds. XIA's library waits 1 s for
#: each: a full crate of them would take longer than a Stop may, and who ends the process then knows no reason.
LONGEST = 4.0


def end_all(modules: int, end: Callable[[int], object], clock: Callable[[], float] = time.monotonic) -> None:
    """Tells each module to end its run; HardwareError of the first that fails, which names the others."""
    errors: list[HardwareError] = []
    latest = clock() + LONGEST
    for module in range(modules):
        if errors and clock() >= latest:
            raise _of_all(errors, list(range(module, modules)))
        try:
            end(module)
        except HardwareError as error:
            errors.append(error)
    if errors:
        raise _of_all(errors, [])


def _of_all(errors: list[HardwareError], untold: list[int]) -> HardwareError:
    first, *others = errors
    also = [f"also module {error.module}: {error.text} ({error.code})" for error in others]
    rest = [f"not told to end any more: module {', '.join(map(str, untold))}"] if untold else []
    log = tuple(line for error in errors for line in error.log)
    return HardwareError(
        first.call, first.code, first.text, module=first.module, log=log, more="; ".join(also + rest)
    )  # fmt: skip
