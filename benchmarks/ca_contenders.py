"""One server for `ca_server.py` and `ca_soak.py`, in a process of its own: ours, stock caproto or pythonSoftIOC.

    python ca_contenders.py ours|caproto|softioc PREFIX SCALARS

All serve the same: SCALARS numbers S0, S1, ..., 198 long strings T0, ..., an array W0 of 32768 doubles, and a number
Put with a hook in Python. A line `post scalars|array|one|all HZ SECONDS BURSTS` on stdin makes it post times until
either is over; its answer has the fields of `Posted`. It ends when stdin does.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import numpy as np

TEXTS, ELEMENTS = 198, 32768


@dataclasses.dataclass(frozen=True)
class Posted:
    """What was posted: bursts, how long it took in s, and the time at which the last one was begun."""

    bursts: int
    seconds: float
    last: float


class Contender(ABC):
    """A server with its process variables. `scalars`, `array` and `one` post the present time."""

    def __init__(self, prefix: str, scalars: int) -> None:
        self.prefix = prefix
        self.count = scalars

    @classmethod
    def run(cls, main: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine on the event loop that this server is meant for."""
        asyncio.run(main)

    @abstractmethod
    async def serve(self, ready: Callable[[], Awaitable[None]]) -> None:
        """Serves until `ready`, which is called when clients can connect, has returned."""

    @abstractmethod
    async def scalars(self) -> None:
        """Posts each number."""

    @abstractmethod
    async def one(self) -> None:
        """Posts one number."""

    @abstractmethod
    async def array(self, values: np.ndarray) -> None:
        """Posts the array."""


class Ours(Contender):
    """The server of this project."""

    @classmethod
    def run(cls, main: Coroutine[Any, Any, None]) -> None:
        from pixieioc.ioc.loop import run

        run(main)

    async def serve(self, ready: Callable[[], Awaitable[None]]) -> None:
        from pixieioc.ioc.ca.server import Server
        from pixieioc.ioc.records import Client, Record
        from pixieioc.pvinfo.model import PvInfo, text_pv

        self._numbers = [Record(PvInfo("S", "ai", "", 0.0), f"{self.prefix}S{i}") for i in range(self.count)]
        self._array = Record(PvInfo("W", "waveform", "", [0.0], length=ELEMENTS), f"{self.prefix}W0")
        put = Record(PvInfo("P", "ao", "", 0.0), f"{self.prefix}Put")

        async def hook(value: Any, client: Client) -> None:
            put.post(value)

        put.put = hook
        texts = [Record(text_pv("T", "", 256, initial="text"), f"{self.prefix}T{i}") for i in range(TEXTS)]
        async with Server([*self._numbers, *texts, self._array, put]):
            await ready()

    async def scalars(self) -> None:
        for record in self._numbers:
            record.post(time.monotonic())

    async def one(self) -> None:
        self._numbers[0].post(time.monotonic())

    async def array(self, values: np.ndarray) -> None:
        self._array.post(values)


class Caproto(Contender):
    """caproto's own asyncio server, without records."""

    async def serve(self, ready: Callable[[], Awaitable[None]]) -> None:
        from caproto import ChannelChar, ChannelDouble
        from caproto.asyncio.server import Context

        class Put(ChannelDouble):
            async def verify_value(self, data: Any) -> Any:
                return data

        self._numbers = [ChannelDouble(value=0.0) for _ in range(self.count)]
        self._array = ChannelDouble(value=np.zeros(ELEMENTS), max_length=ELEMENTS)
        pvs = {f"{self.prefix}S{i}": number for i, number in enumerate(self._numbers)}
        pvs |= {f"{self.prefix}T{i}": ChannelChar(value="text", max_length=256) for i in range(TEXTS)}
        pvs |= {f"{self.prefix}W0": self._array, f"{self.prefix}Put": Put(value=0.0)}
        serving = asyncio.ensure_future(Context(pvs).run(log_pv_names=False))
        try:
            await ready()
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    async def scalars(self) -> None:
        for number in self._numbers:
            await number.write(time.monotonic())

    async def one(self) -> None:
        await self._numbers[0].write(time.monotonic())

    async def array(self, values: np.ndarray) -> None:
        await self._array.write(values)


class SoftIoc(Contender):
    """pythonSoftIOC: EPICS Base's own server, with records that are set from Python."""

    async def serve(self, ready: Callable[[], Awaitable[None]]) -> None:
        from softioc import asyncio_dispatcher, builder, softioc

        builder.SetDeviceName(self.prefix.rstrip(":"))
        self._numbers = [builder.aIn(f"S{i}", initial_value=0.0) for i in range(self.count)]
        for i in range(TEXTS):
            builder.longStringIn(f"T{i}", initial_value="text", length=256)
        self._array = builder.WaveformIn("W0", initial_value=np.zeros(ELEMENTS))

        async def hook(value: float) -> None:
            pass

        builder.aOut("Put", initial_value=0.0, on_update=hook, always_update=True, blocking=True)
        builder.LoadDatabase()
        softioc.iocInit(asyncio_dispatcher.AsyncioDispatcher(asyncio.get_running_loop()))
        await ready()

    async def scalars(self) -> None:
        for number in self._numbers:
            number.set(time.monotonic())

    async def one(self) -> None:
        self._numbers[0].set(time.monotonic())

    async def array(self, values: np.ndarray) -> None:
        self._array.set(values)


CONTENDERS: dict[str, type[Contender]] = {"ours": Ours, "caproto": Caproto, "softioc": SoftIoc}


async def post(contender: Contender, what: str, hz: float, seconds: float, most: int) -> Posted:
    """Posts `hz` bursts a second, or as many as can be: then other work gets its turn between them."""
    values = np.random.default_rng(1).random(ELEMENTS)

    async def array() -> None:
        values[0] = time.monotonic()
        await contender.array(values)

    async def everything() -> None:
        await contender.scalars()
        await array()

    burst = {"scalars": contender.scalars, "one": contender.one, "array": array, "all": everything}[what]
    start = last = time.monotonic()
    bursts = 0
    while last < start + seconds and bursts < most:
        last = time.monotonic()
        await burst()
        bursts += 1
        await asyncio.sleep(max(0.0, start + bursts / hz - time.monotonic()))
    return Posted(bursts, time.monotonic() - start, last)


async def main(kind: str, prefix: str, scalars: int) -> None:
    """Serves, and does what it is told to on stdin."""
    contender = CONTENDERS[kind](prefix, scalars)

    async def obey() -> None:
        print(json.dumps({"ready": True}), flush=True)
        orders = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        while order := (await orders.readline()).decode().split():
            _, what, hz, seconds, bursts = order
            posted = await post(contender, what, float(hz), float(seconds), int(bursts))
            print(json.dumps(dataclasses.asdict(posted)), flush=True)

    await contender.serve(obey)


if __name__ == "__main__":
    CONTENDERS[sys.argv[1]].run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
