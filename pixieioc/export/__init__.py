"""What operators, archivers, alarm handlers and readers need of an IOC, as text that follows from its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pixieioc.export.access import access_security
from pixieioc.export.alarms import AlarmSite
from pixieioc.export.alh import alh
from pixieioc.export.archive import archive
from pixieioc.export.database import database, substitutions
from pixieioc.export.devices import devices
from pixieioc.export.phoebus_alarms import phoebus_alarms, phoebus_component
from pixieioc.export.reference import reference
from pixieioc.export.saved import autosave, save_and_restore
from pixieioc.export.screens import screens
from pixieioc.pvinfo.description import Description

#: Every file that is generated, by its path, and what it is written from.
FILES: Mapping[str, Callable[[Description], str]] = {
    "db/pixieioc.db": database,
    "db/pixieioc.substitutions": substitutions,
    "db/pixieioc.req": autosave,
    "db/pixieioc.acf": access_security,
    "db/pixieioc-archive.json": archive,
    "db/pixieioc-save-restore.csv": save_and_restore,
    "db/PVS.md": reference,
}
#: The files for alarm handlers, which also say where the IOC stands among others.
ALARM_FILES: Mapping[str, Callable[[Description, AlarmSite], str]] = {
    "db/pixieioc-alarms.xml": phoebus_alarms,
    "db/pixieioc-alarms-component.xml": phoebus_component,
    "db/pixieioc.alhConfig": alh,
}
#: Folders of which the description also says which files there are: file name -> text.
FOLDERS: Mapping[str, Callable[[Description], Mapping[str, str]]] = {"opi": screens}
#: Those of the modules for programs that use the IOC, which are made on wish.
CLIENTS: Mapping[str, Callable[[Description], Mapping[str, str]]] = {"devices": devices}


def outputs(description: Description, site: AlarmSite | None = None, *, clients: bool = False) -> dict[str, str]:
    """The text of every file, by its path relative to where they are written; with `clients` the modules of these."""
    made = {path: render(description) for path, render in FILES.items()}
    made |= {path: render(description, site or AlarmSite()) for path, render in ALARM_FILES.items()}
    for folder, render in {**FOLDERS, **(CLIENTS if clients else {})}.items():
        made |= {f"{folder}/{name}": text for name, text in render(description).items()}
    return made
