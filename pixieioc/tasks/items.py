"""What flows through a chain: blocks of list-mode words, then blocks of events; and where a run begins in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NotRequired, TypedDict, TypeGuard

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.events import Events
from pixieioc.pipeline import Error

#: The kinds of items, as tasks name what they take and give.
WORDS, EVENTS = "list-mode words", "events"
#: What was read from each module at about the same time, uint32 words. A module without words was read and had nothing;
#: one that is not in the block was not read.
WordBlock = dict[int, NDArray[np.uint32]]


class Beginning(TypedDict):
    """A run begins: all data before belong to other runs and are complete, all counters have begun a new period."""

    modules: list[int]  #: those that have data in it: each is waited for, until it was read and had nothing
    run_id: int | None  #: its number, if that is known
    start_time: float | None  #: the Unix time at which it began, if that is known
    end_time: NotRequired[float | None]  #: the Unix time at which it ended, if that is known
    #: ADC rate (MHz) and firmware revision of modules that have said so themselves.
    layouts: NotRequired[dict[int, list[int]]]
    #: The Unix time at which the modules' clocks were at 0; None if that was before anybody noted it.
    clock_zero: NotRequired[float | None]
    recorded: bool  #: read from files, as fast as can be: the time at which data come means nothing
    #: The settings of all modules in XIA's JSON, as a file that LoadSettings takes.
    settings: NotRequired[str]
    counts_follow: NotRequired[bool]  #: the source tells at the end what its modules have counted


class ModuleCounts(TypedDict):
    """What a module has counted in a run, by channel where there are several values, and what of it did not arrive."""

    real_time: float  #: s
    live_times: list[float]  #: s
    input_counts: list[int]
    output_counts: list[int]
    lost: int  #: hits
    overflows: int  #: how often the module's FIFO was seen full


class Ending(TypedDict):
    """A run has ended: what its modules have counted, or why that is not known."""

    counts: dict[int, ModuleCounts]  #: by module
    unknown: str  #: why there are none; empty: they are known


class RunBegins(TypedDict):
    """What a source sends between blocks of words where a run begins, if it knows; sources of live data need not."""

    begins: Beginning


class RunEnds(TypedDict):
    """What a source sends behind all data of a run, if its modules count."""

    ends: Ending


class EventBlock(TypedDict):
    """Events as columns, and how many words were read from each module for them."""

    events: Events
    words_read: dict[int, int]
    #: Modules that were read and had nothing, and of which nothing is held back: all that there was is here.
    quiet: list[int]
    #: A run begins with this block.
    begins: NotRequired[Beginning]
    #: All data before and with this block are the whole run.
    ends: NotRequired[Ending]


class Silence:
    """Hands on what a live source has read, and that it had nothing: twice, as then nothing waits for more.

    The first time, the last record is known to be complete; the second time, that nothing came while it was read.
    """

    _ENOUGH = 2

    def __init__(self) -> None:
        self._empty = self._ENOUGH

    @property
    def complete(self) -> bool:
        """Whether it was said often enough that there is nothing."""
        return self._empty >= self._ENOUGH

    def send(self, block: WordBlock, send: Callable[[WordBlock], None]) -> None:
        """Sends the block, unless it says nothing new."""
        if any(len(words) for words in block.values()):
            self._empty = 0
        elif self._empty < self._ENOUGH and block:
            self._empty += 1
        else:
            return
        send(block)


def is_words(datum: Any) -> TypeGuard[WordBlock]:
    """True for a block of list-mode words."""
    return isinstance(datum, dict) and all(isinstance(key, int) for key in datum)


def is_events(datum: Any) -> TypeGuard[EventBlock]:
    """True for a block of events."""
    return isinstance(datum, dict) and "events" in datum and "words_read" in datum


def run_begins(datum: Any) -> TypeGuard[RunBegins]:
    """True for what stands between blocks of words where a run begins."""
    return isinstance(datum, dict) and datum.keys() == {"begins"}


def run_ends(datum: Any) -> TypeGuard[RunEnds]:
    """True for what stands behind the last block of words of a run."""
    return isinstance(datum, dict) and datum.keys() == {"ends"}


def words_of(datum: Any, task: str) -> WordBlock:
    """`datum` as a block of words; Error that says what `task` needs if it is something else."""
    if not is_words(datum):
        raise Error(
            f"{task} needs list-mode words (from LoadFiles, DummyData, TakeData or GatherData), not {_kind(datum)}"
        )
    return datum


def events_of(datum: Any, task: str) -> EventBlock:
    """`datum` as a block of events; Error that says what `task` needs if it is something else."""
    if not is_events(datum):
        raise Error(f"{task} needs events (put ConvertToEvents before it), not {_kind(datum)}")
    return datum


def _kind(datum: Any) -> str:
    if is_words(datum) or run_begins(datum):
        return "list-mode words"
    return "events" if is_events(datum) else f"a {type(datum).__name__}"
