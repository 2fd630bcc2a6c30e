"""Runs an alarm server, in a process of its own: prints `PV SEVERITY` for every change, acknowledges what stdin names.

`alarm_watch.py FOLDER_OF_ALARM_SITE TREE.xml CA_ADDRESSES`; the first line is `ready`; it ends with its stdin.
"""

from __future__ import annotations

import importlib
import os
import select
import sys
from typing import Any


def _site(base: Any) -> Any:
    """The site, with the port of a repeater that is there: otherwise the client starts one, which would stay."""

    class Site(base):
        def _alarm_server_command(self, *arguments: str) -> list[str]:
            command = super()._alarm_server_command(*arguments)
            with (self.log_folder / "alarm.ini").open("a") as settings:
                settings.write(f"org.phoebus.pv.ca/repeater_port={os.environ['EPICS_CA_REPEATER_PORT']}\n")
            return command

    return Site


def main(folder: str, tree: str, addresses: str) -> None:
    """All of it; exit code 3 and the reason if there is no alarm server here."""
    sys.path.insert(0, folder)
    module: Any = importlib.import_module("alarm_site")
    try:
        with _site(module.AlarmSite)(tree, ca_addr=addresses) as site:
            print("ready", flush=True)
            while True:
                for state in site.poll(0.1):
                    print(state.pv, state.severity, flush=True)
                if select.select([sys.stdin], [], [], 0)[0]:
                    name = sys.stdin.readline().strip()
                    if not name:
                        return
                    site.acknowledge(name)
    except module.NotAvailable as error:
        print(error, flush=True)
        sys.exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
