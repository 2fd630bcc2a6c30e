"""The command line: arguments to objects, objects run. The only module that knows every room."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

import pixieioc
from pixieioc import account
from pixieioc.cli_exit import ExitCode, end_now, exit_codes, said
from pixieioc.cli_host import conform, doctor, drill
from pixieioc.cli_offline import recover, replay
from pixieioc.cli_options import ConfigFile, Interfaces, Prefix, Sets, Verbose
from pixieioc.cli_runs import runs
from pixieioc.config import Config, ConfigError, examine, load
from pixieioc.pipeline.validate import like
from pixieioc.utf8 import start_again_in_utf8_mode

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Data acquisition for XIA Pixie-16 digitizers, controlled over EPICS Channel Access.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pixieioc {pixieioc.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """What goes before a command."""


@app.command()
@exit_codes()
def run(
    config: ConfigFile,
    prefix: Prefix = None,
    sets: Sets = None,
    list_pvs: Annotated[bool, typer.Option("--list-pvs", help="Print the process variables and end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="With --list-pvs: as JSON, with all that is known.")] = False,
    interfaces: Interfaces = None,
    restore: Annotated[
        bool,
        typer.Option(
            "--restore/--no-restore",
            help="Restore the settings that were saved, or begin with those of the configuration.",
        ),
    ] = True,
    verbose: Verbose = False,
) -> None:
    """Run an IOC for the pipeline of a configuration file, until ^C or SIGTERM."""
    if json and not list_pvs:
        raise typer.BadParameter("goes with --list-pvs only", param_hint="--json")
    checked = load(config, sets or (), prefix)
    if list_pvs:
        _print_pvs(checked, json=json)
    else:
        addresses = interfaces.replace(",", " ").split() if interfaces else None
        _serve(checked, addresses, verbose, f"{checked.prefix} serves {checked.graph}", restore=restore)


@app.command()
def check(config: ConfigFile, prefix: Prefix = None, sets: Sets = None) -> None:
    """Check a configuration file and the files that it names: print everything that is wrong, or what they describe."""
    from pixieioc.pvinfo.build import all_pvs

    examined = examine(config, sets or (), prefix, files=True)
    problems, pvs = list(examined.problems), {}
    if examined.access_file is not None:
        from pixieioc.ioc.access import read_file

        with _collecting(problems):
            rules = read_file(examined.access_file, examined.macros)
            for line, text in rules.warnings:
                typer.echo(f"pixieioc: note: {examined.access_file}:{line}: {text}", err=True)
    checked = examined.config
    if checked is not None:
        with _collecting(problems, f"{config}: "):
            pvs = all_pvs(checked)
    if checked is None or problems:
        raise ConfigError("; ".join(problems), problems=tuple(problems))
    typer.echo(f"{config}: {checked.graph}, prefix {checked.prefix}, {len(pvs)} process variables")


@contextlib.contextmanager
def _collecting(problems: list[str], where: str = "") -> Iterator[None]:
    """What is wrong in here is one more problem."""
    try:
        yield
    except ConfigError as error:
        problems += [f"{where}{problem}" for problem in error.problems]


@app.command()
def generate(
    config: ConfigFile,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Write below this folder, into db/ and opi/.")],
    prefix: Prefix = None,
    sets: Sets = None,
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if a file there is not what would be written.")
    ] = False,
    alarm_name: Annotated[
        str, typer.Option(metavar="NAME", help="The IOC's name in the alarm tree (default: the prefix).")
    ] = "",
    alarm_parent: Annotated[
        str,
        typer.Option(metavar="CONFIG/GROUP", help="The alarm server's configuration and groups that the tree is in."),
    ] = "",
    display_folder: Annotated[
        str, typer.Option(metavar="DIR", help="Folder of the screens, as alarms link to it (default: Phoebus' own).")
    ] = "",
    devices: Annotated[
        bool, typer.Option("--devices", help="Also write detectors for bluesky, into devices/.")
    ] = False,
    web: Annotated[
        bool, typer.Option("--web", help="Also write screens for a phone, to be read only, into web/.")
    ] = False,
    pva: Annotated[
        bool, typer.Option("--pva", help="Also write the screens with pva:// before each name, into pva/.")
    ] = False,
) -> None:
    """Write database, screens, alarm tree, archiver and save lists and a reference of all PVs of a configuration."""
    from pixieioc.export import outputs
    from pixieioc.export.alarms import alarm_site
    from pixieioc.export.write import stale, write
    from pixieioc.pvinfo.description import Description

    description = Description.of(load(config, sets or (), prefix))
    try:
        site = alarm_site(alarm_name, alarm_parent, display_folder)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    files = outputs(description, site, web=web, devices=devices, pva=pva)
    if check_only:
        if old := stale(out, files):
            typer.echo(f"pixieioc: not current in {out}: {', '.join(old)}", err=True)
            raise typer.Exit(1)
        typer.echo(f"{out}: all {len(files)} files are current")
    else:
        changed = write(out, files)
        written = f"{len(changed)} of them written: {', '.join(changed)}" if changed else "all current, none is written"
        typer.echo(f"{out}: {len(files)} files, {written}")


@app.command()
@exit_codes()
def demo(
    prefix: Prefix = None,
    start: Annotated[bool, typer.Option("--start", help="Start a run at once.")] = False,
    verbose: Verbose = False,
) -> None:
    """Run an IOC with a simulated source through the whole chain, on this computer only."""
    # Its own folder is that of the installation; what an operator names without a folder is not meant to go there.
    checked = dataclasses.replace(load(_example("demo.toml"), (), prefix), folder=Path.cwd())
    from pixieioc.cli_text import demo_hint
    from pixieioc.ioc.ca.environment import Environment

    port = Environment.read(os.environ).server_port
    address = "127.0.0.1" if port == Environment.server_port else f"127.0.0.1:{port}"
    _serve(checked, ["127.0.0.1"], verbose, demo_hint(checked.prefix, address), start=start)


app.command()(replay)
app.command()(recover)
app.add_typer(runs, name="runs")
app.command()(doctor)
app.command()(conform)
app.command()(drill)


@app.command()
def tasks(name: Annotated[str | None, typer.Argument(help="Only this task.")] = None) -> None:
    """List the tasks that there are, with their parameters and reports."""
    from pixieioc.pipeline import Task

    if name is not None and name not in Task.class_registry:
        close = like(name, list(Task.class_registry))
        there = close if close.endswith("?") else f"; there are: {', '.join(Task.class_registry)}"
        raise ConfigError(f"no task {name!r}{there}")
    broken: list[str] = []
    for each in [name] if name else Task.class_registry:
        try:
            cls = Task.class_registry[each]
        except Exception as error:  # whatever a site's package does when it is imported
            broken.append(f"{each} cannot be imported: {type(error).__name__}: {error}")
        else:
            _print_task(each, cls)
    if broken:
        raise ConfigError("; ".join(broken), problems=tuple(broken))


def _serve(
    config: Config,
    interfaces: list[str] | None,
    verbose: bool,
    hello: str,
    *,
    start: bool = False,
    restore: bool = True,
) -> None:
    from pixieioc.ioc.app import run_ioc
    from pixieioc.ioc.last_resort import LastResort
    from pixieioc.ioc.logs import begin
    from pixieioc.ioc.loop import run as run_loop
    from pixieioc.pipeline.limits import claim

    claim(len(config.tasks), config.ioc.servers)
    for complaint in (account.code_complaint(), account.state_complaint(config.state_folder)):
        if complaint:
            typer.echo(f"pixieioc: {complaint}", err=True)
    wanted = config.ioc.log
    file = config.folder / Path(wanted.file).expanduser() if wanted.file else None
    logs = begin(file, wanted.size, wanted.keep, "info" if verbose else wanted.level)
    hello_said = functools.partial(typer.echo, hello)
    last = LastResort()
    run_loop(run_ioc(config, interfaces, start=start, restore=restore, on_ready=hello_said, logs=logs, last=last))
    end_now(ExitCode.DONE, last.left)


def _example(name: str) -> Path:
    """A file of `examples/`: inside the installed package, or beside it in a checkout."""
    package = Path(pixieioc.__file__).parent
    installed = package / "examples" / name
    return installed if installed.is_file() else package.parent / "examples" / name


def _print_pvs(config: Config, *, json: bool) -> None:
    from pixieioc.export.listing import as_json, listing
    from pixieioc.pvinfo.description import Description

    description = Description.of(config)
    typer.echo(as_json(description) if json else listing(description), nl=False)


def _print_task(name: str, cls: type) -> None:
    from pixieioc.cli_text import task_lines
    from pixieioc.pipeline import Task

    if not issubclass(cls, Task):
        raise ConfigError(f"{name} is {cls.__module__}.{cls.__qualname__}, which is no task")
    for line in task_lines(name, cls):
        typer.echo(line)


def main() -> None:
    """The program: what cannot be done is printed on stderr, a line for each problem, with exit code 1."""
    from pixieioc.pipeline import Error

    start_again_in_utf8_mode()
    try:
        app()
    except (Error, OSError) as error:
        sys.exit(said(error))


if __name__ == "__main__":
    main()
