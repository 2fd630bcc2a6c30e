"""With which code the program ends, so that a service manager knows whether to start it again."""

from __future__ import annotations

import atexit
import contextlib
import enum
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

import typer

from pixieioc.cli_options import reason

_NO_THREAD = "can't start new thread"
_NO_MEMORY = (
    "the system gives no more memory (see ulimit -v, or MemoryMax= of systemd; pixieioc doctor has the figures)"
)
#: How long the log may take, whose file may be on a disk that is silent, and the end of libraries; in seconds.
_AT_EXIT = 0.5


class ExitCode(enum.IntEnum):
    """Those of `run` and `demo`, by the numbers of sysexits.h; other commands end with DONE, FAILED or USAGE."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CANNOT_SERVE = os.EX_UNAVAILABLE
    FAULT = os.EX_SOFTWARE
    BAD_STATE = os.EX_CANTCREAT
    UNWRITTEN = os.EX_IOERR
    STATE_IN_USE = os.EX_TEMPFAIL
    BAD_CONFIG = os.EX_CONFIG


#: What each of them means, for people.
MEANINGS = {
    ExitCode.DONE: "ended as requested",
    ExitCode.FAILED: "it cannot be done for another reason, which is printed",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.CANNOT_SERVE: "clients cannot be served: an address is not there, or an EPICS_CAS_ variable is wrong",
    ExitCode.FAULT: "a fault of the IOC itself, or it ended without having closed everything",
    ExitCode.BAD_STATE: "the state folder cannot be read or written",
    ExitCode.UNWRITTEN: "ended as requested, but a disk has not taken all that was to be written, which is printed",
    ExitCode.STATE_IN_USE: "another IOC uses the state folder",
    ExitCode.BAD_CONFIG: "the configuration, or a file that it names, is wrong",
}


def end_now(code: ExitCode, left: Callable[[], Sequence[str]] = tuple[str, ...]) -> NoReturn:
    """Ends the program as its usual end does, but takes no modules apart: on a busy computer that lasts a second.

    It waits for no disk that does not answer. `left` gives what is not written at last; then the code is UNWRITTEN.
    """
    from pixieioc.ioc.last_resort import exit_now, within

    within(_AT_EXIT, _flush)
    unwritten = left()
    within(_AT_EXIT, atexit._run_exitfuncs)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    exit_now(ExitCode.UNWRITTEN if unwritten else code, unwritten)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, *logging.getLogger().handlers):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()


@contextlib.contextmanager
def exit_codes() -> Iterator[None]:
    """What fails in here is said on stderr and ends the program with the code for it."""
    from pixieioc.pipeline import Error

    try:
        yield
    except (typer.Exit, typer.BadParameter):
        raise
    except Exception as error:
        if isinstance(error, (Error, OSError)) or _is_limit(error):
            typer.echo(said(error), err=True)
        else:
            traceback.print_exception(error)
        raise typer.Exit(code_of(error)) from None


def code_of(error: Exception) -> ExitCode:
    """The code for what has failed."""
    from pixieioc.config import ConfigError
    from pixieioc.ioc.ca.environment import CannotServe
    from pixieioc.ioc.state import BadState, StateInUse
    from pixieioc.pipeline import Error

    match error:
        case ConfigError():
            return ExitCode.BAD_CONFIG
        case StateInUse():
            return ExitCode.STATE_IN_USE
        case BadState():
            return ExitCode.BAD_STATE
        case CannotServe():
            return ExitCode.CANNOT_SERVE
        case Error() | OSError():
            return ExitCode.FAILED
        case _ if _is_limit(error):
            return ExitCode.FAILED
        case _:
            return ExitCode.FAULT


def _is_limit(error: Exception) -> bool:
    """Whether the system has refused memory, or a thread, of which Python says it in words alone."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and str(error) == _NO_THREAD)


def said(error: Exception) -> str:
    """An error as lines of the program, one for each problem."""
    from pixieioc.pipeline import Refused

    if _is_limit(error):
        from pixieioc.pipeline.limits import no_thread

        return f"pixieioc: {no_thread() if isinstance(error, RuntimeError) else _NO_MEMORY}"
    problems = error.problems if isinstance(error, Refused) else [reason(error)]
    return "\n".join(f"pixieioc: {problem}" for problem in problems)
