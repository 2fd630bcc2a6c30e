"""The commands that work on recorded data, without EPICS: replay and recover."""

from __future__ import annotations

import dataclasses
import enum
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pixieioc import account
from pixieioc.cli_options import Sets, reason
from pixieioc.config import ConfigError, load

if TYPE_CHECKING:
    from pixieioc.offline.job import Job
    from pixieioc.pipeline import Parameter

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
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Take keV from this CSV file, or from the [calibration] of this TOML file "
            "(default: that of --config, or of the JSON files beside the raw files).",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Decode, sort, count and save recorded data, without EPICS; ^C leaves nothing behind."""
    from pixieioc.offline.interruption import Interrupted, Interruption
    from pixieioc.offline.job import Job
    from pixieioc.pipeline import Error

    if form is not None and out is None:
        raise typer.BadParameter("goes with --out only", param_hint="--format")
    _check_options(adc_mhz, firmware, module_pattern, window)
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
        calibration=calibration,
    )
    left = [f"{path}.part-*" for path in (out, plot) if path is not None]
    beside = f"; what is left of its files: {', '.join(left)}" if left else ""
    with Interruption(f"pixieioc: ended at once{beside}\n") as interruption:
        try:
            _replay(job, interruption.check, as_json=json)
        except (Error, OSError) as error:
            typer.echo(f"pixieioc: {reason(error)}", err=True)
            raise typer.Exit(1) from None
        except Interrupted as interrupted:
            if interrupted.number == signal.SIGINT:  # somebody is there to read it
                typer.echo("pixieioc: interrupted, nothing is kept", err=True)
            raise typer.Exit(interrupted.exit_code) from None


def recover(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="Files that end with .part, or patterns in quotes.")
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
    """Finish raw files (and events in npy) of runs that were cut off: count what is whole, describe and name them."""
    from pixieioc.offline.recover import layouts_of, recover_any, unfinished
    from pixieioc.pipeline import Error
    from pixieioc.tasks.names import shown, to_json

    _check_options(adc_mhz, firmware)
    layouts = layouts_of(adc_mhz, firmware, load(config) if config else None)
    done, refused = [], []
    for path in unfinished(files):
        try:
            found = recover_any(path, layouts)
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


def _check_options(
    adc_mhz: Sequence[float] | None,
    firmware: Sequence[float] | None,
    module_pattern: str | None = None,
    window: float | None = None,
) -> None:
    """ConfigError that names the option, if its value is impossible whatever the configuration is."""
    from pixieioc.listmode.variant import ADC_RATES
    from pixieioc.tasks.crate import CrateFacts
    from pixieioc.tasks.load_files import LoadFiles
    from pixieioc.tasks.sort_events import SortEvents

    problems = [
        f"--adc-mhz {rate:g}: must be one of {', '.join(map(str, ADC_RATES))}"
        for rate in adc_mhz or ()
        if rate not in ADC_RATES
    ]
    declared: list[tuple[str, Parameter[Any], Sequence[Any]]] = [
        ("--firmware", CrateFacts.firmware_revision, firmware or ()),
        ("--module-pattern", LoadFiles.module_pattern, () if module_pattern is None else (module_pattern,)),
        ("--window", SortEvents.window, () if window is None else (window,)),
    ]
    for option, parameter, values in declared:
        for value in values:
            try:
                parameter.check([value] if parameter.kind == "numbers" else value)
            except ValueError as error:
                shown = value if isinstance(value, str) else f"{value:g}"
                problems.append(f"{option} {shown}: {str(error).replace('a list of numbers', 'a number')}")
    if problems:
        raise ConfigError("; ".join(problems), problems=tuple(problems))


def _replay(job: Job, check: Callable[[], None], *, as_json: bool) -> None:
    from rich.console import Console

    from pixieioc.offline.replay import replay
    from pixieioc.offline.show import following, print_summary
    from pixieioc.pipeline import Error
    from pixieioc.pipeline.limits import claim

    claim(_TASKS_OF_A_REPLAY)
    if complaint := account.code_complaint():
        typer.echo(f"pixieioc: {complaint}", err=True)
    with following(Console(stderr=True), check) as listener:
        summary = replay(job, listener)
    if as_json:
        typer.echo(summary.to_json())
    else:
        print_summary(Console(), summary)
    if summary.damage:
        raise Error(f"not all could be read: {summary.damage if as_json else 'see damaged files'}")
