"""The Pipeline screen: the chain as it is, a box a task, and between them what waits and what was lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Box, Display
from pixieioc.export.screens.layout import HEIGHT, MARGIN, Site, panel, reading, screen, states_of
from pixieioc.export.screens.task import file_of
from pixieioc.pvinfo.description import TaskInfo

_MOST_COLUMNS = 4
#: Room for an arrow between two boxes, and between two rows of them.
_BETWEEN, _BETWEEN_ROWS = 148, 104
#: Height of a box, and of its only row.
_BOX_HEIGHT, _TALL = 290, 470
_STRIP_HEIGHT = 152


def pipeline_screen(site: Site) -> str:
    """The file's text; a long chain makes the screen higher."""
    chain = site.description.chain
    rows = -(-len(chain) // _MOST_COLUMNS)
    columns = -(-len(chain) // rows)
    tall = _BOX_HEIGHT if rows > 1 else _TALL
    graph = rows * tall + (rows - 1) * _BETWEEN_ROWS
    height = max(HEIGHT, 64 + 3 * MARGIN + graph + _STRIP_HEIGHT)
    display, room = screen(site, "Pipeline", "pipeline.bob", height)
    room = Box(room.x, room.y, room.width, graph + (room.height - graph - _STRIP_HEIGHT - MARGIN if rows > 1 else 0))
    width = (room.width - (columns - 1) * _BETWEEN) // columns
    step = _BOX_HEIGHT + _BETWEEN_ROWS
    boxes = [
        Box(room.x + (i % columns) * (width + _BETWEEN), room.y + (i // columns) * step, width, tall)
        for i in range(len(chain))
    ]
    for task, box in zip(chain, boxes, strict=True):
        _task(site, display, task, box)
    for i in range(len(chain) - 1):
        _link(site, display, chain[i].name, chain[i + 1].name, boxes[i], boxes[i + 1])
    strip = _STRIP_HEIGHT if rows > 1 else height - graph - room.y - 2 * MARGIN
    _strip(site, display, Box(room.x, height - MARGIN - strip, room.width, strip))
    return display.text()


def _task(site: Site, display: Display, task: TaskInfo, box: Box) -> None:
    name = task.name
    inside = box.inner(10)
    title, below = Box(inside.x, inside.y, inside.width, 46), Box(inside.x, inside.y + 54, inside.width, 46)
    display.add(bob.rectangle(box, name=f"task {name}"))
    display.add(bob.opener(title, name, file_of(task), None, style.HEADING))
    status, error = below.columns(64, 36)
    display.add(
        bob.lamp(status, site(f"{name}:Status"), states_of(site.info(f"{name}:Status")), style.HEADING),
        bob.lamp(error, site(f"{name}:ERROR"), states_of(site.info(f"{name}:ERROR"))),
    )
    rest = Box(inside.x, inside.y + 110, inside.width, inside.height - 110)
    rows, font = rest.rows((rest.height + 6) // 4 - 6, 6), style.LARGE_BOLD if box.height == _TALL else style.HEADING
    reading(display, next(rows), "Rate", site(f"{name}:Rate_RBV"), 0.38, font, per_second=True)
    counted = "Events_RBV" if f"{name}:Events_RBV" in site else "Counter_RBV"
    caption = "Events" if counted == "Events_RBV" else "Messages"
    reading(display, next(rows), caption, site(f"{name}:{counted}"), 0.38, font)
    reading(display, next(rows), "Execution", site(f"{name}:ExecutionTime_RBV"), 0.38, font)
    reading(display, next(rows), "Processor", site(f"{name}:CpuLoad_RBV"), 0.38, font)


def _link(site: Site, display: Display, source: str, target: str, box: Box, to: Box) -> None:
    """The arrow from one task to the next: red if something was lost or waits in vain, orange if much waits."""
    loss = [f"{source}:Dropped_RBV", f"{target}:Balance_RBV", f"{target}:QueueUse_RBV"]
    limits = [site.info(name).limits for name in loss]
    cases = [(_beyond(limits, 0, 3), style.MAJOR), (_beyond(limits, 1, 2), style.MINOR)]
    color = bob.rule("loss", "line_color", [site(name) for name in loss], cases)
    if to.y == box.y:
        middle = box.y + box.height // 2
        start, end = box.x + box.width + 6, to.x - 20
        points = [(start, middle), (end, middle)]
        info = Box(start, middle - 92, end - start + 14, 76), Box(start, middle + 20, end - start + 14, 64)
    else:
        turn = (box.y + box.height + to.y) // 2
        down, across = box.x + box.width // 2, to.x + to.width // 2
        points = [(down, box.y + box.height + 2), (down, turn), (across, turn), (across, to.y - 18)]
        center = (down + across) // 2
        info = Box(center - 210, turn - 40, 420, 30), Box(center - 210, turn + 10, 420, 30)
    display.add(bob.polyline(points, color, name=f"link {source} {target}"))
    above, below = info
    use, dropped, missing = site(f"{target}:QueueUse_RBV"), site(f"{source}:Dropped_RBV"), site(f"{target}:Balance_RBV")
    if to.y == box.y:
        rows = above.rows(24, 2)
        display.add(bob.label(next(rows), "queue", style.TEXT, style.FAINT, bob.CENTER))
        display.add(bob.value(next(rows), use, style.TEXT_BOLD, bob.CENTER, background=None))
        display.add(bob.bar(next(rows), use))
        for caption, pv, row in zip(("dropped", "missing"), (dropped, missing), below.rows(28, 4), strict=False):
            reading(display, row, caption, pv, 0.58, style.TEXT_BOLD)
    else:
        caption, number, filled = above.columns(24, 20, 56)
        display.add(bob.label(caption, "queue", style.TEXT, style.FAINT, bob.RIGHT))
        display.add(bob.value(number, use, style.TEXT_BOLD, background=None), bob.bar(filled, use))
        for caption, pv, column in zip(("dropped", "missing"), (dropped, missing), below.columns(1, 1), strict=True):
            reading(display, column, caption, pv, 0.4, style.TEXT_BOLD)


def _beyond(limits: Sequence[tuple[float, float, float, float]], low: int, high: int) -> str:
    """The expression for one of several numbers being beyond its own limits: those with these places among them.

    The severity itself is not known to rules of web clients.
    """
    exceeded = [f"pv{i} <= {of[low]:g}" for i, of in enumerate(limits) if math.isfinite(of[low])]
    exceeded += [f"pv{i} >= {of[high]:g}" for i, of in enumerate(limits) if math.isfinite(of[high])]
    return " || ".join(exceeded)


def _strip(site: Site, display: Display, box: Box) -> None:
    """What is going on, and the task that failed first."""
    left, right = box.columns(1, 1)
    inside = panel(display, left, "What is going on")
    display.add(bob.value(inside, site("StatusMessage_RBV"), style.TEXT_BOLD, text=True, wrap=True))
    inside = panel(display, right, "Error: the first, from which others may follow")
    last, side = inside.columns(72, 28)
    first, button = islice(side.rows(44, 8), 2)
    display.add(
        bob.value(last, site("ErrorFirstMessage_RBV"), text=True, wrap=True),
        bob.value(first, site("ErrorFirst_RBV"), style.HEADING, bob.CENTER, text=True),
        bob.command(button, "Acknowledge", site("ErrorAck"), style.TEXT_BOLD),
    )
