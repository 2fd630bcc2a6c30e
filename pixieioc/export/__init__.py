"""What operators, archivers, alarm handlers and readers need of an IOC, as text that follows from its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pixieioc.export.database import database, substitutions
from pixieioc.pvinfo.description import Description

#: Every file that is generated, by its path, and what it is written from.
FILES: Mapping[str, Callable[[Description], str]] = {
    "db/pixieioc.db": database,
    "db/pixieioc.substitutions": substitutions,
}
#: Folders of which the description also says which files there are: file name -> text.
FOLDERS: Mapping[str, Callable[[Description], Mapping[str, str]]] = {}


def outputs(description: Description) -> dict[str, str]:
    """The text of every file, by its path relative to where they are written."""
    made = {path: render(description) for path, render in FILES.items()}
    for folder, render in FOLDERS.items():
        made |= {f"{folder}/{name}": text for name, text in render(description).items()}
    return made
