"""The commands for those who look after an IOC and its host: conform, drill and doctor."""

from __future__ import annotations

import secrets
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from pixieioc.cli_options import ConfigFile, Interfaces, Prefix, Sets

#: Exit code of a test that could not be made.
CANNOT_TEST = 3
Slack = Annotated[
    float,
    typer.Option(min=0.1, metavar="SECONDS", help="What network and computers may take on top of what a rule says."),
]


def conform(
    prefix: Annotated[
        str, typer.Argument(metavar="PREFIX", help="Prefix of the IOC, as in PX16:.", show_default=False)
    ],
    rule: Annotated[
        list[int] | None, typer.Option("--rule", metavar="N", help="Only this rule; several times.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE.xml", help="Write a report for programs, too.")] = None,
    files: Annotated[
        str, typer.Option(metavar="DIR", help="A folder on the IOC's computer into which raw files may be written.")
    ] = "",
    faults: Annotated[
        bool, typer.Option("--faults", help="Also kill and suspend tasks, if the IOC is on this computer.")
    ] = False,
    slack: Slack = 1.0,
    force: Annotated[bool, typer.Option("--force", help="Test an IOC that is not in simulation.")] = False,
    steps: Annotated[bool, typer.Option("--steps", help="Show what was done and seen for all checks.")] = False,
) -> None:
    """Test the rules of run control on a running IOC in simulation, which is left as it was."""
    try:
        from pixieioc.conform.session import conform
    except ModuleNotFoundError as error:
        typer.echo(f"pixieioc: conform needs {error.name}: pip install 'pixieioc[conform]'", err=True)
        raise typer.Exit(CANNOT_TEST) from None
    from pixieioc.conform.results import CannotTest
    from pixieioc.conform.rules import RULES
    from pixieioc.conform.show import junit as as_junit
    from pixieioc.conform.show import text
    from pixieioc.conform.target import Allowed

    wanted = rule or list(RULES)
    if unknown := [number for number in wanted if number not in RULES]:
        raise typer.BadParameter(f"there are rules {min(RULES)} to {max(RULES)}, not {unknown[0]}", param_hint="--rule")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # all is brought back then, too
    try:
        report = conform(
            prefix,
            Allowed(faults, files, slack),
            wanted,
            force=force,
            listener=lambda result: typer.echo(f"rule {result.rule}, {result.name}: {result.verdict}", err=True),
        )
    except CannotTest as error:
        typer.echo(f"pixieioc: {error}", err=True)
        raise typer.Exit(CANNOT_TEST) from None
    for line in text(report, RULES, steps=steps):
        typer.echo(line)
    if junit is not None:
        junit.write_text(as_junit(report), encoding="utf-8")
    if not report.conforms:
        raise typer.Exit(1)


def drill(
    prefix: Annotated[
        str, typer.Argument(metavar="PREFIX", help="Prefix of the IOC, as in PX16:.", show_default=False)
    ],
    times: Annotated[int, typer.Option("--times", min=1, metavar="N", help="How often each fault is done.")] = 1,
    task: Annotated[
        list[str] | None, typer.Option("--task", metavar="NAME", help="Only in this task; several times.")
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option("--fault", metavar="NAME", help="Only this fault, as the table names it.")
    ] = None,
    slack: Slack = 1.0,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="The random moments are those of this number again.")
    ] = None,
) -> None:
    """Kill, suspend and starve each task in runs of an IOC in simulation, and see what becomes of them."""
    try:
        from pixieioc.conform.client import CaClient
    except ModuleNotFoundError as error:
        typer.echo(f"pixieioc: drill needs {error.name}: pip install 'pixieioc[conform]'", err=True)
        raise typer.Exit(CANNOT_TEST) from None
    from pixieioc.conform.client import NoAnswer
    from pixieioc.drill.drill import Drill, Unfit
    from pixieioc.drill.faults import FAULTS

    seed = secrets.randbelow(10**6) if seed is None else seed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # settings are brought back then, too
    try:
        drill = Drill(CaClient(prefix), seed, slack)
        if unknown := [name for name in task or () if name not in drill.tasks]:
            raise Unfit(f"no task {unknown[0]} in this IOC; there are: {', '.join(drill.tasks)}")
        if unknown := [name for name in fault or () if name not in FAULTS]:
            raise Unfit(f"no fault {unknown[0]!r}; there are: {'; '.join(FAULTS)}")
        with drill.prepared():
            for done in (FAULTS[name] for name in fault or FAULTS):
                for each in (task or drill.tasks) * times:
                    for stop in (False, True):
                        typer.echo(f"{done.name} of {each}{', with a Stop' if stop else ''}", err=True)
                        drill.round(done, each, stop=stop)
    except (Unfit, NoAnswer) as error:
        typer.echo(f"pixieioc: {error}", err=True)
        raise typer.Exit(CANNOT_TEST) from None
    typer.echo(f"seed {seed}")
    for line in drill.table.lines():
        typer.echo(line)
    if drill.table.violations:
        raise typer.Exit(1)


def doctor(
    config: ConfigFile,
    prefix: Prefix = None,
    sets: Sets = None,
    interfaces: Interfaces = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Look whether this host can run the IOC of a configuration, and say what to mend; exit code 1 if it cannot."""
    from pixieioc.config import load
    from pixieioc.doctor.examine import as_json, examined, healthy, text

    checked = load(config, sets or (), prefix)
    findings = examined(checked, interfaces.replace(",", " ").split() if interfaces else ())
    for line in [as_json(findings)] if json else text(findings):
        typer.echo(line)
    if not healthy(findings):
        raise typer.Exit(1)
