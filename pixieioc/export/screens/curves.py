"""The Spectra and Traces screens: all channels of a module small, one channel large."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace

from pixieioc.export.screens import bob, energies, style
from pixieioc.export.screens.bob import Axis, Box, Display
from pixieioc.export.screens.layout import GAP, Site, columns_for, control_of, panel, rate, screen, setting, states_of

#: Cells that are wide enough for axes.
_WITH_AXES = 300
#: A logarithmic axis that scales itself would begin at the smallest number there is.
_LOG_LIMITS = (0.5, 1e6)


@dataclass(frozen=True)
class _Kind:
    """What the curves are: the channel's array, and the words for it."""

    title: str
    array: str
    x: str
    y: str
    #: What a channel tells beside its curve, for the small ones.
    number: str
    #: Whether they are histograms.
    steps: bool = False
    #: Whether the axis of y is logarithmic. That is a file of its own: web clients know no macros for it.
    log: bool = False

    def file(self, owner: str) -> str:
        """The display file of a task's curves; of the task whose channels stand before all tasks' names without it."""
        return f"{self._name}{f'_{owner}' if owner else ''}.bob"

    def cell(self, owner: str) -> str:
        """The display file of one small curve."""
        return f"{self._name}_cell{f'_{owner}' if owner else ''}.bob"

    @property
    def _name(self) -> str:
        return f"{'log_' if self.log else ''}{self.title.lower()}"

    def axis(self, title: str, *, shown: bool = True) -> Axis:
        """The axis of y."""
        return Axis(title, _LOG_LIMITS, "false", "true", shown) if self.log else Axis(title, shown=shown)


_SPECTRA = _Kind("Spectra", "Spectrum_RBV", "bin", "events", "OutputCountRate_RBV", steps=True)
_TRACES = _Kind("Traces", "Trace_RBV", "sample", "ADC units", "TraceEnergy_RBV")
#: How spectra can be drawn, as the buttons say.
_SCALES = {"linear": _SPECTRA, "logarithmic": replace(_SPECTRA, log=True)}


def spectra_screens(site: Site) -> dict[str, str]:
    """The files' texts: for each task with spectra and each scale the screen, and a small spectrum."""
    files: dict[str, str] = {}
    for owner in site.description.owners(_SPECTRA.array):
        for kind in _SCALES.values():
            files |= _spectra(replace(site, owner=owner), kind)
    return files


def traces_screens(site: Site) -> dict[str, str]:
    """The files' texts: for each task with traces the screen, and a small trace."""
    files: dict[str, str] = {}
    for owner in site.description.owners(_TRACES.array):
        files |= _traces(replace(site, owner=owner))
    return files


def _spectra(site: Site, kind: _Kind) -> dict[str, str]:
    in_kev = energies.has_kev(site)
    rest = energies.HEIGHT + GAP if in_kev else 0
    display, large, below = _screen(site, kind, 300 + rest if site.has_channel("ROI1:Low") else rest)
    numbers = [i for i in range(1, 33) if site.has_channel(f"ROI{i}:Low")]
    regions = [(i, style.CURSORS[(i - 1) % len(style.CURSORS)]) for i in numbers]
    display.add(bob.rectangle(large))
    display.add(*energies.spectrum(site, large, kind.axis(kind.y), regions, toolbar=True))
    if below is not None and in_kev:
        energies.calibration(site, display, Box(below.x, below.y, below.width, energies.HEIGHT))
        below = Box(below.x, below.y + rest, below.width, below.height - rest)
    if below is not None and numbers:
        _regions(site, display, below, numbers)
    return {kind.file(site.owner): display.text(), kind.cell(site.owner): _cell(site, kind)}


def _traces(site: Site) -> dict[str, str]:
    task = site.info(f"{site.before}M00:C00:Trace_RBV").source.task
    shown = [name for name in ("Freeze", "Interval") if f"{task}:{name}" in site]
    display, large, below = _screen(site, _TRACES, 52 if shown else 0)
    display.add(
        bob.rectangle(large),
        bob.plot(large, site.channel(_TRACES.array), Axis(_TRACES.x), Axis(_TRACES.y), toolbar=True),
    )
    if below is not None:
        display.add(bob.rectangle(below))
        for area, name in zip(below.inner(8).columns(*[1] * len(shown), gap=24), shown, strict=True):
            setting(site, display, area, name, f"{task}:{name}", (26, 40, 34))
    return {_TRACES.file(site.owner): display.text(), _TRACES.cell(site.owner): _cell(site, _TRACES)}


def _screen(site: Site, kind: _Kind, below: int) -> tuple[Display, Box, Box | None]:
    """The screen with its small curves; the areas of the large one, and of what is `below` it."""
    file = kind.file(site.owner)
    title = f"{kind.title}, log" if kind.log else kind.title
    display, room = screen(site, title, replace(kind, log=False).file(site.owner))
    top = Box(room.x, room.y, room.width, 40)
    room = _below_the_choices(site, kind, room)
    if len(owners := site.description.owners(kind.array)) > 1:
        _tasks(site, owners, display, kind, top)
        top = Box(top.x, top.y + 48, top.width, 40)
    if len(modules := _modules_of(site, kind)) > 1:
        _modules(modules, display, file, top)
    left, right = room.columns(44, 56)
    columns, rows, cell = _grid(site, kind, left)
    # They have M from here: web clients would look for ever for the value of a macro that is its own.
    channels = [{"C": channel} for module, channel in site.channels(kind.array) if module == "00"]
    display.add(
        bob.copies(
            Box(left.x, left.y, columns * (cell.width + GAP), rows * (cell.height + GAP)),
            kind.cell(site.owner),
            channels,
            columns,
            GAP,
        )
    )
    head = Box(right.x, right.y, right.width, 44)
    display.add(*_head(site, kind, head))
    bottom = below + GAP if below else 0
    large = Box(right.x, right.y + 52, right.width, right.height - 52 - bottom)
    area = Box(right.x, right.y + right.height - below, right.width, below) if below else None
    return display, large, area


def _modules_of(site: Site, kind: _Kind) -> list[str]:
    """The modules that have such curves; all have them for as many channels."""
    return sorted({module for module, _ in site.channels(kind.array)})


def _below_the_choices(site: Site, kind: _Kind, room: Box) -> Box:
    """What rows of buttons leave: which task's curves, and which module's."""
    several = (len(site.description.owners(kind.array)) > 1) + (len(_modules_of(site, kind)) > 1)
    return Box(room.x, room.y + 48 * several, room.width, room.height - 48 * several)


def _tasks(site: Site, owners: list[str], display: Display, kind: _Kind, box: Box) -> None:
    """Which task's curves are shown: each has a screen of its own, whose channels may be others."""
    label, *areas = box.columns(16, *[84 / len(owners)] * len(owners), gap=8)
    display.add(bob.label(label, f"{kind.title} of", style.TEXT, style.FAINT))
    for owner, area in zip(owners, areas, strict=True):
        task = owner or site.info(f"M00:C00:{kind.array}").source.task
        colors = (style.WHITE, style.HEADER_BUTTON) if owner == site.owner else (style.INK, style.WHITE)
        macros = {"M": "00", "C": "00"}
        display.add(bob.opener(area, task, kind.file(owner), macros, style.TEXT_BOLD, *colors))


def _modules(modules: list[str], display: Display, file: str, box: Box) -> None:
    """Which module's channels are shown."""
    label, *areas = box.columns(8, *[7] * len(modules))
    display.add(bob.label(label, "Module", style.TEXT, style.FAINT))
    for module, area in zip(modules, areas, strict=True):
        display.add(bob.opener(area, module, file, {"M": module}))


def _head(site: Site, kind: _Kind, box: Box) -> list[ET.Element]:
    """Which channel the large curve is of, and how it is drawn."""
    title, *rest = box.columns(44, 28, 28) if kind is _TRACES else box.columns(27, 9, 16, 20, 11, 17)
    widgets = [bob.label(title, "Module $(M=00)  channel $(C=00)", style.HEADING)]
    if kind is _TRACES:
        return [
            *widgets,
            bob.label(rest[0], "energy of the event", style.TEXT, style.FAINT, bob.RIGHT),
            bob.value(rest[1], site.channel(kind.number), style.HEADING),
        ]
    buttons = [
        bob.opener(area, text, scale.file(site.owner))
        for area, (text, scale) in zip(rest[3:], _SCALES.items(), strict=True)
    ]
    scale = bob.label(
        rest[2], f"scale: {'logarithmic' if kind.log else 'linear'}", style.SMALL_BOLD, style.INK, bob.CENTER
    )
    counts = bob.value(rest[1], site.channel("Counts_RBV"), style.HEADING)
    return [*widgets, bob.label(rest[0], "events", style.TEXT, style.FAINT, bob.RIGHT), counts, scale, *buttons]


def _regions(site: Site, display: Display, box: Box, numbers: list[int]) -> None:
    """The regions of interest: their cursors in the plot, and what is in them."""
    inside = panel(display, box, "Regions of interest")
    said = Box(inside.x, inside.y + inside.height - 44, inside.width, 44)
    rows = inside.rows(min(34, (inside.height - 44) // max(1, len(numbers)) - 4), 4)
    in_kev = energies.has_kev(site)
    shares = (3, 22, 11, 11, 14, 14, 13, 13) if in_kev else (3, 30, 16, 16, 18, 18)
    headings = ("", "Name", "First bin", "Last bin", *["From", "To"] * in_kev, "Counts", "Net")
    head = Box(inside.x, inside.y - 30, inside.width, 24)
    for column, heading in zip(head.columns(*shares), headings, strict=True):
        if heading and heading != "Name":
            display.add(bob.label(column, heading, style.SMALL, style.FAINT))
    for row, i in zip(rows, numbers, strict=False):
        mark, name, low, high, *kev, counts, net = row.columns(*shares)
        color = style.CURSORS[(i - 1) % len(style.CURSORS)]
        display.add(
            bob.rectangle(mark, color, color, 0, f"cursor {i}"),
            *(_edge(site, area, f"ROI{i}:{what}") for area, what in ((name, "Name"), (low, "Low"), (high, "High"))),
            *(
                energies.while_calibrated(site, _edge(site, area, f"ROI{i}:{what}"))
                for area, what in zip(kev, ("LowKev", "HighKev"), strict=False)
            ),
            bob.value(counts, site.channel(f"ROI{i}:Counts_RBV"), style.HEADING),
            bob.value(net, site.channel(f"ROI{i}:Net_RBV"), style.HEADING),
        )

    lamp, message = said.columns(14, 86)
    display.add(
        bob.lamp(lamp, site("CmdStatus_RBV"), states_of(site.info("CmdStatus_RBV")), style.SMALL_BOLD),
        bob.value(message, site("CmdMessage_RBV"), style.SMALL, text=True, wrap=True),
    )


def _edge(site: Site, box: Box, what: str) -> ET.Element:
    """A region's name or edge; it shows that it was refused, or is not in use yet."""
    info, pv = site.info(f"{site.before}M00:C00:{what}"), site.channel(what)
    written = bob.literal(f"{site.before}M$(M=00):C$(C=00):{what}")
    mark = site.channel(f"{what}_RBV") if info.role == "setpoint" else ""
    return control_of(site, box, info, pv, written, mark=mark)


def _grid(site: Site, kind: _Kind, box: Box) -> tuple[int, int, Box]:
    """Columns and rows for all channels of a module, and the first cell."""
    count = len(site.channels(kind.array)) // len(_modules_of(site, kind))
    columns = columns_for(count, box, 1.0)
    rows = -(-count // columns)
    return columns, rows, box.grid(columns, rows, GAP)[0]


def _cell(site: Site, kind: _Kind) -> str:
    """One small curve; its heading opens it large."""
    _, room = screen(site, kind.title, kind.file(site.owner))
    room = _below_the_choices(site, kind, room)
    _, _, cell = _grid(site, kind, room.columns(44, 56)[0])
    display = Display(f"{kind.title}, one channel", cell.width, cell.height, style.PAPER)
    display.add(bob.rectangle(Box(0, 0, cell.width, cell.height)))
    button, number = Box(4, 4, cell.width - 8, 30).columns(38, 62, gap=4)
    display.add(
        bob.opener(
            button,
            "channel $(C=00)" if cell.width >= _WITH_AXES else "$(C=00)",
            kind.file(site.owner),
            {"M": "$(M=00)", "C": "$(C=00)"},
            style.TEXT_BOLD,
        )
    )
    if kind.steps:
        every = replace(site, owner="")  # the source tells rates, whichever task fills spectra
        if every.has_channel(kind.number):
            rate(display, number, every.channel(kind.number), style.SMALL_BOLD, None)
    else:
        pv = site.channel(kind.number)
        display.add(bob.value(number, pv, style.SMALL_BOLD, bob.RIGHT, background=None, precision=0))
    left = 12 if kind.log else 2  # web clients cut the numbers of a logarithmic axis off there
    area = Box(left, 36, cell.width - left - 2, cell.height - 38)
    axes = cell.width >= _WITH_AXES
    y = kind.axis("", shown=axes)
    if kind.steps:
        display.add(*energies.spectrum(site, area, y, ()))
    else:
        display.add(bob.plot(area, site.channel(kind.array), Axis(shown=axes), y))
    return display.text()
