"""The part of the campaign that is about signals to the IOC, in each state of a run."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

import psutil

from pixieioc.drill.table import Seen
from tests.ca_client import ECA_DISCONN, PutFailed
from tests.running_ioc import Ioc
from tests.system.held import Held, lives
from tests.system.readers import Readers, begin_again, being_read
from tests.system.rounds import BOUND, Campaign, acquire, answered, expect, next_run, remove_checked, running_ioc
from tests.system.run_files import RunFiles


@dataclass(frozen=True)
class _Found:
    """What is known of runs."""

    run: int
    reason: str


def _known(ioc: Ioc) -> _Found:
    return _Found(int(ioc.get("RunId_RBV")), str(ioc.get("RunEndReason_RBV")))


def _idle(ioc: Ioc) -> list[Future[None]]:
    ioc.until("DetectorState_RBV", "Idle", 20)
    return []


def _starting(ioc: Ioc) -> list[Future[None]]:
    before = ioc.get("RunId_RBV")
    puts = [ioc.put_later("Acquire", 1, 120)]
    ioc.until("RunId_RBV", lambda run: run > before, 20)
    return puts


def _acquiring(ioc: Ioc) -> list[Future[None]]:
    return [acquire(ioc)]


def _ending(ioc: Ioc) -> list[Future[None]]:
    return [*_acquiring(ioc), ioc.put_later("Stop", 1, 120)]


#: How a run gets there (the puts that are pending then), and how long it stays there at least, in seconds.
STATES: dict[str, tuple[Callable[[Ioc], list[Future[None]]], float]] = {
    "idle": (_idle, 0.5), "starting": (_starting, 0.05), "acquiring": (_acquiring, 0.5), "ending": (_ending, 0.05),
}  # fmt: skip
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)


def _goes_on(ioc: Ioc, puts: list[Future[None]], seen: Seen) -> None:
    """SIGHUP is no reason to end anything."""
    began = time.monotonic()
    expect(ioc.get("IOC:ERROR") == "OK", "SIGHUP is an error")
    seen.told.append(time.monotonic() - began)
    for put in (*puts, ioc.put_later("Stop", 1, 60)):
        expect(answered(put) is None, f"a put was answered with {put.exception()!r}")
    seen.answered.append(time.monotonic() - began)
    ioc.until("DetectorState_RBV", "Idle", 1)


def _ends(ioc: Ioc, number: signal.Signals, puts: list[Future[None]], below: list[psutil.Process], seen: Seen) -> None:
    """The IOC ends in time with all that belongs to it; who waits for an answer is told at once if there is none."""
    began = time.monotonic()
    for put in puts:
        error = answered(put)
        known = error is None or (isinstance(error, PutFailed) and error.code == ECA_DISCONN)
        expect(known, f"a put was answered with {error!r}")
    if puts:
        seen.told.append(time.monotonic() - began)
    code = ioc.process.wait(max(0.1, BOUND - (time.monotonic() - began)))
    expect(code == (-number if number == signal.SIGKILL else 0), f"it ended with {code}")
    while alive := [process for process in below if lives(process)]:
        expect(time.monotonic() - began < BOUND, f"still there: {[process.pid for process in alive]}")
        time.sleep(0.05)
    seen.answered.append(time.monotonic() - began)
    ioc.log.close()


def _is_told(ioc: Ioc, number: signal.Signals, state: str, before: _Found) -> None:
    """The next IOC knows the last run, and whether it was lost."""
    now, killed = _known(ioc), number == signal.SIGKILL
    # A number that a run may have been given, of which nothing was written yet, is taken for used after SIGKILL.
    expect(before.run <= now.run <= before.run + killed, f"RunId_RBV is {now.run}, it was {before.run}")
    told = now.reason == "IOC restart"
    cut_off = killed and state in ("starting", "acquiring")
    expect(told == cut_off or (killed and state == "ending"), f"RunEndReason_RBV is {now.reason!r}")
    expect(ioc.get("IOC:ERROR") == "OK", f"IOC:ERROR: {ioc.get('IOC:ErrorMessage_RBV')}")


#: What raw files say of their end, if the IOC was ended while data were taken.
_ENDS = {signal.SIGTERM: {"run ended"}, signal.SIGINT: {"run ended"}, signal.SIGKILL: {"IOC lost"}}


def _signal(number: signal.Signals, state: str, pause: float, ioc: Ioc, readers: Readers, seen: Seen) -> None:
    """Sends a signal to the IOC in a state; it ends in time with all that belongs to it, or goes on."""
    ioc.put("PresetMode", "No preset")
    held, files, below = Held(ioc), RunFiles(ioc), ioc.processes()[1:]
    reach, stays = STATES[state]
    puts = reach(ioc)
    before = _known(ioc)
    time.sleep(stays * pause)  # the random moment
    if number == signal.SIGHUP:
        ioc.process.send_signal(number)
        _goes_on(ioc, puts, seen)
    else:
        readers.away()
        ioc.process.send_signal(number)
        _ends(ioc, number, puts, below, seen)
        begin_again(ioc, readers)
        _is_told(ioc, number, state, before)
    files.right(recorded=number == signal.SIGHUP, counted=number == signal.SIGHUP)
    expect(not files.unfinished(), "a raw file was cut off")
    if state == "acquiring" and number in _ENDS:
        expect(files.ends() == _ENDS[number], f"raw files ended by {files.ends()}")
    next_run(ioc)
    held.check(same_ioc=number == signal.SIGHUP)


def _revived(do: Callable[[Seen], None], ioc: Ioc, readers: Readers) -> Callable[[Seen], None]:
    """After a round that went wrong the IOC is there for the next one."""

    def round_(seen: Seen) -> None:
        try:
            do(seen)
        except BaseException:
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in ioc.processes():
                    process.kill()
            ioc.process.wait(20)
            ioc.log.close()
            begin_again(ioc, readers)
            raise

    return round_


def of_signals(campaign: Campaign) -> None:
    """Each signal in each state, to one IOC that is started again and again, with clients that find it again."""
    names = {f"{number.name} of the IOC, {state}": (number, state) for number in SIGNALS for state in STATES}
    if not any(campaign.only in name for name in names):
        return
    with running_ioc() as ioc, being_read(campaign, ioc, shared=True) as readers:
        for name, given in names.items():
            for _ in campaign.rounds(name):
                do: Any = partial(_signal, *given, campaign.choice.random(), ioc, readers)
                campaign.note(name, _revived(do, ioc, readers))
                remove_checked(ioc)
