"""Screens in the real Phoebus display runtime, for tests and pictures.

The program that starts it, `phoebus_screen.py`, is looked for in the folder that the environment variable
PHOEBUS_SCREEN_FOLDER names, and in `shared/tools/phoebus` beside this repository.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import time
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.export.screens import style
from pixieioc.export.screens.style import Color
from tests.running_ioc import ROOT

FOLDER = Path(os.environ.get("PHOEBUS_SCREEN_FOLDER", ROOT.parent / "shared" / "tools" / "phoebus"))
#: What Phoebus says on a computer that is too busy for it, with what its threads do then, of channels that are
#: given up before they have answered because the screen is left, of values by PVAccess that were on their way then,
#: and of a plot whose listeners are told of a value while its axes are still being added (the axes then come with the
#: next update; a plot without any would fail the static tests and be seen in the pictures), and of a dialog that is
#: closed before it was put in its place: nothing that a screen can cause.
_BUSY = re.compile(
    r"UI Freezeup|UI Updates resume|Skipping image update|Gdk-WARNING|User destroyed channel|while channel is null|"
    r"java\.lang\.Exception: Stack trace|Received unexpected monitor .*CLOSING|"
    r"Plot has 0 while model has \d+ Y axes|Scene\.getWindow\(\).*DialogPane\.getScene\(\)|"
    r"timeout representing new content|^\t"
)
#: The header of every screen, and what is not connected (opaque or half transparent) or invalid.
_HEADER = (45, 55, 72)
#: Width of the display and height of the screens' header, in pixels.
WIDTH, HEADER = 1600, 64
#: A macro with its default.
_DEFAULT = re.compile(r"\$\((\w+)=([^)]*)\)")
#: Pixels that change while numbers count and curves move.
_STILL = 60_000


class Absent(RuntimeError):
    """Phoebus, or what is needed to show and operate it, is not here; the text says what."""


#: Places that each screen has a button for.
_PLACES = {
    place: f"{place.lower()}.bob" for place in ("Run", "Pipeline", "Spectra", "Traces", "Rates", "Expert", "Alarms")
}
#: After so many seconds a widget that is not connected stays so.
_FOR_GOOD = 60.0


class Phoebus:
    """One Phoebus that shows one of the screens in `folder` at a time."""

    def __init__(self, screen: Any, folder: Path, prefix: str) -> None:
        self._screen = screen
        self._folder = folder
        self._prefix = prefix
        self.file = ""
        self._known = 0
        # A keyboard that has letters beyond ASCII.
        self._run("setxkbmap", "de")

    def wait_for(self, file: str, seconds: float = 240.0) -> None:
        """Waits until a screen is there, and all of its widgets are connected, in two looks at it."""
        root = ET.parse(self._folder / file).getroot()
        wanted = re.sub(r"\$\(P=[^)]*\)", self._prefix, root.findtext("name", ""))
        self.file = file
        self._until(lambda: f'{wanted}":' in self._windows(), f"no window {wanted!r}", seconds)
        # The window has its new name before it has its new content.
        self._until(lambda: self._shows(root), f"{file} does not show", seconds)
        for _ in range(2):
            self._until(lambda: not self._strange().any(), f"{file}: widgets are not connected or invalid", seconds)
            time.sleep(0.2)

    def until_title(self, title: str) -> None:
        """Waits until a screen is there, whatever its widgets show."""
        self._until(lambda: f'{title} {self._prefix}":' in self._windows(), f"no screen {title}", 60)

    def _shows(self, root: ET.Element) -> bool:
        """Whether the buttons of the header are as light and dark as in this file: the place where one is, is light."""
        pixels = self._pixels().reshape(-1, WIDTH, 3)
        for widget in root.iter("widget"):
            x, y, height = (int(widget.findtext(tag, "0")) for tag in ("x", "y", "height"))
            fill = widget.find("background_color/color")
            seen = widget.findtext("transparent") != "true"
            if widget.get("type") == "action_button" and y < HEADER and fill is not None and seen:
                light = int(fill.get("red", "0")) > 128
                if (pixels[y + height // 2, x + 8].mean() > 170) != light:
                    return False
        return True

    def press(self, text: str, *, confirm: bool = False) -> None:
        """Clicks the button with this text on the present screen."""
        for widget in ET.parse(self._folder / self.file).getroot().iter("widget"):
            if widget.get("type") == "action_button" and widget.findtext("text") == text:
                x, y, width, height = (int(widget.findtext(tag, "0")) for tag in ("x", "y", "width", "height"))
                self._screen.click(x + width // 2, y + height // 2)
                break
        else:
            raise KeyError(f"{self.file} has no button {text!r}")
        if confirm:
            self._until(lambda: "Confirm" in self._windows(), "nothing asks for confirmation", 60)
            self._screen.type("\n")

    def enter(self, pv: str, text: str) -> None:
        """Types into the field of a process variable (its name without prefix), and presses the return key."""
        self._screen.click(*self._middle("textentry", pv))
        self._run("xdotool", "key", "ctrl+a")
        self._run("xdotool", "type", "--delay", "30", "--", text)
        self._run("xdotool", "key", "Return")

    def choose(self, pv: str, number: int, arrived: Callable[[int], object]) -> None:
        """Chooses among the labels of an enum, with the arrow keys; `arrived` waits until the enum has a value.

        Phoebus writes what each key leads to, and shows the old value again until it hears of the new one: a key that
        comes before that starts from the old value, and is lost.
        """
        self._screen.click(*self._middle("combo", pv))
        for step, key in enumerate(["Home", *["Down"] * number]):
            self._run("xdotool", "key", key)
            arrived(step)
            time.sleep(0.5)  # Phoebus may show it later than it is heard of here
        self._run("xdotool", "key", "Return")

    def until_filled(self, kind: str, pv: str, color: Color) -> None:
        """Waits until the widget of this kind that shows `pv` is filled with a colour."""
        box = self._box(kind, pv)
        x, y = box[0] + box[2] - 12, box[1] + box[3] - 5
        wanted = np.array((color.red, color.green, color.blue))

        def filled() -> bool:
            return bool(abs(self._pixels().reshape(-1, WIDTH, 3)[y, x].astype(int) - wanted).max() < 12)

        self._until(filled, f"{kind} {pv} is not {color}", 60)

    def cursors(self, color: Color) -> list[tuple[int, int]]:
        """The places of the cursors of this colour in a plot, from left to right."""
        pixels = self._pixels().reshape(-1, WIDTH, 3).astype(int)
        close = abs(pixels - np.array((color.red, color.green, color.blue))).sum(axis=2) < 60
        columns = np.flatnonzero(close.sum(axis=0) > 200)
        groups = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
        return [(int(group.mean()), int(np.median(np.flatnonzero(close[:, group[0]])))) for group in groups]

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Moves the mouse from one point to another with its button held down."""
        self._run("xdotool", "mousemove", *map(str, start), "mousedown", "1")
        for i in range(1, 6):
            step = [str(a + (b - a) * i // 5) for a, b in zip(start, end, strict=True)]
            self._run("xdotool", "mousemove", *step, "sleep", "0.1")
        self._run("xdotool", "mouseup", "1")

    def click_on(self, kind: str, pv: str) -> None:
        """A click on the middle of the widget of this kind that shows `pv`."""
        self._screen.click(*self._middle(kind, pv))

    def has_scroll_bars(self) -> bool:
        """Whether something covers the margin at the right or at the bottom, where there would be scroll bars."""
        pixels = self._pixels().reshape(-1, WIDTH, 3).astype(int)
        margins = np.concatenate((pixels[HEADER + 4 : 990, 1590], pixels[990, 5:1590]))
        paper = np.array((style.PAPER.red, style.PAPER.green, style.PAPER.blue))
        return bool(abs(margins - paper).max() > 12)

    def _middle(self, kind: str, pv: str) -> tuple[int, int]:
        x, y, width, height = self._box(kind, pv)
        return x + width // 2, y + height // 2

    def _box(self, kind: str, pv: str) -> tuple[int, int, int, int]:
        """Where the widget of this kind that shows `pv` is on the present screen, whose macros have their defaults."""
        for widget in ET.parse(self._folder / self.file).getroot().iter("widget"):
            name = _DEFAULT.sub(lambda m: "" if m[1] == "P" else m[2], widget.findtext("pv_name", ""))
            if widget.get("type") == kind and name.removeprefix("pva://") == pv:
                x, y, width, height = (int(widget.findtext(tag, "0")) for tag in ("x", "y", "width", "height"))
                return x, y, width, height
        raise KeyError(f"{self.file} has no {kind} for {pv!r}")

    def go(self, text: str, file: str) -> None:
        """Clicks the button with this text, which shows another screen.

        Now and then Phoebus leaves one widget of a screen without its channel for good, of either protocol: who sees
        that goes to another place and comes back. What the IOC does not serve is missing then, too.
        """
        self.press(text)
        elsewhere = "Alarms" if text == "Run" else "Run"
        if text not in _PLACES:
            self.wait_for(file)
            return
        try:
            self.wait_for(file, _FOR_GOOD)
        except AssertionError as error:
            print(f"once more: {error}")
            self.press(elsewhere)
            self.wait_for(_PLACES[elsewhere])
            self.press(text)
            self.wait_for(file)

    def settle(self, seconds: float = 60.0) -> None:
        """Waits until rules are followed and plots are drawn: two looks that differ only in numbers."""
        self._until(self._is_still, "the screen does not come to rest", seconds)

    def _is_still(self) -> bool:
        before = self._pixels()
        time.sleep(1.5)
        return bool(np.count_nonzero((before != self._pixels()).any(axis=1)) < _STILL)

    def picture(self, path: Path) -> None:
        """Writes what is shown now as PNG."""
        self._screen.picture(path)

    def problems(self) -> list[str]:
        """What Phoebus complained about since this was asked last."""
        found = [line for line in self._screen.problems() if not _BUSY.search(line)]
        self._known, new = len(found), found[self._known :]
        return new

    def _until(self, holds: Any, what: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                found = np.argwhere(self._strange().reshape(-1, WIDTH))
                where = f" from {found.min(0)[::-1]} to {found.max(0)[::-1]}" if len(found) else ""
                raise AssertionError(f"{what} after {seconds} s: {len(found)} pixels{where}; {self.problems()}")
            time.sleep(0.3)

    def _windows(self) -> str:
        return self._run("xwininfo", "-root", "-tree").decode(errors="replace")

    def _strange(self) -> NDArray[np.bool_]:
        """Which pixels have the colours of widgets without connection or value; all, if no screen is there yet."""
        raw = self._pixels()
        if tuple(int(x) for x in raw[10 * WIDTH + 10]) != _HEADER:
            return np.ones(len(raw), bool)
        red, green, blue = raw.T.astype(int)
        return (abs(red - blue) < 12) & (red >= 160) & (green < 90)

    def _pixels(self) -> NDArray[np.uint8]:
        """Red, green, blue of each pixel, line by line."""
        raw = self._run("import", "-window", "root", "-depth", "8", "rgb:-")
        return np.frombuffer(raw, np.uint8).reshape(-1, 3)

    def _run(self, *words: str) -> bytes:
        return subprocess.run(words, env=self._screen._environment, check=True, capture_output=True).stdout


@contextmanager
def phoebus(folder: Path, file: str, prefix: str, ca_addr: str, *settings: str) -> Iterator[Phoebus]:
    """Phoebus with the screen `file` of `folder`, all of whose widgets are connected. Absent if it is not here.

    `settings` are further ones of Phoebus: `org.phoebus...=value`.
    """
    if not (FOLDER / "phoebus_screen.py").is_file():
        raise Absent(f"no phoebus_screen.py in {FOLDER}")
    sys.path.insert(0, str(FOLDER))
    try:
        tool: Any = importlib.import_module("phoebus_screen")
    finally:
        sys.path.remove(str(FOLDER))
    try:
        opened = _open(tool, folder / file, prefix, ca_addr, settings)
    except tool.NotAvailable as error:
        raise Absent(str(error)) from error
    try:
        shown = Phoebus(opened, folder, prefix)
        shown.wait_for(file)
        yield shown
    finally:
        opened.__exit__()


def _open(tool: Any, file: Path, prefix: str, ca_addr: str, more: Sequence[str]) -> Any:
    """Starts it; a second time, if its X server has ended as soon as it was there (two took the same number)."""
    # Phoebus starts a repeater, which would outlive it, unless there is one: it is told of the tests' own, by one more
    # line in the settings that the tool writes.
    settings = "\n".join([ca_addr, f"org.phoebus.pv.ca/repeater_port={os.environ['EPICS_CA_REPEATER_PORT']}", *more])
    for attempt in range(2):
        opened = tool.PhoebusScreen(file, {"P": prefix}, ca_addr=settings, settle=0, open_timeout=240)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # it leaves its log to the garbage collector
                return opened.__enter__()
        except RuntimeError as error:
            if attempt or "cannot open display" not in str(error):
                raise
    raise AssertionError
