"""What operators, archivers, alarm handlers and readers need of an IOC, as text that follows from its description."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from pixieioc.export.access import access_security
from pixieioc.export.alarms import AlarmSite
from pixieioc.export.alh import alh
from pixieioc.export.archive import archive
from pixieioc.export.database import database, substitutions
from pixieioc.export.devices import detectors
from pixieioc.export.phoebus_alarms import phoebus_alarms, phoebus_component
from pixieioc.export.phone import phone_screens
from pixieioc.export.reference import reference
from pixieioc.export.saved import autosave, save_and_restore
from pixieioc.export.screens import screens
from pixieioc.pvinfo.description import Description

#: The files of a folder: file name -> text.
_Folder = Callable[[Description], Mapping[str, str]]

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
FOLDERS: Mapping[str, _Folder] = {"opi": screens}
#: The same, for those who want them.
WEB_FOLDERS: Mapping[str, _Folder] = {"web": phone_screens}
PVA_FOLDERS: Mapping[str, _Folder] = {"pva": functools.partial(screens, protocol="pva://")}
DEVICE_FOLDERS: Mapping[str, _Folder] = {"devices": detectors}


def outputs(
    description: Description, site: AlarmSite | None = None, *, web: bool = False, devices: bool = False,
    pva: bool = False,
) -> dict[str, str]:  # fmt: skip
    """The text of every file, by its path relative to where they are written.

    `web`, `devices` and `pva`: also those of WEB_FOLDERS, DEVICE_FOLDERS and PVA_FOLDERS.
    """
    made = {path: render(description) for path, render in FILES.items()}
    made |= {path: render(description, site or AlarmSite()) for path, render in ALARM_FILES.items()}
    wanted = {
        **FOLDERS,
        **(WEB_FOLDERS if web else {}),
        **(DEVICE_FOLDERS if devices else {}),
        **(PVA_FOLDERS if pva else {}),
    }
    for folder, render in wanted.items():
        made |= {f"{folder}/{name}": text for name, text in render(description).items()}
    return made
