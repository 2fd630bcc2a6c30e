"""The Pipeline screen: the graph as it is, a box a task, and between them what waits and what was lost or missed."""

from __future__ import annotations

from itertools import islice

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Box, Display
from pixieioc.export.screens.layout import HEIGHT, MARGIN, Site, panel, reading, screen, states_of
from pixieioc.export.screens.loss import loss, loss_of_branch
from pixieioc.export.screens.task import file_of
from pixieioc.pvinfo.description import Description, TaskInfo

_MOST_COLUMNS = 4
#: Room for an arrow between two boxes, and between two rows of them.
_BETWEEN, _BETWEEN_ROWS = 148, 104
#: Height of a box, and of its only row.
_BOX_HEIGHT, _TALL = 290, 470
_STRIP_HEIGHT = 152


def pipeline_screen(site: Site) -> str:
    """The file's text; a long chain, and branches, make the screen higher."""
    graph = site.description.graph
    cells = _cells(site.description)
    rows, columns = (1 + max(cell[axis] for cell in cells.values()) for axis in (1, 0))
    tall = _BOX_HEIGHT if rows > 1 else _TALL
    used = rows * tall + (rows - 1) * _BETWEEN_ROWS
    height = max(HEIGHT, 64 + 3 * MARGIN + used + _STRIP_HEIGHT)
    display, room = screen(site, "Pipeline", "pipeline.bob", height)
    width = (room.width - (columns - 1) * _BETWEEN) // columns
    step = _BOX_HEIGHT + _BETWEEN_ROWS
    boxes = {
        name: Box(room.x + column * (width + _BETWEEN), room.y + row * step, width, tall)
        for name, (column, row) in cells.items()
    }
    for task in site.description.tasks:
        _task(site, display, task, boxes[task.name])
    for link in graph.links:
        box, to = boxes[link.source], boxes[link.target]
        if any(branch.chain[0] == link.target for branch in graph.branches):
            _branch_link(site, display, link.source, link.target, link.mode, box, to)
        else:
            _link(site, display, link.source, link.target, box, to)
    strip = _STRIP_HEIGHT if rows > 1 else height - used - room.y - 2 * MARGIN
    _strip(site, display, Box(room.x, height - MARGIN - strip, room.width, strip))
    return display.text()


def _cells(description: Description) -> dict[str, tuple[int, int]]:
    """Column and row of each task: the chain row by row, each branch below, and below its task where there is room."""
    graph = description.graph
    chains = [graph.chain, *(branch.chain for branch in graph.branches)]
    columns = max(-(-len(chain) // -(-len(chain) // _MOST_COLUMNS)) for chain in chains)
    cells = {name: (i % columns, i // columns) for i, name in enumerate(graph.chain)}
    for branch in graph.branches:
        row = 1 + max(cell[1] for cell in cells.values())
        first = min(cells[branch.behind][0], max(0, columns - len(branch.chain))) if branch.behind in cells else 0
        for i, name in enumerate(branch.chain):
            cells[name] = ((first + i) % columns, row + (first + i) // columns)
    return cells


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
    display.add(bob.polyline(points, loss(site, source, target), name=f"link {source} {target}"))
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


def _branch_link(site: Site, display: Display, source: str, target: str, mode: str, box: Box, to: Box) -> None:
    """The arrow to the first task of a branch, from the task above or from where the text says; red if items are lost.

    What a sampling branch misses is a number and no more.
    """
    down, across = box.x + box.width // 2, to.x + to.width // 2
    turn = to.y - _BETWEEN_ROWS // 2
    points = [(across, turn), (across, to.y - 18)]
    if to.y - box.y - box.height <= _BETWEEN_ROWS:  # otherwise there are other tasks in between
        points = [(down, box.y + box.height + 2), (down, turn), *points]
    display.add(bob.polyline(points, loss_of_branch(site, target), name=f"link {source} {target}"))
    left, right = Box(to.x, turn + 6, to.width // 2 - 16, 40), Box(across + 16, turn + 10, to.width // 2 - 16, 30)
    for text, row, font in zip(
        (mode, f"behind {source}"), left.rows(19, 2), (style.SMALL_BOLD, style.TINY), strict=False
    ):
        display.add(bob.label(row, text, font, style.FAINT))
    if mode == "sampling":
        missed = site(f"{target}:Missed_RBV")
        reading(display, right, "missed", missed, 0.36, style.TEXT_BOLD)
    else:
        reading(display, right, "queue", site(f"{target}:QueueUse_RBV"), 0.36, style.TEXT_BOLD)


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
