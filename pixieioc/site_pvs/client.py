"""The IOC's side of the process that reads a site's process variables: begun again when it ends, never waited for."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from pixieioc.signals import blocked_for_children
from pixieioc.site_pvs.reading import NO_ANSWER, OK, Reading
from pixieioc.site_pvs.tally import Tally
from pixieioc.site_pvs.wire import Answer, Ask, News, Wanted, encode, receive

log = logging.getLogger(__name__)
_GONE = "the process that reads has ended"
#: Seconds without a word after which the process is taken to hang, beyond its period; it needs some to start.
_SILENCE, _STARTING = 5.0, 30.0
#: Seconds until a process that has ended is replaced: at first, and at most.
_AGAIN, _AGAIN_MOST = 1.0, 30.0
#: How long the end of the process is waited for, in seconds.
_END = 0.2


class SiteClient:
    """Knows the last reading of each of `names`; `on_news` is called once a period with what has changed.

    `latest` has a reading for each name at any time: `no answer` before anything else is known.
    """

    def __init__(
        self, names: Sequence[str], period: float, elements: int,
        on_news: Callable[[dict[int, Reading], dict[int, Tally]], None],
    ) -> None:  # fmt: skip
        self.names = tuple(names)
        self.latest = [Reading(NO_ANSWER, why="nothing has been read yet") for _ in names]
        self._wanted = Wanted(list(names), period, elements)
        self._on_news = on_news
        self._process: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._asked: dict[int, _Asked] = {}
        self._heard = 0.0

    def begin(self) -> None:
        """Has the process started."""
        self._running = asyncio.get_running_loop().create_task(self._run())

    async def end(self) -> None:
        """Ends the process."""
        if self._running is not None:
            self._running.cancel()
        process = self._process
        if process is not None and process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _END)
            if process.returncode is None:
                process.kill()

    @property
    def process_id(self) -> int | None:
        """The number of the process, if there is one."""
        return None if self._process is None else self._process.pid

    @property
    def silent(self) -> str:
        """Why nothing that is known is certain just now; empty if the process is there and answers."""
        if self._process is None or self._process.returncode is not None:
            return _GONE
        return "" if time.monotonic() < self._heard + self._limit else "the process that reads does not answer"

    @property
    def _limit(self) -> float:
        return self._wanted.period + _SILENCE

    def ask(
        self, seconds: float, on_answer: Callable[[int, Reading], None], on_asked: Callable[[], None] = lambda: None
    ) -> None:
        """Has all read now; `on_answer` is called for each as it comes, and for one that does not answer in time.

        Before that `on_asked` is called, once all is told that the process had heard when it was asked: what is news
        later came later. If there is no process to be asked, that holds at once.
        """
        number = next(self._numbers)
        process = self._process
        if process is None or process.stdin is None or process.returncode is not None:
            on_asked()
            return
        self._asked[number] = _Asked(on_answer, on_asked)
        process.stdin.write(encode(Ask(number, seconds)))
        asyncio.get_running_loop().call_later(seconds + 1.0, self._asked.pop, number, None)

    async def _run(self) -> None:
        """The process, again and again."""
        wait = _AGAIN
        while True:
            begun = time.monotonic()
            try:
                await self._live()
            except (OSError, EOFError, TimeoutError, msgspec.DecodeError) as error:
                why = str(error) or _how_ended(self._process)
                log.warning("the process that reads the conditions of runs has to be replaced: %s", why)
            self._note_end()
            wait = _AGAIN if time.monotonic() - begun > _AGAIN_MOST else min(2 * wait, _AGAIN_MOST)
            await asyncio.sleep(wait)

    async def _live(self) -> None:
        self._process = None
        with blocked_for_children():
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "pixieioc.site_pvs.reader",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                limit=2**20,
            )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        printing = asyncio.get_running_loop().create_task(_log(process.stderr))
        try:
            process.stdin.write(encode(self._wanted))
            self._heard = time.monotonic() + _STARTING
            patience = _STARTING
            while True:
                content = await asyncio.wait_for(receive(process.stdout), patience)
                self._heard, patience = time.monotonic(), self._limit
                self._take(msgspec.msgpack.decode(content, type=News | Answer))
        except TimeoutError:
            raise TimeoutError("it does not answer") from None
        finally:
            ended = asyncio.get_running_loop().create_task(process.wait())
            await asyncio.wait([ended], timeout=_END)  # one that ends by itself is to say how
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await asyncio.wait([printing, ended], timeout=_END)  # before that its pipes are not closed
            for task in (printing, ended):
                task.cancel()

    def _take(self, message: News | Answer) -> None:
        match message:
            case News(readings, tallies, asked):
                self._tell(readings, tallies)
                if asked in self._asked:
                    self._asked[asked].on_asked()
            case Answer(number, index, reading):
                if number in self._asked:
                    self._asked[number].on_answer(index, reading)

    def _tell(self, readings: dict[int, Reading], tallies: dict[int, Tally]) -> None:
        for index, reading in readings.items():
            self.latest[index] = reading
        self._on_news(readings, tallies)

    def _note_end(self) -> None:
        """What was known is uncertain from now on, and what is asked is not answered."""
        unsure = {index: each.unanswered(_GONE) for index, each in enumerate(self.latest) if each.state == OK}
        self._tell(unsure, {})
        asked, self._asked = self._asked, {}
        for each in asked.values():
            each.on_asked()


class _Asked(NamedTuple):
    """Whom to tell what becomes of an `Ask`."""

    on_answer: Callable[[int, Reading], None]
    on_asked: Callable[[], None]


def _how_ended(process: asyncio.subprocess.Process | None) -> str:
    code = None if process is None else process.returncode
    if code is None:
        return "it has closed its output"
    if code >= 0:
        return f"it ended with exit code {code}"
    return f"it was ended by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"


async def _log(lines: asyncio.StreamReader) -> None:
    """What the process prints is the client library's word on each server that comes and goes, or a traceback."""
    while line := await lines.readline():
        if text := line.decode(errors="replace").rstrip():
            log.info("conditions: %s", text)
