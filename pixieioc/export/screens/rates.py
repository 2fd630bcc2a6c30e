"""The Rates screen: a map of the crate by module and channel."""

from __future__ import annotations

from pixieioc.export.screens import bob, style
from pixieioc.export.screens.bob import Box, Display
from pixieioc.export.screens.layout import GAP, Site, columns_for, rate, screen

#: What each channel shows: caption, unit, and the name behind the channel's.
_SHOWN = (("in", "/s", "InputCountRate_RBV"), ("out", "/s", "OutputCountRate_RBV"), ("dead", "%", "DeadTime_RBV"))
#: The bars of rates are logarithmic, so that channels can be compared that are far apart.
_LOWEST, _HIGHEST = 1, 1e6
_SIDE, _COMPACT_SIDE = 76, 124
#: Cells that are wide enough for captions, rows that are high enough for bars, modules for a heading of each channel.
_WITH_CAPTIONS, _WITH_BARS, _WITH_HEADS = 240, 44, 110
_HEAD = 24


#: The channels of a module, and what each of them has.
Shape = tuple[tuple[str, tuple[str, ...]], ...]


def rates_screens(site: Site) -> dict[str, str]:
    """The files' texts: the screen, and a module; one for each kind of module, if not all have the same channels."""
    display, room = screen(site, "Rates", "rates.bob")
    modules = sorted({module for _, _, name in _SHOWN for module, _ in site.channels(name)})
    shapes: dict[Shape, str] = {}
    gap = GAP
    height = (room.height + gap) // len(modules) - gap
    compact = height < _WITH_HEADS
    if compact:
        _heads(display, room, sorted({channel for _, _, name in _SHOWN for _, channel in site.channels(name)}))
        room, gap = Box(room.x, room.y + _HEAD, room.width, room.height - _HEAD), 4
        height = max(62, (room.height + gap) // len(modules) - gap)
    for module, row in zip(modules, room.rows(height, gap), strict=False):
        shape = _shape(site, module)
        file = shapes.setdefault(shape, f"rates_module{len(shapes) + 1 if shapes else ''}.bob")
        display.add(bob.copies(row, file, [{"M": module}], 1))
    size = Box(0, 0, room.width, height)
    made = {file: (_compact if compact else _module)(site, size, shape) for shape, file in shapes.items()}
    return {"rates.bob": display.text()} | made


def _heads(display: Display, room: Box, channels: list[str]) -> None:
    """One row of headings for all modules."""
    cells = _cells(Box(0, 0, room.width, _HEAD), len(channels))
    for channel, cell in zip(channels, cells, strict=True):
        area = Box(room.x + cell.x, room.y, cell.width, _HEAD)
        display.add(bob.label(area, channel, style.SMALL_BOLD, style.FAINT, bob.CENTER))


def _cells(box: Box, count: int) -> list[Box]:
    """The channels of a module in a row, in the compact map."""
    return Box(_COMPACT_SIDE, 1, box.width - _COMPACT_SIDE - 4, box.height - 2).grid(count, 1, 3)


def _compact(site: Site, box: Box, shape: Shape) -> str:
    """A module in little space: numbers only, under the headings of all modules."""
    display = Display("Rates, one module", box.width, box.height)
    display.add(bob.rectangle(box))
    shown = [each for each in _SHOWN if any(each[2] in names for _, names in shape)]
    step = (box.height - 2) // len(shown)
    button = Box(2, 2, 50, box.height - 4)
    if any("Spectrum_RBV" in names for _, names in shape):
        display.add(bob.opener(button, "$(M=00)", "spectra.bob", {"M": "$(M=00)", "C": "00"}, style.TEXT_BOLD))
    else:
        display.add(bob.label(button, "$(M=00)", style.TEXT_BOLD, style.INK, bob.CENTER))
    for i, (caption, unit, _) in enumerate(shown):
        area = Box(58, 1 + i * step, _COMPACT_SIDE - 60, step)
        display.add(bob.label(area, f"{caption} {unit}", style.TINY, style.FAINT))
    for cell, (channel, names) in zip(_cells(box, len(shape)), shape, strict=True):
        for i, (_, unit, name) in enumerate(shown):
            if name in names:
                area = Box(cell.x, cell.y + i * step, cell.width, step - 1)
                pv = f"{site.start}M$(M=00):C{channel}:{name}"
                digits = 1 if unit == "%" else 0
                display.add(bob.value(area, pv, style.TINY_BOLD, bob.CENTER, units=False, precision=digits))
    return display.text()


def _shape(site: Site, module: str) -> Shape:
    """The channels of a module, and what each of them has."""
    what: dict[str, tuple[str, ...]] = {}
    for name in (*(name for _, _, name in _SHOWN), "Spectrum_RBV"):
        for of, channel in site.channels(name):
            if of == module:
                what[channel] = (*what.get(channel, ()), name)
    return tuple(sorted(what.items()))


def _module(site: Site, box: Box, shape: Shape) -> str:
    display = Display("Rates, one module", box.width, box.height)
    display.add(bob.rectangle(box))
    shown = [each for each in _SHOWN if any(each[2] in names for _, names in shape)]
    count = len(shape)
    side, room = Box(6, 4, _SIDE, box.height - 8), Box(6 + _SIDE, 4, box.width - _SIDE - 12, box.height - 8)
    columns = columns_for(count, room, 1.3)
    cells = room.grid(columns, -(-count // columns), 6)[:count]
    step = cells[0].height // (1 + len(shown))
    captions = cells[0].width >= _WITH_CAPTIONS
    display.add(bob.label(Box(side.x, side.y, side.width, min(step, 44)), "M $(M=00)", style.TEXT_BOLD))
    if not captions:
        for row in range(-(-count // columns)):
            for i, (caption, unit, _) in enumerate(shown, 1):
                area = Box(side.x, cells[row * columns].y + i * step, side.width, step)
                display.add(bob.label(area, f"{caption}  {unit}", style.SMALL, style.FAINT))
    for cell, (channel, names) in zip(cells, shape, strict=True):
        its_own = [(caption, name if name in names else "") for caption, _, name in shown]
        _channel(site, display, cell, channel, its_own, captions=captions, spectrum="Spectrum_RBV" in names)
    return display.text()


def _channel(
    site: Site,
    display: Display,
    cell: Box,
    channel: str,
    shown: list[tuple[str, str]],
    *,
    captions: bool,
    spectrum: bool,
) -> None:
    """A cell of the map; `shown` are captions and names, which are empty for what the channel has not."""
    step = cell.height // (1 + len(shown))
    head = Box(cell.x, cell.y, cell.width, min(step, 44) - 2)
    text = f"channel {channel}" if captions else channel
    if spectrum:
        macros = {"M": "$(M=00)", "C": channel}
        display.add(bob.opener(head, text, "spectra.bob", macros, style.SMALL_BOLD))
    else:
        display.add(bob.label(head, text, style.SMALL_BOLD, style.INK, bob.CENTER))
    font = style.HUGE if captions and step >= 100 else style.LARGE_BOLD if captions else style.TEXT_BOLD
    used, step = head.height + 4, (cell.height - head.height - 4) // len(shown)
    for i, (caption, name) in enumerate(shown):
        if not name:
            continue
        pv = f"{site.start}M$(M=00):C{channel}:{name}"
        area = Box(cell.x, cell.y + used + i * step, cell.width, step - 2)
        bars = step >= _WITH_BARS
        line = Box(area.x, area.y, area.width, area.height - (16 if bars else 0))
        if captions:
            left, line = line.columns(18, 82)
            display.add(bob.label(left, caption, style.TEXT, style.FAINT))
        share = name == "DeadTime_RBV"
        if captions and not share:
            rate(display, line, pv, font, share=0.65)
        else:
            display.add(bob.value(line, pv, font, bob.CENTER, units=captions, precision=1 if share else 0))
        if bars:
            below = Box(area.x, area.y + area.height - 16, area.width, 12)
            limits = (0, 100) if share else (_LOWEST, _HIGHEST)
            display.add(bob.bar(below, pv, *limits, log=not share))
