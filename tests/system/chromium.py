"""Pages in a headless Chromium, over its DevTools protocol; no package is needed for that, but the browser.

`CHROMIUM` is the program, if it is not `chromium` on the path.
"""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: It looks for nothing outside: no updates, no accounts, no lists.
_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip
#: Descriptors of its protocol; ours are kept away from them.
_READS, _WRITES, _FIRST_FREE = 3, 4, 10


class Absent(RuntimeError):
    """What a test needs is not on this machine; the text says what."""


class Browser:
    """A running Chromium, as the other end of two pipes."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        self._rest = b""
        self._numbers = itertools.count(1)
        #: Events that came and were not asked for yet: session, name, what they say.
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """The answer to a command; RuntimeError if it is an error."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 30
        while time.monotonic() < end:
            for answer in self._messages(1):
                if answer.get("id") == number:
                    if "error" in answer:
                        raise RuntimeError(f"{method}: {answer['error']['message']}")
                    return answer["result"]
        raise TimeoutError(f"{method}: no answer in 30 s")

    def listen(self, seconds: float) -> None:
        """Collects the events that come within this time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._messages(left)

    def _messages(self, seconds: float) -> list[dict[str, Any]]:
        """The answers that have come; events are kept for later."""
        if not select.select([self._reads], [], [], seconds)[0]:
            return []
        if not (data := os.read(self._reads, 1 << 20)):
            raise RuntimeError("Chromium has ended")
        *whole, self._rest = (self._rest + data).split(b"\0")
        answers: list[dict[str, Any]] = []
        for message in map(json.loads, whole):
            if "method" in message:
                self.events.append((message.get("sessionId", ""), message["method"], message["params"]))
            else:
                answers.append(message)
        return answers

    def page(self, width: int, height: int, *, phone: bool = False) -> Page:
        """A new page in a window of this size, or on a phone of this size."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone,
            screenWidth=width, screenHeight=height,
        )  # fmt: skip
        return page


class Page:
    """One page: a tab of the browser."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command for this page."""
        return self._browser.call(method, self._session, **parameters)

    def open(self, url: str) -> None:
        """Goes to an address; what is there comes later."""
        self._browser.events.clear()
        if error := self.call("Page.navigate", url=url).get("errorText"):
            raise RuntimeError(f"{url}: {error}")

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript is; RuntimeError with the text of what it throws."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if thrown := done.get("exceptionDetails"):
            raise RuntimeError(f"{expression}: {thrown.get('exception', {}).get('description', thrown['text'])}")
        return done["result"].get("value")

    def until(self, expression: str, seconds: float = 60.0) -> Any:
        """Waits until an expression is true, and returns it; AssertionError with its last value."""
        end = time.monotonic() + seconds
        while True:
            try:
                found: Any = self.value(expression)
            except RuntimeError as error:  # of a page that is not there yet
                found = None
                last: Any = error
            else:
                last = found
            if found:
                return found
            assert time.monotonic() < end, f"{expression} is {last} after {seconds} s; {self.problems()}"
            self._browser.listen(0.1)

    def click(self, x: float, y: float) -> None:
        """The left button of the mouse, pressed and released there."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def problems(self) -> list[str]:
        """Exceptions in scripts, errors on the console, and requests that failed, since the page was opened."""
        self._browser.listen(0.1)
        return [
            said
            for session, name, details in self._browser.events
            if session == self._session and (said := _problem(name, details))
        ]

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Writes what is seen as PNG; `whole` takes the page as high as it is."""
        self.call("Page.bringToFront")
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
            taken = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        else:
            taken = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(taken["data"]))


def _problem(event: str, details: dict[str, Any]) -> str:
    match event:
        case "Runtime.exceptionThrown":
            thrown = details["exceptionDetails"]
            return f"exception: {thrown.get('exception', {}).get('description', thrown['text'])}"
        case "Runtime.consoleAPICalled" if details["type"] in ("error", "assert"):
            return f"console: {' '.join(str(part.get('value', part)) for part in details['args'])}"
        case "Log.entryAdded" if details["entry"]["level"] == "error":
            return f"log: {details['entry']['text']} {details['entry'].get('url', '')}"
        case _:
            return ""


def find_chromium() -> str:
    """The browser's program; Absent if there is none on this machine."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        raise Absent("no chromium on the path, and CHROMIUM names no other browser")
    return program


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser with a profile of its own; Absent if there is none on this machine."""
    program = find_chromium()
    profile = Path(tempfile.mkdtemp(prefix="chromium"))
    pipes = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for end in _two_pipes()]
    theirs_in, ours_out, ours_in, theirs_out = pipes
    # Its descriptors have fixed numbers, which a shell can give them.
    line = f'exec "$@" {_READS}<&{theirs_in} {_WRITES}>&{theirs_out}'
    options = (*_OPTIONS, f"--user-data-dir={profile}", "about:blank")
    process = subprocess.Popen(
        ["/bin/bash", "-c", line, "chromium", program, *options], pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": str(profile)},
    )  # fmt: skip
    browser = Browser(ours_in, ours_out)
    try:
        os.close(theirs_in)
        os.close(theirs_out)
        yield browser
    finally:
        browser.call("Browser.close") if process.poll() is None else None
        process.wait(60)
        os.close(ours_in)
        os.close(ours_out)
        shutil.rmtree(profile, ignore_errors=True)


def _two_pipes() -> Iterator[int]:
    """Four descriptors, each closed once it has been copied."""
    for end in (*os.pipe(), *os.pipe()):
        yield end
        os.close(end)
