"""Runs an alarm server, in a process of its own: prints `PV SEVERITY` for every change and `! SENTENCE` for all that is
announced, and acknowledges what stdin names.

`alarm_watch.py FOLDER_OF_ALARM_SITE TREE.xml CA_ADDRESSES`; the first line is `ready`; it ends with its stdin.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import sys
import xml.etree.ElementTree as ET
from typing import Any
from xml.etree import ElementInclude


def _site(base: Any) -> Any:
    """The site, with the port of a repeater that is there: otherwise the client starts one, which would stay."""

    class Site(base):
        def sentences(self) -> list[str]:
            """What has been announced since the last call."""
            records = [each for several in self._talk.poll().values() for each in several]
            return [json.loads(record.value)["talk"] for record in records if record.value is not None]

        def _path_of(self, pv: str) -> str:
            """Also of a tree that is made of others."""
            tree = ET.parse(self.tree).getroot()
            ElementInclude.include(tree)
            parents = {child: parent for parent in tree.iter() for child in parent}
            path = [next(each for each in tree.iter("pv") if each.get("name") == pv)]
            while path[0] in parents:
                path.insert(0, parents[path[0]])
            return "".join(f"/{each.get('name')}" for each in path)

        def _make_consumer(self) -> Any:
            kafka: Any = importlib.import_module("kafka")
            self._talk = kafka.KafkaConsumer(bootstrap_servers=self.kafka)
            partition = kafka.TopicPartition(f"{self.config}Talk", 0)
            self._talk.assign([partition])
            self._talk.seek_to_beginning()
            return super()._make_consumer()

        def _alarm_server_command(self, *arguments: str) -> list[str]:
            command = super()._alarm_server_command(*arguments)
            with (self.log_folder / "alarm.ini").open("a") as settings:
                settings.write(f"org.phoebus.pv.ca/repeater_port={os.environ['EPICS_CA_REPEATER_PORT']}\n")
            return command

    return Site


def main(folder: str, tree: str, addresses: str) -> None:
    """All of it; exit code 3 and the reason if there is no alarm server here."""
    # Four virtual machines that live for a minute: what compiles them well takes longer than it saves.
    os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
    sys.path.insert(0, folder)
    module: Any = importlib.import_module("alarm_site")
    try:
        with _site(module.AlarmSite)(tree, ca_addr=addresses) as site:
            print("ready", flush=True)
            while True:
                for state in site.poll(0.1):
                    print(state.pv, state.severity, flush=True)
                for sentence in site.sentences():
                    print("!", sentence, flush=True)
                if select.select([sys.stdin], [], [], 0)[0]:
                    names = os.read(sys.stdin.fileno(), 4096).decode()  # whole lines: each is written at once
                    if not names:
                        return
                    for name in names.split():
                        site.acknowledge(name)
    except module.NotAvailable as error:
        print(error, flush=True)
        sys.exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
