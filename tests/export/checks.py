"""What must hold for generated files, whatever the configuration: each function yields what is wrong."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

from pixieioc.pvinfo.about import may_alarm
from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.ioc_stats import ALIVE
from pixieioc.pvinfo.model import PvInfo

Files = Mapping[str, str]
#: What Phoebus' alarm server writes to a severity PV.
SEVERITY_LEVELS = 9


def known(name: str, description: Description) -> PvInfo | None:
    """The process variable of a full name."""
    return description.pvs.get(name.removeprefix(description.prefix)) if name.startswith(description.prefix) else None


def alarm_tree(files: Files, description: Description) -> Iterator[str]:
    """Names, what is said of each alarm, the order that the reader wants, links."""
    root = ET.fromstring(files["db/pixieioc-alarms.xml"])
    seen: set[str] = set()
    if root.tag != "config" or not root.get("name") or set(root.get("name", "")) & set("/: "):
        yield f"the root is {root.tag} {root.get('name')!r}"
    if strange := {child.tag for child in root} - {"pv", "component"}:
        yield f"ignored on the root: {strange}"
    for group in (root, *root.iter("component")):
        tags = [child.tag for child in group if child.tag in ("pv", "component")]
        if tags != sorted(tags, reverse=True):
            yield f"{group.get('name')}: a group's PVs must stand before its groups"
        names = [child.get("name") for child in group if child.tag in ("pv", "component")]
        if len(set(names)) < len(names) or not all(names) or any("/" in str(name) for name in names):
            yield f"{group.get('name')}: names {names}"
        for action in group.findall("automated_action"):
            kind, _, target = (action.findtext("details") or "").partition(":")
            pv = known(target, description)
            if kind != "sevrpv" or pv is None or not pv.access or len(pv.labels) != SEVERITY_LEVELS:
                yield f"{group.get('name')}: cannot write a severity to {target}"
    for element in root.iter("pv"):
        name = element.get("name", "")
        pv = known(name, description)
        if name in seen:
            yield f"{name} is there twice"
        seen.add(name)
        if pv is None:
            yield f"{name} is not in the IOC"
        elif not may_alarm(pv):
            yield f"{name} is never in alarm"
        yield from _alarm(name, element, files, description)


def _alarm(name: str, element: ET.Element, files: Files, description: Description) -> Iterator[str]:
    for tag, values in {"enabled": ("true",), "latching": ("true", "false"), "annunciating": ("true", "false")}.items():
        if element.findtext(tag) not in values:
            yield f"{name}: {tag} is {element.findtext(tag)}"
    if not (element.findtext("delay") or "").isdigit():
        yield f"{name}: delay is {element.findtext('delay')}"
    if name.endswith(":ERROR") and (element.findtext("latching"), element.findtext("delay")) != ("true", "1"):
        yield f"{name} must latch, as soon as it is known that the IOC is there"
    if name.endswith(ALIVE):
        if (element.findtext("latching"), element.findtext("delay"), element.find("filter")) != ("true", "0", None):
            yield f"{name} must latch, at once, whatever else is"
    elif int(element.findtext("delay") or 0) < 1 or f":{ALIVE}'" not in (element.findtext("filter") or ""):
        yield f"{name} must wait for what it follows from: that the IOC is gone"
    for tag in ("description", "guidance/details", "display/details"):
        if not (element.findtext(tag) or "").strip():
            yield f"{name}: no {tag}"
    for pv in re.findall("'([^']+)'", element.findtext("filter") or ""):
        if not pv.startswith("loc://") and known(pv, description) is None:
            yield f"{name}: its filter's {pv} is not in the IOC"
    yield from display(name, element.findtext("display/details") or "", files)


def display(name: str, link: str, files: Files) -> Iterator[str]:
    """A link to a screen, relative to opi/, with P and for a task's own PVs T."""
    file, _, query = link.partition("?")
    macros = dict(parse_qsl(query, strict_parsing=True))
    if not name.startswith(macros.get("P", "-")):
        yield f"{name}: the display's P is {macros.get('P')!r}"
    if file.startswith("task") and not name.startswith(f"{macros.get('P')}{macros.get('T', '-')}:"):
        yield f"{name}: the display's T is {macros.get('T')!r}"
    if any(path.startswith("opi/") for path in files) and f"opi/{file}" not in files:
        yield f"{name}: there is no screen {file}"


def complete(files: Files, description: Description) -> Iterator[str]:
    """Everything that has a severity is in the alarm tree, or is left out with a reason; nothing is both."""
    there = {element.get("name") for element in ET.fromstring(files["db/pixieioc-alarms.xml"]).iter("pv")}
    for pv in description.pvs.values():
        told = description.prefix + pv.name in there
        left_out = bool(pv.alarm.omitted)
        if may_alarm(pv) and told == left_out:
            yield f"{pv.name}: in the tree {told}, left out with a reason {left_out}"


def alh(files: Files, description: Description) -> Iterator[str]:
    """The old alarm handler's file watches what the alarm tree does, and each line has its place."""
    groups, channels, guidance = {"NULL"}, list[str](), False
    for line in files["db/pixieioc.alhConfig"].splitlines():
        word, _, rest = line.partition(" ")
        parts = rest.split()
        match word:
            case _ if guidance or word == "$GUIDANCE":
                guidance = word != "$END"
            case "GROUP":
                if parts[0] not in groups or parts[1] in groups:
                    yield line
                groups.add(parts[1])
            case "CHANNEL":
                channels.append(parts[1])
                if parts[0] not in groups or len(parts[2]) != 5 or set(parts[2]) - set("-CDATL"):
                    yield line
            case "$ACKPV":
                pv = known(parts[0], description)
                if pv is None or not pv.access or parts[1] not in ("0", "1"):
                    yield line
            case "$ALARMCOUNTFILTER":
                if not (int(parts[0]) == -1 and int(parts[1]) > 0):
                    yield line
            case "$ALIAS":
                if not rest:
                    yield line
            case _ if line.startswith("#"):
                pass
            case _:
                yield f"not understood: {line}"
    if guidance:
        yield "$GUIDANCE without $END"
    tree = [element.get("name") for element in ET.fromstring(files["db/pixieioc-alarms.xml"]).iter("pv")]
    if sorted(channels) != sorted(map(str, tree)):
        yield f"not as in the alarm tree: {set(channels) ^ set(map(str, tree))}"


def archive(files: Files, description: Description) -> Iterator[str]:
    """What is archived is there, is a number or a state, and is archived once; what controls it is a state."""
    entries = json.loads(files["db/pixieioc-archive.json"])
    names = [entry["pv"] for entry in entries]
    if len(set(names)) < len(names) or not names:
        yield "a name twice, or none"
    for entry in entries:
        pv = known(entry["pv"], description)
        if pv is None or pv.record == "waveform":
            yield f"{entry['pv']} cannot be archived"
        if set(entry) - {"pv", "samplingperiod", "samplingmethod", "policy", "controllingPV"}:
            yield f"{entry}"
        if entry["samplingmethod"] not in ("MONITOR", "SCAN") or float(entry["samplingperiod"]) <= 0:
            yield f"{entry}"
        if "controllingPV" in entry:
            control = known(entry["controllingPV"], description)
            if control is None or control.labels != ("Done", "Acquiring"):
                yield f"{entry['pv']}: {entry['controllingPV']} cannot control it"


def saved(files: Files, description: Description) -> Iterator[str]:
    """What is saved can be written, is no command, and is of one type with its readback; both lists are the same."""
    header, *rows = csv.reader(files["db/pixieioc-save-restore.csv"].splitlines())
    if header != ["PV", "READBACK", "READ_ONLY"] or not rows:
        yield f"{header}, {len(rows)} rows"
    for name, readback, read_only in rows:
        pv, back = known(name, description), known(readback, description)
        if pv is None or not pv.access or pv.labels[:1] == ("Done",):
            yield f"{name} cannot be restored"
        elif back is None or (back.labels, back.element, back.unit) != (pv.labels, pv.element, pv.unit) or back.access:
            yield f"{name}: {readback} is not its readback"
        if read_only not in ("0", "1"):
            yield f"{name}: READ_ONLY is {read_only}"
    listed = [line for line in files["db/pixieioc.req"].splitlines() if not line.startswith("#")]
    if listed != [f"$(P){name.removeprefix(description.prefix)}" for name, _, _ in rows]:
        yield "pixieioc.req has other names"


def page(files: Files, description: Description) -> Iterator[str]:
    """The reference has every process variable."""
    text = files["db/PVS.md"]
    for pv in description.pvs.values():
        own = re.sub(r"^([A-Za-z]+)\d+:", r"\1$(N):", pv.own_name)
        shown = (pv.name, own, f"$(T):{own}", f"M$(MM):{own}", f"M$(MM):C$(CC):{own}")
        if not any(f"`{name}`" in text for name in shown) or pv.doc.split(": as it is used")[0].rstrip(".") not in text:
            yield f"{pv.name} is not in PVS.md"


CHECKS = (alarm_tree, complete, alh, archive, saved, page)
