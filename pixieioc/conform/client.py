"""A Channel Access client for tests: EPICS' own libca (through aioca), used like a conversation."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import aioca
import numpy as np
from epicscorelibs.ca.cadef import CAException, Disconnected

T = TypeVar("T")
#: libca's code for what was asked of a server that is gone.
ECA_DISCONN = 192


class PutFailed(Exception):
    """A put whose callback told of a failure; `code` is libca's ECA status."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name}: {code}")
        self.code = code


class NoAnswer(Exception):
    """A process variable that is not there, or cannot be read."""


@dataclass(frozen=True)
class Post:
    """One monitor: enums are their label, texts are str."""

    name: str
    value: Any
    severity: int
    stamp: float
    received: float


class Watch:
    """What some process variables have posted, in the order in which it came."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self._news = threading.Condition()
        self._subscriptions: list[aioca.Subscription] = []

    def add(self, post: Post) -> None:
        """One more has come."""
        with self._news:
            self.posts.append(post)
            self._news.notify_all()

    def values(self, name: str) -> list[Any]:
        """All values of one, in order."""
        return [post.value for post in self.posts if post.name == name]

    def sequence(self) -> list[tuple[str, Any]]:
        """All of them, in order."""
        return [(p.name, "array" if isinstance(p.value, np.ndarray) else p.value) for p in self.posts]

    def clear(self) -> None:
        """Forgets what came so far."""
        self.posts.clear()

    def until(self, name: str, wanted: Any, seconds: float = 60.0) -> Post:
        """Waits until a process variable has posted a value (or one for which `wanted` is true), or had before."""
        holds = wanted if callable(wanted) else lambda value: value == wanted
        end = time.monotonic() + seconds
        with self._news:
            while True:
                for post in self.posts:
                    if post.name == name and holds(post.value):
                        return post
                if not self._news.wait(max(0.0, end - time.monotonic())):
                    raise AssertionError(f"{name} is not {wanted} after {seconds} s: {self.sequence()[-20:]}")


class CaClient:
    """Channel Access with a prefix."""

    _loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        if CaClient._loop is None:  # aioca wants one loop for its life
            CaClient._loop = asyncio.new_event_loop()
            threading.Thread(target=CaClient._loop.run_forever, name="aioca", daemon=True).start()

    def _start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    # -- reading ------------------------------------------------------------------------------------------------------

    def raw(self, name: str, timeout: float = 5.0, **options: Any) -> Any:
        """What aioca's caget gives; NoAnswer if it gives nothing."""
        return self._start(self._get(name, timeout, **options)).result()

    async def _get(self, name: str, timeout: float, **options: Any) -> Any:
        try:
            return await aioca.caget(self.prefix + name, timeout=timeout, **options)
        except aioca.CANothing as error:  # which is false, and so no exception in the eyes of a Future
            raise NoAnswer(str(error)) from error

    def get(self, name: str, timeout: float = 5.0) -> Any:
        """The value: an enum's label, a text, a number, or an array."""
        return _plain(self.raw(name, timeout, format=aioca.FORMAT_CTRL))

    def severity(self, name: str) -> int:
        """0 for no alarm, 1 minor, 2 major, 3 invalid."""
        return self.raw(name, format=aioca.FORMAT_TIME).severity

    def stamp(self, name: str) -> float:
        """The time stamp, Unix time."""
        return self.raw(name, format=aioca.FORMAT_TIME).timestamp

    def until(self, name: str, wanted: Any, seconds: float = 60.0) -> Any:
        """Waits until a process variable has a value, or one for which `wanted` is true."""
        with self.watch(name) as watch:
            return watch.until(name, wanted, seconds).value

    def writable(self, name: str) -> bool:
        """Whether the server lets this client write."""
        return bool(self._start(aioca.cainfo(self.prefix + name)).result().write)

    # -- writing ------------------------------------------------------------------------------------------------------

    def put(self, name: str, value: Any, timeout: float = 60.0, *, datatype: Any = None) -> None:
        """A put with callback: returns when it has completed, PutFailed if it failed.

        Sent as the PV's own type, or as `datatype`, one of aioca's DBR_ codes.
        """
        self.put_later(name, value, timeout, datatype=datatype).result()

    def put_later(self, name: str, value: Any, timeout: float = 60.0, *, datatype: Any = None) -> Future[None]:
        """A put with callback that completes later."""
        return self._start(self._put(name, value, timeout, datatype))

    def put_and_forget(self, name: str, value: Any) -> None:
        """A plain put, which tells nothing about its outcome."""
        self._start(aioca.caput(self.prefix + name, _as_sent(value), wait=False)).result()

    async def _put(self, name: str, value: Any, timeout: float, datatype: Any) -> None:
        try:
            await aioca.caput(self.prefix + name, _as_sent(value), wait=True, timeout=timeout, datatype=datatype)
        except aioca.CANothing as error:
            raise PutFailed(name, error.errorcode) from error
        except CAException as error:  # libca refuses at once what the channel does not allow
            raise PutFailed(name, error.status) from error
        except Disconnected as error:  # between finding it and writing to it
            raise PutFailed(name, ECA_DISCONN) from error

    # -- listening ----------------------------------------------------------------------------------------------------

    def watch(self, *names: str) -> _Watching:
        """Listens to process variables; a context manager, which begins once each has told its first value."""
        return _Watching(self, names)

    async def _subscribe(self, name: str, add: Callable[[Post], None]) -> aioca.Subscription:
        # An IOC that is only starting may take its time on a busy machine.
        meta = await self._get(name, 30.0, format=aioca.FORMAT_CTRL)
        labels = [str(label) for label in getattr(meta, "enums", ())]

        def heard(value: Any) -> None:
            shown = labels[int(value)] if labels and int(value) < len(labels) else _plain(value)
            add(Post(name, shown, value.severity, value.timestamp, time.time()))

        return aioca.camonitor(self.prefix + name, heard, format=aioca.FORMAT_TIME, all_updates=True)


class _Watching:
    def __init__(self, client: CaClient, names: tuple[str, ...]) -> None:
        self._client = client
        self._names = names

    def __enter__(self) -> Watch:
        self._watch = Watch()
        self._subscriptions = [
            self._client._start(self._client._subscribe(name, self._watch.add)).result() for name in self._names
        ]
        for name in self._names:  # one that has just come back is searched for less and less often
            self._watch.until(name, lambda value: True, 30)
        return self._watch

    def __exit__(self, *_: object) -> None:
        loop = self._client._loop
        assert loop is not None
        for subscription in self._subscriptions:
            loop.call_soon_threadsafe(subscription.close)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        return value.tobytes().partition(b"\0")[0].decode()
    if enums := getattr(value, "enums", None):
        return str(enums[int(value)])
    if isinstance(value, np.ndarray):
        return value
    return value.real if isinstance(value, int | float) else str(value)


def _as_sent(value: Any) -> Any:
    """A text longer than a Channel Access string is sent as characters."""
    if isinstance(value, str) and len(value.encode()) > 39:
        return np.frombuffer(value.encode() + b"\0", np.uint8)
    return value
