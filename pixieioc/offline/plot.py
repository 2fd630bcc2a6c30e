"""Energy spectra as a picture: a panel for each module or group of its channels, in keV where they are known."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.offline.summary import Spectra, Summary
from pixieioc.pipeline import Error
from pixieioc.pipeline.channel_values import channel_name
from pixieioc.tasks.disk import replace_file
from pixieioc.tasks.names import shown

#: Curves in one panel that can still be told apart.
_CURVES = 6
#: Bins that a panel shows at most; more of them are added up to wider ones.
_BINS = 512
_WIDTH, _HEIGHT, _DPI = 8.0, 3.4, 120


def plot(spectra: Spectra, summary: Summary, path: Path) -> None:
    """Writes a picture in the format of its name; Error if that is not possible."""
    # The object interface, without pyplot: no display is looked for, nothing global is left.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _panels(spectra)
    columns = 1 if len(panels) <= 3 else 2
    rows = max(1, math.ceil(len(panels) / columns))
    figure = Figure(figsize=(_WIDTH * columns, _HEIGHT * rows + 0.6), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_title(summary), fontsize="medium")
    if spectra.events_elsewhere:
        figure.supxlabel(f"{spectra.events_elsewhere} events of further modules or channels are not shown")
    if not panels:
        figure.text(0.5, 0.5, "no events", ha="center")
    counts, width = _shown(spectra)
    for number, (module, channels) in enumerate(panels):
        _draw(figure.add_subplot(rows, columns, number + 1), counts[module], width, module, channels, spectra)
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix.lower().removeprefix("."))
    try:
        replace_file(path, picture.getvalue())
    except OSError as error:
        raise Error(f"cannot write {shown(path.name)}: {error.strerror}") from error


def _panels(spectra: Spectra) -> list[tuple[int, list[int]]]:
    """Modules with the channels that have events, in groups that can be told apart, and of one kind of axis."""
    filled: NDArray[Any] = spectra.counts.max(axis=2) > 0
    found: list[tuple[int, list[int]]] = []
    for module in np.flatnonzero(filled.sum(axis=1)).tolist():
        for calibrated in (True, False):
            channels = [
                c for c in np.flatnonzero(filled[module]).tolist() if _has_kev(spectra, module, c) == calibrated
            ]
            groups = math.ceil(len(channels) / _CURVES)
            found += [(module, part.tolist()) for part in np.array_split(channels, groups or 1) if len(part)]
    return found


def _has_kev(spectra: Spectra, module: int, channel: int) -> bool:
    return spectra.calibration.has(module, channel)


def _shown(spectra: Spectra) -> tuple[NDArray[Any], float]:
    """The part of the spectra that has events, in bins that a panel can show, and their width."""
    filled = np.flatnonzero(spectra.counts.any(axis=(0, 1)))
    used = int(filled[-1]) + 1 if len(filled) else spectra.counts.shape[2]
    together = max(1, math.ceil(used / _BINS))
    bins = min(math.ceil(1.02 * used / together), spectra.counts.shape[2] // together) or 1
    counts = spectra.counts[:, :, : bins * together].astype(np.int64)
    return counts.reshape(*counts.shape[:2], bins, together).sum(axis=3), spectra.width * together


def _draw(axes: Any, counts: NDArray[Any], width: float, module: int, channels: list[int], spectra: Spectra) -> None:
    edges = np.arange(counts.shape[1] + 1) * width
    in_kev = _has_kev(spectra, module, channels[0])
    ends: list[tuple[float, float]] = []
    for channel in channels:
        total = int(spectra.counts[module, channel].sum(dtype=np.int64))
        x = spectra.calibration.kev(module, channel, edges) if in_kev else edges
        ends.append((x[0], x[-1]))
        axes.stairs(
            counts[channel], x, label=f"{_named(spectra, module, channel)}: {_grouped(total)} events", linewidth=1.1
        )
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(0.7, 2 * max(1, int(counts[channels].max())))
    axes.set_xlim(min(begin for begin, _ in ends), max(end for _, end in ends))
    axes.set_title(f"module {module}", loc="left", fontsize="medium")
    axes.set_xlabel("energy (keV)" if in_kev else "energy (ADC units)" + _why_not(spectra))
    axes.set_ylabel(f"events per {width:g} ADC units")
    axes.grid(alpha=0.25)
    axes.legend(fontsize="small", ncols=1 if len(channels) <= 3 else 2)


def _named(spectra: Spectra, module: int, channel: int) -> str:
    """A channel, with its name if it has one, in which matplotlib would see formulas."""
    name = spectra.calibration.channels.get(channel_name(module, channel), {}).get("name", "")
    return f"channel {channel}" + (f" {name}".replace("$", r"\$") if name else "")


def _why_not(spectra: Spectra) -> str:
    """Where other channels are in keV, an axis that is not says that."""
    return ", not calibrated" if spectra.calibration.version else ""


def _title(summary: Summary) -> str:
    first, more = shown(Path(summary.files[0]).name), len(summary.files) - 1
    name = f"{first} and {more} more" if more else first
    lasted = ""
    if summary.first_time is not None and summary.last_time is not None and not summary.counter_resets:
        lasted = f" in {(summary.last_time - summary.first_time) / 1e9:.4g} s"
    return f"{name}: {_grouped(summary.events)} events{lasted}"


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", "\N{THIN SPACE}")
