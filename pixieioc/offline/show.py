"""What a terminal shows of an offline job: a bar while it runs, a table afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from pixieioc.counted import counted
from pixieioc.offline.replay import Listener
from pixieioc.offline.summary import Summary
from pixieioc.tasks.names import shown


@contextlib.contextmanager
def following(console: Console, check: Callable[[], None] = lambda: None) -> Iterator[Listener]:
    """A listener that shows a bar if `console` is a terminal, and what tasks print in any case; see its `check`."""

    def show(task: str, text: str) -> None:
        for line in text.splitlines():
            console.print(shown(f"{task}: {line}"), markup=False, highlight=False, soft_wrap=True)

    if not console.is_terminal:
        yield Listener(print=show, starting=show, check=check)
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[events]} events"),
        TimeRemainingColumn(compact=True),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        job = bar.add_task("replay", total=100.0, events=0)

        def progress(percent: float, events: int) -> None:
            bar.update(job, completed=percent, events=events, description="replay")

        def starting(task: str, what: str) -> None:
            bar.update(job, description=f"{task}: {what}")

        yield Listener(progress, show, starting, check)


def print_summary(console: Console, summary: Summary) -> None:
    """Prints a table of the channels and one of the whole."""
    if summary.channels:
        console.print(_channels(summary))
    console.print(_whole(summary))


def _channels(summary: Summary) -> Table:
    lasted, calibrated = _lasted(summary), summary.calibration is not None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=len(summary.channels) > 1)
    sums = ("all", "", summary.events, _rate(summary.events, lasted), _mean(summary.energy_sum, summary.events))
    names = ("module", "channel", "events", "events/s", "mean energy", *["mean keV"] * calibrated, "pile-up")
    footers = (*sums, *[""] * calibrated, summary.pileup)
    for name, footer in zip(names, footers, strict=True):
        table.add_column(name, str(footer), justify="right")
    texts = [name for name in ("name", "detector", "group") if any(getattr(each, name) for each in summary.channels)]
    for name in texts:
        table.add_column(name)
    for each in summary.channels:
        rate, mean = _rate(each.events, lasted), _mean(each.energy_sum, each.events)
        kev = ["none" if each.mean_kev is None else f"{each.mean_kev:.2f}"] if calibrated else []
        shown_texts = (escape(shown(getattr(each, name))) for name in texts)
        table.add_row(*map(str, (each.module, each.channel, each.events, rate, mean, *kev, each.pileup)), *shown_texts)
    return table


def _whole(summary: Summary) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    rows: list[tuple[str, str, bool]] = [
        ("events", str(summary.events), False),
        ("energy sum", f"{summary.energy_sum} ADC units", False),
        ("trace samples", str(summary.trace_samples), False),
        ("times", _times(summary), summary.counter_resets > 0),
        ("runs", str(summary.runs), False),
        ("bytes read", str(summary.bytes), False),
        ("corrupt regions", _corrupt(summary), summary.corrupt_regions > 0),
    ]
    if summary.calibration is not None:
        rows.append(("calibration", f"{summary.calibration}, of {summary.calibration_from}", False))
    elif summary.calibration_from:
        rows.append(("calibration", f"none: {summary.calibration_from}", True))
    if summary.bytes_left_over:
        left = counted(summary.bytes_left_over, "byte")
        rows.append(("left over", f"{left} of records that are not complete", True))
    if summary.damage:
        rows.append(("damaged files", summary.damage, True))
    if summary.late_events:
        rows.append(("late events", f"{summary.late_events}, out of order: see --window", True))
    if summary.modules_apart:
        rows.append(("modules apart", summary.modules_apart, True))
    rows.append(("run took", f"{summary.seconds:.3g} s", False))
    if summary.out:
        rows.append(("events are in", f"{summary.out}, {summary.bytes_written} bytes", False))
    if summary.plot:
        rows.append(("spectra are in", summary.plot, False))
    for name, text, warn in rows:
        table.add_row(name, escape(shown(text)), style="bold red" if warn else "")
    return table


def _corrupt(summary: Summary) -> str:
    if not summary.corrupt_regions:
        return "none"
    return f"{summary.corrupt_regions}, with {summary.bytes_lost} bytes that are in no event"


def _times(summary: Summary) -> str:
    if summary.first_time is None or summary.last_time is None:
        return "none"
    text = f"{summary.first_time} to {summary.last_time} ns"
    lasted = _lasted(summary)
    if lasted is None:
        return f"{text}; the counters restarted {counted(summary.counter_resets, 'time')}"
    return f"{text}, {lasted:.6g} s"


def _lasted(summary: Summary) -> float | None:
    if summary.first_time is None or summary.last_time is None or summary.counter_resets:
        return None
    return (summary.last_time - summary.first_time) / 1e9


def _rate(events: int, seconds: float | None) -> str:
    return f"{events / seconds:.1f}" if seconds else ""


def _mean(total: int, events: int) -> str:
    return f"{total / events:.1f}" if events else ""
