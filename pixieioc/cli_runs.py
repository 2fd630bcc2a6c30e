"""The commands of the catalogue of runs: `pixieioc runs [FOLDER]`, `runs show N`, `runs verify`."""

from __future__ import annotations

import contextlib
import json as json_format
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pixieioc.counted import counted

if TYPE_CHECKING:
    from pixieioc.catalogue import Catalogue, Filter

#: The command that is meant if none is named.
_LIST = "list"
#: Runs in a table, unless more are asked for: whoever looks wants to see the latest ones, at once.
_ROWS = 50


class _ListByDefault(TyperGroup):
    """`runs FOLDER --good` is `runs list FOLDER --good`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the name of the command before its arguments, if it is missing."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = [_LIST, *args]
        return super().parse_args(ctx, args)


runs = typer.Typer(
    cls=_ListByDefault,
    rich_markup_mode=None,
    help="List the runs whose sidecars are in a folder and below it; `runs show N` tells all of one, `runs verify` "
    "compares the data files with their checksums. `runs list --help` has the filters.",
)
Folder = Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Folder with data, and all below it.")]
Wanted = Annotated[str, typer.Option("--run", metavar="N, N-M or N-", help="Only runs with these numbers.")]
Rebuild = Annotated[bool, typer.Option("--rebuild", help="Throw the index away and make it again.")]
Index = Annotated[Path | None, typer.Option(metavar="FILE", help="Where the index is (default: a cache of yours).")]
_HERE = Path()


@runs.command(_LIST)
def list_runs(
    folder: Folder = _HERE,
    run: Wanted = "",
    since: Annotated[str, typer.Option(metavar="DATE", help="Only runs that began then or later.")] = "",
    until: Annotated[str, typer.Option(metavar="DATE", help="Only runs that began by the end of that day.")] = "",
    title: Annotated[str, typer.Option(metavar="TEXT", help="Only runs whose title contains this, in any case.")] = "",
    experiment: Annotated[str, typer.Option(metavar="TEXT", help="Likewise, the experiment.")] = "",
    operator: Annotated[str, typer.Option(metavar="TEXT", help="Likewise, the operator.")] = "",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Likewise, the reason of the end.")] = "",
    text: Annotated[str, typer.Option(metavar="TEXT", help="Likewise, any of these, the comment, the failure.")] = "",
    good: Annotated[bool | None, typer.Option("--good/--bad", help="Only runs that ended as they should, or not.")] = (
        None
    ),
    last: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help=f"Only the latest N; 0: all. A table has {_ROWS} unless this says otherwise."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    rebuild: Rebuild = False,
    index: Index = None,
) -> None:
    """List runs in the order of their beginnings."""
    from pixieioc.catalogue import Filter, count, find
    from pixieioc.catalogue.show import as_csv, plain, table

    if json and csv:
        raise typer.BadParameter("is another form than --json", param_hint="--csv")
    limit = last if last is not None else 0 if json or csv else _ROWS
    wanted = Filter(run, since, until, title, experiment, operator, reason, text, good, limit)
    with _opened(folder, rebuild=rebuild, index=index) as catalogue:
        rows = find(catalogue.db, wanted)
        if json:
            typer.echo(json_format.dumps([plain(row) for row in rows], indent=1, ensure_ascii=False))
        elif csv:
            typer.echo(as_csv(rows), nl=False)
        elif rows:
            typer.echo("\n".join(table(rows)))
            if last is None and (earlier := count(catalogue.db, wanted) - len(rows)):
                typer.echo(f"pixieioc: note: {earlier} earlier runs are not shown, --last 0 shows all", err=True)
        else:
            typer.echo(_none(catalogue, wanted))


@runs.command()
def show(
    number: Annotated[int, typer.Argument(metavar="N", help="Number of the run.")],
    folder: Folder = _HERE,
    json: Annotated[bool, typer.Option("--json", help="Print its record as JSON.")] = False,
    index: Index = None,
) -> None:
    """Show all that is known of a run: texts, times, counts, losses, conditions, files."""
    from pixieioc.catalogue import Filter, find
    from pixieioc.catalogue.details import sidecars_of
    from pixieioc.catalogue.show import details, plain
    from pixieioc.pipeline import Error

    with _opened(folder, index=index) as catalogue:
        rows = find(catalogue.db, Filter(runs=str(number)))
        if not rows:
            raise Error(f"run {number}: {catalogue.root} has no sidecar of it")
        told: list[dict[str, Any]] = []
        for row in rows:  # of several IOCs
            files = sidecars_of(catalogue, row)
            about = files[0][1] if files else {}
            if json:
                sidecars = {str(path): each for path, each in files}
                told.append({**plain(row), "record": about.get("record"), "sidecars": sidecars})
            else:
                typer.echo("\n".join(details(row, about, files)))
        if json:
            typer.echo(json_format.dumps(told, indent=1, ensure_ascii=True))


@runs.command()
def verify(
    folder: Folder = _HERE,
    run: Wanted = "",
    quick: Annotated[bool, typer.Option("--quick", help="Compare sizes only: no file is read.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON array of all files.")] = False,
    index: Index = None,
) -> None:
    """Compare data files with size and checksum in their sidecars; exit code 1 if one is missing or has changed."""
    from pixieioc.catalogue import Filter, find
    from pixieioc.catalogue.verify import verify as look
    from pixieioc.tasks.names import shown

    found: list[dict[str, str]] = []
    with _opened(folder, thorough=True, index=index) as catalogue:
        rows = find(catalogue.db, Filter(runs=run))
        for each in look(catalogue, rows, checksums=not quick):
            found.append({"file": shown(each.path), "checked": each.checked, "problem": each.problem})
            if each.problem and not json:
                typer.echo(f"{shown(each.path)}: {each.problem}")
    wrong = sum(bool(each["problem"]) for each in found)
    if json:
        typer.echo(json_format.dumps(found, indent=1))
    else:
        by = ", ".join(f"{_count(found, by)} by {by}" for by in ("sha256", "size", "presence") if _count(found, by))
        looked_at = f"{counted(len(rows), 'run')}, {counted(len(found), 'file')} looked at"
        typer.echo(f"{looked_at} ({by}), {wrong} wrong" if by else f"{looked_at}, {wrong} wrong")
    if wrong:
        raise typer.Exit(1)


def _count(found: list[dict[str, str]], checked: str) -> int:
    return sum(each["checked"] == checked for each in found)


@contextlib.contextmanager
def _opened(
    folder: Path, *, rebuild: bool = False, thorough: bool = False, index: Path | None = None
) -> Iterator[Catalogue]:
    """The catalogue; how far its index is, and why it cannot be kept, is said on stderr."""
    from pixieioc.catalogue import open_catalogue

    def told(read: int) -> None:
        typer.echo(f"\rreading sidecars: {read}", nl=False, err=True)

    with open_catalogue(folder, told, rebuild=rebuild, thorough=thorough, index=index) as catalogue:
        if catalogue.changes.added >= 1000:
            typer.echo("\r" + " " * 40 + "\r", nl=False, err=True)
        if catalogue.why:
            typer.echo(f"pixieioc: note: the index cannot be kept: {catalogue.why}", err=True)
        if catalogue.changes.damaged:
            damaged = counted(catalogue.changes.damaged, "sidecar is", "sidecars are")
            typer.echo(f"pixieioc: note: {damaged} damaged, see runs verify", err=True)
        yield catalogue


def _none(catalogue: Catalogue, wanted: Filter) -> str:
    from pixieioc.catalogue import Filter

    (count,) = catalogue.db.execute("SELECT count(*) FROM runs").fetchone()
    if count and wanted != Filter(limit=wanted.limit):
        return f"none of {counted(count, 'run')} in {catalogue.root} is like that"
    return f"no run has a sidecar in {catalogue.root}"
