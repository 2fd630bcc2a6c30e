"""A screen for each task: its state, its parameters, its reports, what it printed, its error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Box, Display
from pixieioc.export.screens.layout import (
    GAP,
    HEIGHT,
    MARGIN,
    PER_SECOND,
    Site,
    control,
    in_use,
    last_command,
    panel,
    rate,
    screen,
    states_of,
)
from pixieioc.export.screens.style import Font
from pixieioc.export.text import caption
from pixieioc.pvinfo.description import TaskInfo, pairs
from pixieioc.pvinfo.model import PvInfo

_GAP = 4
#: Rows of parameters and reports: at least, in one column, in larger letters, and where nothing need be scrolled.
_FEWEST, _MOST, _MOST_LARGE, _MOST_MEDIUM, _MOST_SMALL = 6, 15, 12, 15, 19
_ROW, _MEDIUM_ROW, _LARGE_ROW = 27, 34, 42
#: Unset heights of the parts above and below the table.
_OVERVIEW_HEIGHT, _TABLE_HEAD, _LEAST_BELOW = 128, 52, 120
#: What the strip at the top shows of every task: caption and the name behind the task's.
_OVERVIEW = (
    ("Rate", "Rate_RBV"), ("Data", "ByteRate_RBV"), ("Events", "Events_RBV"), ("Messages", "Counter_RBV"),
    ("Queue", "QueueUse_RBV"), ("waiting", "QueueSize_RBV"), ("Dropped", "Dropped_RBV"), ("Missing", "Balance_RBV"),
    ("Execution", "ExecutionTime_RBV"), ("longest", "ExecutionTimeMax_RBV"), ("Processor", "CpuLoad_RBV"),
    ("Memory", "MemUsed_RBV"), ("Busy", "BusyTime_RBV"), ("Last beat", "HeartBeatAge_RBV"),
)  # fmt: skip
#: Reports of every task that its screen does not show, by their declarations.
_NOT_SHOWN = ("status", "heart_beat", "queue_free")


def file_of(task: TaskInfo) -> str:
    """The name of its display file."""
    return f"task_{task.name}.bob"


@dataclass(frozen=True)
class _Table:
    """How the parameters and reports of a task are set: larger, if there are few."""

    parameters: tuple[tuple[PvInfo | None, PvInfo | None], ...]
    reports: tuple[PvInfo, ...]

    @property
    def columns(self) -> int:
        return 2 if len(self.parameters) > _MOST else 1

    @property
    def rows(self) -> int:
        return max(_FEWEST, -(-len(self.parameters) // self.columns), len(self.reports))

    @property
    def is_large(self) -> bool:
        return self.rows <= _MOST_LARGE

    @property
    def row(self) -> int:
        """Height of a row, in pixels."""
        return _LARGE_ROW if self.is_large else _MEDIUM_ROW if self.rows <= _MOST_MEDIUM else _ROW

    @property
    def fonts(self) -> tuple[Font, Font]:
        """That of texts, and that of values."""
        if self.rows > _MOST_MEDIUM:
            return style.TINY, style.TINY_BOLD
        return (style.TEXT, style.TEXT_BOLD) if self.is_large else (style.SMALL, style.SMALL_BOLD)

    def cells(self, inside: Box) -> list[Box]:
        """Where the parameters are, column by column."""
        columns = inside.columns(*[1] * self.columns, gap=20)
        return [cell for column in columns for cell in islice(column.rows(self.row, _GAP), self.rows)]


def task_screen(site: Site, task: TaskInfo) -> str:
    """The file's text; it is as high as the parameters need."""
    table = _Table(tuple(_parameters(site, task)), tuple(_reports(site, task)))
    more = max(0, table.rows - _MOST_SMALL) * (table.row + _GAP)
    display, room = screen(site, task.name, file_of(task), HEIGHT + more)
    x, y, width = room.x, room.y, room.width
    _overview(site, display, task, Box(x, y, width, _OVERVIEW_HEIGHT))
    middle = Box(x, y + _OVERVIEW_HEIGHT + GAP, width, _TABLE_HEAD + table.rows * (table.row + _GAP))
    left, right = middle.columns(74, 26)
    _show_parameters(site, display, left, table)
    _show_reports(site, display, right, table)
    top = middle.y + middle.height + GAP
    command, error, printed = Box(x, top, width, display.height - MARGIN - top).columns(30, 35, 35)
    last_command(site, display, command, style.SMALL)
    message, lines = site(f"{task.name}:ErrorMessage_RBV"), site(f"{task.name}:PrintLog_RBV")
    display.add(bob.log_text(panel(display, error, "Error, until it is acknowledged"), message))
    display.add(bob.log_text(panel(display, printed, "What it printed"), lines, bottom=True))
    return display.text()


def _parameters(site: Site, task: TaskInfo) -> Iterator[tuple[PvInfo | None, PvInfo | None]]:
    """Setpoint and readback of what is set for the task as a whole, shared ones too; not what is known of the crate."""
    return (pair for pair in pairs(_own(site, task)) if not _is_crate_fact(*pair))


def _is_crate_fact(setpoint: PvInfo | None, readback: PvInfo | None) -> bool:
    return setpoint is None and readback is not None and not readback.owner


def _reports(site: Site, task: TaskInfo) -> Iterator[PvInfo]:
    """What only this task reports, at the end what it has not declared."""
    shown = {name for _, name in _OVERVIEW}
    for pv in _own(site, task):
        if pv.source.kind == "report" and pv.own_name not in shown and _is_its_own(pv):
            yield pv
    yield site.info(f"{task.name}:REPORT:JSON_RBV")


def _own(site: Site, task: TaskInfo) -> Iterator[PvInfo]:
    return (pv for pv in site.description.of_task(task.name) if pv.section not in ("channel", "modules"))


def _is_its_own(pv: PvInfo) -> bool:
    # Texts that are the pipeline's, such as the name of the last file, need the room that they have on Run.
    is_shared_text = pv.is_text and not pv.owner
    return pv.source.name not in _NOT_SHOWN and not is_shared_text


def _overview(site: Site, display: Display, task: TaskInfo, box: Box) -> None:
    name = task.name
    left, right = box.columns(24, 76)
    inside = panel(display, left, "State")
    status, error, acknowledge = inside.columns(40, 22, 38)
    display.add(
        bob.lamp(status, site(f"{name}:Status"), states_of(site.info(f"{name}:Status")), style.HEADING),
        bob.lamp(error, site(f"{name}:ERROR"), states_of(site.info(f"{name}:ERROR")), style.TEXT_BOLD),
        bob.command(acknowledge, "Acknowledge", site("ErrorAck"), style.SMALL_BOLD),
    )
    display.add(bob.rectangle(right))
    shown = [(heading, f"{name}:{what}") for heading, what in _OVERVIEW if f"{name}:{what}" in site]
    cells = right.inner(10).grid(-(-len(shown) // 3), 3, 6)
    for cell, (heading, pv) in zip(cells, shown, strict=False):
        first, second = cell.columns(44, 56, gap=4)
        display.add(bob.label(first, heading, style.SMALL, style.FAINT, bob.RIGHT, tip=site.info(pv).doc))
        if site.info(pv).unit == PER_SECOND:
            rate(display, second, site(pv), style.TEXT_BOLD)
        else:
            display.add(bob.value(second, site(pv), style.TEXT_BOLD))


def _show_parameters(site: Site, display: Display, box: Box, table: _Table) -> None:
    inside = panel(display, box, "Parameters: written, in use, possible")
    _show_what_waits(site, display, Box(box.x + 400, box.y + 4, box.width - 412, 32))
    plain, bold = table.fonts
    if not table.parameters:
        display.add(bob.label(table.cells(inside)[0], "It has none.", plain, style.FAINT))
    for cell, (setpoint, readback) in zip(table.cells(inside), table.parameters, strict=False):
        info = setpoint or readback
        assert info is not None
        left, entry, used, possible = cell.columns(*((27, 23, 22, 28) if table.columns > 1 else (18, 36, 30, 16)))
        display.add(bob.label(left, caption(info), plain, tip=info.doc))
        if setpoint is not None and setpoint.role == "command":
            asked = f"{setpoint.doc.rstrip('.')}: do it now?"
            display.add(bob.command(entry, setpoint.labels[1], site.of(setpoint), bold, confirm=asked))
        elif setpoint is not None:
            display.add(control(site, entry, setpoint, plain))
        if readback is not None and setpoint is not None:
            display.add(in_use(site, used, setpoint, style.TINY if setpoint.is_text else plain, wrap=setpoint.is_text))
        elif readback is not None:
            display.add(bob.value(used, site.of(readback), plain, text=readback.is_text))
        allowed = _range(setpoint) if setpoint is not None else "fixed"
        if allowed:
            display.add(bob.label(possible, allowed, plain, style.FAINT))


def _show_what_waits(site: Site, display: Display, box: Box) -> None:
    """What the colours mean, while they are there."""
    locked, waits, apply = box.columns(40, 40, 20)
    colored = (
        (bob.rectangle(locked, style.LOCKED, style.LOCKED, 0, "locked"), "ConfigLocked_RBV"),
        (bob.label(locked, "grey: locked during the run", style.SMALL_BOLD, align=bob.CENTER), "ConfigLocked_RBV"),
        (bob.rectangle(waits, style.WAITS, style.WAITS, 0, "waits"), "ConfigDirty_RBV"),
        (bob.label(waits, "waits until it fits others", style.SMALL_BOLD, align=bob.CENTER), "ConfigDirty_RBV"),
        (bob.command(apply, "Apply now", site("Configure"), style.SMALL_BOLD), "ConfigDirty_RBV"),
    )
    for widget, name in colored:
        display.add(bob.shown_while(widget, "pv0 == 1", site(name)))


def _show_reports(site: Site, display: Display, box: Box, table: _Table) -> None:
    inside = panel(display, box, "Reports")
    plain, bold = table.fonts
    for cell, pv in zip(inside.rows(table.row, _GAP), table.reports, strict=False):
        left, shown = cell.columns(48, 52, gap=4)
        display.add(bob.label(left, caption(pv), plain, tip=pv.doc))
        if pv.is_enum:
            display.add(bob.lamp(shown, site.of(pv), states_of(pv), bold))
        elif pv.unit == PER_SECOND:
            rate(display, shown, site.of(pv), bold)
        elif (text := site.description.text_of(pv)) is not None:
            display.add(bob.value(shown, site.of(text), bold))
        else:
            display.add(bob.value(shown, site.of(pv), bold, text=pv.is_text))


def _range(pv: PvInfo) -> str:
    """What may be written, with the unit: "1 to 16"."""
    low, high = pv.drive
    unit = f" {pv.unit.replace(PER_SECOND, '/s')}" if pv.unit else ""
    if pv.is_enum or pv.is_text or not (math.isfinite(low) or math.isfinite(high)):
        return ""
    bounds = [_short(x) for x in (low, high)]
    if math.isfinite(low) and math.isfinite(high):
        return f"{bounds[0]} to {bounds[1]}{unit}"
    return f"from {bounds[0]}{unit}" if math.isfinite(low) else f"to {bounds[1]}{unit}" if math.isfinite(high) else unit


def _short(number: float) -> str:
    return f"{number:.0f}" if abs(number) < 1e6 and number == int(number) else f"{number:.4g}"
