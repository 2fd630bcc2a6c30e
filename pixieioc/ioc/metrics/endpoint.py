"""The page of metrics over HTTP. Whatever clients do, they cost the event loop next to nothing.

Connections are taken a few at a time, and few are open at a time: the oldest that has not asked for anything makes
place for a new one. Each has a time in which it must be over. The text is made at most once a second, for all who ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import socket
import time
from typing import Never

import pixieioc
from pixieioc.config_schema import MetricsTable
from pixieioc.ioc.metrics.families import Family, families_of
from pixieioc.ioc.metrics.names import NAMESPACE
from pixieioc.ioc.metrics.request import LONGEST, Request, head, refusal, request_of
from pixieioc.ioc.metrics.text import OPEN, PLAIN, Exposition, Format
from pixieioc.ioc.records import Pvs, faults

log = logging.getLogger(__name__)

#: Connections that are open at a time, and that wait in the system to be taken.
MOST, BACKLOG = 16, 32
#: Connections that are taken together, and the pause after them, in seconds: fifty a second.
_TOGETHER, _PAUSE = 5, 0.1
#: Seconds that a request, and an answer, may take; that the other side may take to close; that a text is good for.
REQUEST, ANSWER, _LINGER, _FRESH = 5.0, 10.0, 1.0, 1.0
#: Seconds before it is tried again to listen, if that was impossible.
_RETRY = 10.0


class Endpoint:
    """Serves what the records say at an address; `run` does it."""

    def __init__(self, pvs: Pvs, wanted: MetricsTable) -> None:
        about = {"prefix": pvs.prefix, "version": pixieioc.__version__, "host": platform.node()}
        info = Family(f"{NAMESPACE}_info", "Which IOC this is.")
        families = families_of(record.info for record in pvs.values())
        self._exposition = Exposition(families, pvs, [(info, tuple(about.items()))])
        self._address = (wanted.address, wanted.port)
        self._loop = asyncio.get_running_loop()
        self._made: dict[Format, tuple[float, bytes]] = {}
        self._making = asyncio.Lock()
        self._silent: dict[asyncio.Task[None], None] = {}  # that have not asked for anything yet, oldest first
        self._open: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> Never:
        """Goes on until cancelled; a port that is taken is waited for."""
        complained = False
        while True:
            try:
                listening = _listening(self._address)
            except OSError as error:
                if not complained:
                    log.error("metrics: cannot listen on %s port %d: %s", *self._address, os.strerror(error.errno or 0))
                complained = True
                await asyncio.sleep(_RETRY)
                continue
            log.info("metrics on http://%s:%d/metrics", *listening.getsockname()[:2])
            await self._serve(listening)

    async def _serve(self, listening: socket.socket) -> Never:
        self._resume(listening)
        try:
            await self._loop.create_future()
            raise AssertionError("nobody ends this but by cancelling it")
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._loop.remove_reader(listening)
            listening.close()
            for task in self._open:
                task.cancel()

    # -- connections --------------------------------------------------------------------------------------------------

    def _resume(self, listening: socket.socket) -> None:
        self._timer = None
        self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Takes some connections, and no more for a while, however many there are."""
        for _ in range(_TOGETHER):
            if len(self._open) >= MOST and not self._silent:
                break
            try:
                sock, _ = listening.accept()
            except OSError:  # there is none, it has gone, or the process can have no more files: later, then
                break
            if len(self._open) >= MOST:
                oldest = next(iter(self._silent))
                self._forget(oldest)
                oldest.cancel()
            self._take(sock)
        self._loop.remove_reader(listening)
        self._timer = self._loop.call_later(_PAUSE, self._resume, listening)

    def _take(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        task = self._loop.create_task(self._talk(sock))
        self._open.add(task)
        self._silent[task] = None
        task.add_done_callback(self._forget)
        task.add_done_callback(lambda _: sock.close())  # also of one that is cancelled before it has begun

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        self._silent.pop(task, None)

    # -- a request and its answer -------------------------------------------------------------------------------------

    async def _talk(self, sock: socket.socket) -> None:
        try:
            request = await self._request(sock)
            if (task := asyncio.current_task()) is not None:
                self._silent.pop(task, None)
            if request is not None:
                async with asyncio.timeout(ANSWER):
                    await self._loop.sock_sendall(sock, await self._answer(request))
                await self._end(sock)
        except (OSError, TimeoutError):
            pass  # it has gone, or does not take its answer: nobody else minds
        except Exception as error:
            faults.report("a request for metrics could not be answered", error)

    async def _request(self, sock: socket.socket) -> Request | None:
        """What it asks for; None if it has gone."""
        received = b""
        try:
            async with asyncio.timeout(REQUEST):
                while (request := request_of(received)) is None:
                    more = await self._loop.sock_recv(sock, LONGEST - len(received))
                    if not more:
                        return None
                    received += more
        except TimeoutError:
            return Request(408)
        return request

    async def _answer(self, request: Request) -> bytes:
        if request.status != 200:
            return refusal(request)
        form = OPEN if request.is_open else PLAIN
        body = await self._text(form)
        return head(200, form.content_type, len(body)) + (body if request.with_body else b"")

    async def _text(self, form: Format) -> bytes:
        """The text, made again if it is not fresh any more."""
        async with self._making:
            made, text = self._made.get(form, (-_FRESH, b""))
            if time.monotonic() - made >= _FRESH:
                pieces: list[str] = []
                for piece in self._exposition.pieces(form):
                    pieces.append(piece)
                    await asyncio.sleep(0)  # clients come in between
                text = "".join(pieces).encode()
                self._made[form] = (time.monotonic(), text)
            return text

    async def _end(self, sock: socket.socket) -> None:
        """Lets the other side read its answer before it hears that the rest of what it sends has not been read."""
        sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                for _ in range(8):
                    if not await self._loop.sock_recv(sock, LONGEST):
                        return


def _listening(address: tuple[str, int]) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
