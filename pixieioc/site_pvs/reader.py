"""The process that reads a site's process variables: `python -m pixieioc.site_pvs.reader`, with pipes to its IOC.

It ends when its IOC has: nobody is left who would read what it says.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import time
from typing import Protocol

import msgspec

from pixieioc.signals import leave_to_the_first
from pixieioc.site_pvs.followed import ANSWERS, Followed
from pixieioc.site_pvs.names import parse
from pixieioc.site_pvs.reading import Reading
from pixieioc.site_pvs.tally import Tally
from pixieioc.site_pvs.wire import Answer, Ask, News, Wanted, encode, receive

#: What it is called with lower priority than tasks and server: nothing of a run may wait for it.
_NICE = 5
#: How often it is looked for those that are silent, in seconds.
_LOOK = 1.0


class _Pv(Protocol):
    async def follow(self) -> None: ...

    async def read(self, seconds: float) -> Reading: ...


class Reader:
    """Follows all of them; tells once a period what has changed."""

    def __init__(self, wanted: Wanted, writer: asyncio.StreamWriter) -> None:
        self._wanted, self._writer = wanted, writer
        self._news: dict[int, Reading] = {}
        self._followed = [
            Followed(time.monotonic(), functools.partial(self._news.__setitem__, index))
            for index in range(len(wanted.names))
        ]
        self._pvs = [self._pv(index, name) for index, name in enumerate(wanted.names)]

    def _pv(self, index: int, text: str) -> _Pv:
        def tell(reading: Reading) -> None:
            self._followed[index].tell(reading, time.monotonic())

        protocol, name = parse(text)
        if protocol == "ca":
            from pixieioc.site_pvs.ca import CaPv

            return CaPv(name, self._wanted.elements, tell)
        from p4p.client.asyncio import Context  # pyright: ignore[reportMissingImports]

        from pixieioc.site_pvs.pva import PvaPv

        self._context = getattr(self, "_context", None) or Context("pva", nt=False)
        return PvaPv(self._context, name, self._wanted.elements, tell)

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Until the other side has ended; a fault in one of its jobs comes out of here."""
        async with asyncio.TaskGroup() as jobs:
            for pv, followed in zip(self._pvs, self._followed, strict=True):
                jobs.create_task(pv.follow())
                jobs.create_task(self._look(pv, followed))
            jobs.create_task(self._tell())
            while True:
                ask = msgspec.msgpack.decode(await receive(reader), type=Ask)
                self._write_news(ask.number)
                for index, pv in enumerate(self._pvs):
                    jobs.create_task(self._answer(ask, index, pv))

    async def _answer(self, ask: Ask, index: int, pv: _Pv) -> None:
        answer = self._followed[index].answer(await pv.read(ask.seconds))
        self._writer.write(encode(Answer(ask.number, index, answer)))

    async def _look(self, pv: _Pv, followed: Followed) -> None:
        """Asks it whenever it is silent."""
        while True:
            if followed.is_due(time.monotonic()):
                followed.asked(await pv.read(ANSWERS), time.monotonic())
            await asyncio.sleep(_LOOK)

    async def _tell(self) -> None:
        while True:
            self._write_news()
            await self._writer.drain()
            await asyncio.sleep(self._wanted.period)

    def _write_news(self, asked: int = 0) -> None:
        tallies = {index: each.tally for index, each in enumerate(self._followed) if each.tally != Tally()}
        self._writer.write(encode(News(dict(self._news), tallies, asked)))
        self._news.clear()
        for index in tallies:
            self._followed[index].tally = Tally()


async def _main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # what a library prints is not a message
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    wanted = msgspec.msgpack.decode(await receive(reader), type=Wanted)
    await Reader(wanted, writer).run(reader)


if __name__ == "__main__":
    leave_to_the_first()
    os.nice(_NICE)
    try:
        asyncio.run(_main())
    except* (EOFError, BrokenPipeError):
        os._exit(0)  # the IOC has ended; libca's threads have nothing more to do
