"""Options that several commands have, and how an error is printed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="Configuration file.", show_default=False)]
Prefix = Annotated[str | None, typer.Option(help="Prefix of all process variables, as in PX16: (default: the file's).")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="TASK.PARAMETER=VALUE", help="Override a value.")]
Interfaces = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS,...", help="Where to listen (default: EPICS_CAS_INTF_ADDR_LIST, or everywhere)."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens.")]


def reason(error: Exception) -> str:
    """The text of an error: one of the system as `FILE: reason`."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)
