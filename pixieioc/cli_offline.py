"""The commands that work on recorded data, without EPICS: replay and recover."""

from __future__ import annotations

import dataclasses
import enum
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixieioc import account
from pixieioc.cli_options import Sets, reason
from pixieioc.config import load

if TYPE_CHECKING:
    from pixieioc.offline.job import Job

#: LoadFiles to WriteEvents, and some of a site.
_TASKS_OF_A_REPLAY = 8


class Format(enum.StrEnum):
    """File formats of events."""

    parquet = "parquet"
    npy = "npy"


def replay(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES...", help="Raw list-mode files, or patterns in quotes; - is the input."),
    ],
    adc_mhz: Annotated[
        list[float] | None, typer.Option(metavar="MHZ", help="ADC rate (default: 500); several times: one a module.")
    ] = None,
    firmware: Annotated[
        list[float] | None,
        typer.Option(metavar="REVISION", help="Firmware revision (default: 34688); several times: one a module."),
    ] = None,
    module_pattern: Annotated[
        str | None, typer.Option(metavar="REGEX", help=r"Finds the module in a file's name (default: mod(\d+)).")
    ] = None,
    window: Annotated[
        float | None, typer.Option(metavar="US", help="How far events may be out of order, in us (default: 100).")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="CONFIG.toml", help="Take settings and further tasks from this file.")
    ] = None,
    sets: Sets = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the sorted events to this file.")] = None,
    form: Annotated[Format | None, typer.Option("--format", help="Of that file (default: that of its name).")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the energy spectra: .png, .pdf or .svg.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Decode, sort, count and save recorded data, without EPICS; ^C leaves nothing behind."""
    from pixieioc.offline.job import Job
    from pixieioc.pipeline import Error

    if form is not None and out is None:
        raise typer.BadParameter("goes with --out only", param_hint="--format")
    job = Job(
        files=tuple(files),
        config=config,
        sets=tuple(sets or ()),
        adc_mhz=tuple(adc_mhz) if adc_mhz else None,
        firmware=tuple(firmware) if firmware else None,
        module_pattern=module_pattern,
        window_us=window,
        out=out,
        format=form.value if form is not None else None,
        plot=plot,
    )
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup has it ignored
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        _replay(job, as_json=json)
    except (Error, OSError) as error:
        typer.echo(f"pixieioc: {reason(error)}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("pixieioc: interrupted, nothing is kept", err=True)
        raise typer.Exit(128 + signal.SIGINT) from None


def recover(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="Raw files that end with .part, or patterns in quotes.")
    ],
    adc_mhz: Annotated[
        list[float] | None,
        typer.Option(metavar="MHZ", help="ADC rate (default: that of the run); several times: one per module."),
    ] = None,
    firmware: Annotated[
        list[float] | None,
        typer.Option(metavar="REVISION", help="Firmware revision (default: that of the run), likewise."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="CONFIG.toml", help="Take ADC rates and firmware revisions from this file.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Finish raw files of runs that were cut off: count whole records, make sidecars, give them their names."""
    from pixieioc.offline.recover import layouts_of, recover, unfinished
    from pixieioc.pipeline import Error
    from pixieioc.tasks.names import shown, to_json

    layouts = layouts_of(adc_mhz, firmware, load(config) if config else None)
    done, refused = [], []
    for path in unfinished(files):
        try:
            found = recover(path, layouts)
        except Error as error:
            refused.append({"file": str(path), "why": str(error)})
            typer.echo(shown(f"pixieioc: {error}"), err=True)
            continue
        done.append(found)
        if not json:
            typer.echo(shown(str(found)))
    if json:
        typer.echo(to_json({"recovered": [dataclasses.asdict(found) for found in done], "refused": refused}))
    if refused:
        raise typer.Exit(1)


def _replay(job: Job, *, as_json: bool) -> None:
    from rich.console import Console

    from pixieioc.offline.replay import replay
    from pixieioc.offline.show import following, print_summary
    from pixieioc.pipeline import Error
    from pixieioc.pipeline.limits import claim

    claim(_TASKS_OF_A_REPLAY)
    if complaint := account.code_complaint():
        typer.echo(f"pixieioc: {complaint}", err=True)
    with following(Console(stderr=True)) as listener:
        summary = replay(job, listener)
    if as_json:
        typer.echo(summary.to_json())
    else:
        print_summary(Console(), summary)
    if summary.damage:
        raise Error(f"not all could be read: {summary.damage if as_json else 'see damaged files'}")
