"""The Pipeline screen of a phone: the tasks below each other, and between them what waits and what was lost."""

from __future__ import annotations

from pixieioc.export.phone.sheet import ROW, Sheet, word
from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Box
from pixieioc.export.screens.layout import Site, states_of
from pixieioc.export.screens.loss import loss, loss_of_branch

_LINK_HEIGHT = 2 * ROW + 4
#: Where the arrows are, and what stands beside them.
_ARROW, _BESIDE = 24, 56


def pipeline_sheet(site: Site) -> str:
    """The file's text."""
    sheet = Sheet(site, "Pipeline", "pipeline.bob")
    graph = site.description.graph
    sheet.heading("Chain")
    for i, name in enumerate(graph.chain):
        if i:
            _link(sheet, graph.chain[i - 1], name)
        _task(sheet, name)
    for branch in graph.branches:
        first, *others = branch.chain
        sheet.heading(f"Branch behind {branch.behind}, {branch.mode}")
        _first_link(sheet, first, branch.mode)
        _task(sheet, first)
        for source, name in zip(branch.chain, others, strict=False):
            _link(sheet, source, name)
            _task(sheet, name)
    return sheet.text()


def _task(sheet: Sheet, name: str) -> None:
    """What a task does, whether it has failed, and how fast it is."""
    site = sheet.site
    box = sheet.strip(2 * ROW + 22)
    sheet.add(bob.rectangle(box, style.READ, name=f"task {name}"))
    inside = box.inner(6)
    title, status, error = Box(inside.x, inside.y, inside.width, ROW + 4).columns(48, 30, 22, gap=4)
    sheet.add(
        bob.label(title, name, style.TEXT_BOLD),
        *word(status, site(f"{name}:Status"), states_of(site.info(f"{name}:Status")), style.SMALL_BOLD),
        *word(error, site(f"{name}:ERROR"), states_of(site.info(f"{name}:ERROR")), style.SMALL_BOLD),
    )
    rate, caption, load = Box(inside.x, inside.y + ROW + 8, inside.width, ROW).columns(46, 28, 26)
    sheet.rate(rate, site(f"{name}:Rate_RBV"))
    sheet.add(
        bob.label(caption, "Processor", style.SMALL, style.FAINT, bob.RIGHT),
        bob.value(load, site(f"{name}:CpuLoad_RBV"), style.TEXT_BOLD),
    )


def _link(sheet: Sheet, source: str, target: str) -> None:
    """The arrow from one task to the next, red if something was lost, and what waits there."""
    site = sheet.site
    box = sheet.strip(_LINK_HEIGHT)
    points = [(_ARROW, box.y + 2), (_ARROW, box.y + box.height - 12)]
    sheet.add(bob.polyline(points, loss(site, source, target), name=f"link {source} {target}"))
    queue, lost = Box(_BESIDE, box.y, box.width - _BESIDE, ROW), Box(_BESIDE, box.y + ROW + 4, box.width - _BESIDE, ROW)
    caption, use, bar = queue.columns(22, 24, 54)
    sheet.add(
        bob.label(caption, "queue", style.SMALL, style.FAINT),
        bob.value(use, site(f"{target}:QueueUse_RBV"), style.SMALL_BOLD, background=None, precision=0),
        bob.bar(bar, site(f"{target}:QueueUse_RBV")),
    )
    _numbers(sheet, lost, (("dropped", f"{source}:Dropped_RBV"), ("missing", f"{target}:Balance_RBV")))


def _first_link(sheet: Sheet, target: str, mode: str) -> None:
    """The arrow to the first task of a branch; what a sampling one misses is a number and no more."""
    box = sheet.strip(ROW + 14)
    points = [(_ARROW, box.y + 2), (_ARROW, box.y + box.height - 12)]
    sheet.add(bob.polyline(points, loss_of_branch(sheet.site, target), name=f"link {target}"))
    beside = Box(_BESIDE, box.y + 4, box.width - _BESIDE, ROW)
    what = ("missed", f"{target}:Missed_RBV") if mode == "sampling" else ("queue", f"{target}:QueueUse_RBV")
    _numbers(sheet, beside, (what, ("missing", f"{target}:Balance_RBV")))


def _numbers(sheet: Sheet, box: Box, shown: tuple[tuple[str, str], ...]) -> None:
    for area, (caption, name) in zip(box.columns(*[1] * len(shown)), shown, strict=True):
        left, right = area.columns(48, 52, gap=4)
        sheet.add(
            bob.label(left, caption, style.SMALL, style.FAINT),
            bob.value(right, sheet.site(name), style.SMALL_BOLD, background=None),
        )
