"""What must hold for Phoebus screens: walks them as Phoebus would open them, with their macros; says what is wrong."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qsl

from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.model import PvInfo
from tests.export.checks import Files, known
from tests.export.described import parsed

Macros = Mapping[str, str]
#: The screens that nobody opens from another one.
FIRST = ("run.bob",)
#: Macros that every widget has, besides its own properties.
OF_A_WIDGET = {"actions": "", "pv_value": "", "DID": "", "DNAME": ""}
#: The properties that are the name of a process variable.
NAMES_A_PV = ("pv_name", "x_pv", "y_pv", "err_pv", "selection_pv")
_MACRO = re.compile(r"\$[({]([^(){}=$]+)(?:=([^(){}]*))?[)}]")
#: Phoebus' format for arrays of characters that are texts.
_STRING = "6"


def _is_number(pv: PvInfo) -> bool:
    return pv.record != "waveform" and not pv.is_enum


def _is_array(pv: PvInfo) -> bool:
    return pv.record == "waveform" and not pv.is_text


def _is_scalar(pv: PvInfo) -> bool:
    return pv.record != "waveform"


#: What a widget of a type can show.
SHOWS: Mapping[str, Callable[[PvInfo], bool]] = {
    "textupdate": lambda pv: not _is_array(pv),
    "textentry": lambda pv: not _is_array(pv),
    "led": _is_scalar,
    "multi_state_led": _is_scalar,
    "byte_monitor": lambda pv: pv.record in ("longin", "longout"),
    "bool_button": lambda pv: len(pv.labels) == 2,
    "slide_button": lambda pv: len(pv.labels) == 2,
    "checkbox": lambda pv: len(pv.labels) == 2,
    "choice": lambda pv: pv.is_enum,
    "combo": lambda pv: pv.is_enum,
    "radio": lambda pv: pv.is_enum,
    "spinner": _is_number,
    "scaledslider": _is_number,
    "tank": _is_number,
    "progressbar": _is_number,
    "thermometer": _is_number,
    "meter": _is_number,
    "linearmeter": _is_number,
    "stripchart": _is_scalar,
    "xyplot": _is_array,
    "image": _is_array,
    "table": _is_array,
    "array": _is_array,
    "symbol": _is_scalar,
}
#: Those that write what they show.
WRITES = ("textentry", "bool_button", "slide_button", "checkbox", "choice", "combo", "radio", "spinner", "scaledslider")


def screens(files: Files, description: Description) -> Iterator[str]:
    """All screens can be reached, links lead somewhere, macros are defined, PVs are there and have a fitting type."""
    there = _there(files, "opi/")
    if not there:
        return
    walk = _Walk(there, description)
    for file in FIRST:
        yield from walk.visit(file, {"P": description.prefix})
    for pv in parsed(files["db/pixieioc-alarms.xml"]).iter("pv"):
        file, _, query = (pv.findtext("display/details") or "").partition("?")
        yield from walk.visit(file, dict(parse_qsl(query)))
    for file in sorted(set(there) - walk.visited):
        yield f"{file}: nothing opens it"


def phone_screens(files: Files, description: Description) -> Iterator[str]:
    """The same of those for a phone."""
    there = _there(files, "web/")
    walk = _Walk(there, description)
    for file in FIRST:
        yield from walk.visit(file, {})
    for file in sorted(set(there) - walk.visited):
        yield f"{file}: nothing opens it"


def _there(files: Files, folder: str) -> dict[str, ET.Element]:
    """The display files of a folder, by their name."""
    return {
        path.removeprefix(folder): parsed(text)
        for path, text in files.items()
        if path.startswith(folder) and path.endswith(".bob")
    }


class _Walk:
    """Opens a screen, and all that it opens, once for each set of macros."""

    def __init__(self, there: Mapping[str, ET.Element], description: Description) -> None:
        self._there = there
        self._description = description
        self._seen: set[tuple[str, frozenset[tuple[str, str]]]] = set()
        # What a file shows follows from the macros that are in it; the others only go on from it.
        self._used = {
            file: {match[1] for match in _MACRO.finditer(ET.tostring(root, encoding="unicode"))}
            for file, root in there.items()
        }
        self._checked: set[tuple[str, frozenset[tuple[str, str]]]] = set()
        # The widgets that open something, and those around them: the others need not be seen again with other macros.
        self._openers = {
            widget
            for root in there.values()
            for widget in root.iter("widget")
            if any(map(_opens, widget.iter("widget")))
        }
        # What only copies of a part are given is theirs: a screen that one of them opens must not need it.
        given = {macro.tag for root in there.values() for macro in root.iterfind(".//instance/macros/*")}
        self._of_parts = given - {macro.tag for root in there.values() for macro in root.iterfind(".//action/macros/*")}
        self._needed = self._passed_on()

    def _passed_on(self) -> dict[str, set[str]]:
        """By file, the macros whose values it, or a file opened from it, uses; no other one makes a difference."""
        needed = {file: set(used) for file, used in self._used.items()}
        openings = [
            (file, target, set(given) | (self._of_parts if _is_gone_to(widget) else set()))
            for file, root in self._there.items()
            for widget in root.iter("widget")
            for target, given in _opened(widget, {})
        ]
        growing = True
        while growing:
            growing = False
            for file, target, defined in openings:
                # A file whose name has a macro may be any.
                targets = needed.values() if "$" in target else [needed.get(target, set[str]())]
                more = set[str]().union(*targets) - defined - needed[file]
                needed[file] |= more
                growing |= bool(more)
        return needed

    @property
    def visited(self) -> set[str]:
        """The files that were opened."""
        return {file for file, _ in self._seen}

    def visit(self, file: str, macros: Macros) -> Iterator[str]:
        """A file, opened with these macros."""
        if file not in self._there:
            yield f"{file}: is opened, and there is no such file"
            return
        root = self._there[file]
        # What a file defines itself is stronger than what it is given.
        macros = {**macros, **_macros(root, macros)}
        key = (file, frozenset((name, of) for name, of in macros.items() if name in self._needed[file]))
        if key in self._seen:
            return
        self._seen.add(key)
        if (root.tag, root.get("version")) != ("display", "2.0.0"):
            yield f"{file}: is {root.tag} {root.get('version')}"
        matters = (file, frozenset((name, of) for name, of in macros.items() if name in self._used[file]))
        fresh = matters not in self._checked
        self._checked.add(matters)
        yield from self._widgets(file, root, macros, fresh=fresh)

    def _widgets(self, file: str, parent: ET.Element, macros: Macros, *, fresh: bool) -> Iterator[str]:
        """The widgets of a file that was not seen before with the macros that matter for it, and what they open."""
        names = [widget.findtext("name") for widget in parent.findall("widget")] if fresh else []
        for widget in parent.findall("widget"):
            if not fresh and widget not in self._openers:
                continue
            where = f"{file}: {widget.findtext('name')}"
            if names.count(widget.findtext("name")) > 1:
                yield f"{where}: two widgets have this name"
            own = {child.tag: child.text or "" for child in widget if len(child) == 0}
            scope = {**OF_A_WIDGET, **own, **macros}
            if fresh:
                yield from self._texts(where, widget, scope)
                yield from self._pvs(where, widget, scope)
            of_parts = self._of_parts if _is_gone_to(widget) else set[str]()
            for target, given in _opened(widget, macros):
                kept = {name: of for name, of in macros.items() if name not in of_parts}
                yield from self.visit(_expand(target, scope), {**kept, **given})
            yield from self._widgets(file, widget, {**macros, **_macros(widget, macros)}, fresh=fresh)

    def _texts(self, where: str, widget: ET.Element, scope: Macros) -> Iterator[str]:
        """Every macro has a value."""
        for element in _own(widget):
            text = _expand(element.text or "", scope)
            if "$(" in text or "${" in text:
                yield f"{where}: {element.tag} is {text!r}"

    def _pvs(self, where: str, widget: ET.Element, scope: Macros) -> Iterator[str]:
        """Every process variable is there, can be shown here, and can be written if this writes it."""
        kind = widget.get("type", "")
        parents = {child: parent for parent in _own(widget) for child in parent}
        for element in _own(widget):
            name = _expand(element.text or "", scope).strip()
            if element.tag not in NAMES_A_PV or not name:
                continue
            pv = known(name, self._description)
            holder = parents[element]
            if pv is None:
                yield f"{where}: {element.tag} {name} is not in the IOC"
            elif holder.tag == "action":
                yield from _written(where, pv, _expand(holder.findtext("value") or "", scope))
            elif holder.tag == "marker":
                if not (_is_number(pv) and (pv.access or holder.findtext("interactive") != "true")):
                    yield f"{where}: a marker cannot be at {name}"
            elif holder.tag != "rule":
                yield from _shown(where, kind, widget, pv)


def _own(widget: ET.Element) -> Iterator[ET.Element]:
    """A widget's elements, without those of widgets in it."""
    yield widget
    for child in widget:
        if child.tag != "widget":
            yield from child.iter()


def _shown(where: str, kind: str, widget: ET.Element, pv: PvInfo) -> Iterator[str]:
    if kind not in SHOWS:
        yield f"{where}: what does a {kind} do with {pv.name}?"
    elif not SHOWS[kind](pv):
        yield f"{where}: a {kind} cannot show {pv.name}, {pv.record} {pv.element}"
    if pv.is_text and widget.findtext("format") != _STRING:
        yield f"{where}: {pv.name} is a text and would show as numbers"
    if kind in WRITES and not pv.access:
        yield f"{where}: {pv.name} cannot be written"


def _written(where: str, pv: PvInfo, value: str) -> Iterator[str]:
    labels = [*pv.labels, *(str(i) for i in range(len(pv.labels)))]
    if not pv.access or (pv.labels and value not in labels):
        yield f"{where}: {value!r} cannot be written to {pv.name}"


def _is_gone_to(widget: ET.Element) -> bool:
    """Whether what the widget opens takes the place of the screen, and is no part of it."""
    return widget.get("type") not in ("embedded", "template", "navtabs")


def _opens(widget: ET.Element) -> bool:
    return not _is_gone_to(widget) or widget.find("actions/action[@type='open_display']") is not None


def _opened(widget: ET.Element, macros: Macros) -> Iterator[tuple[str, Macros]]:
    """The files that a widget shows or opens, with the macros that it gives them."""
    match widget.get("type"):
        case "embedded":
            yield widget.findtext("file") or "", _macros(widget, macros)
        case "template":
            for instance in widget.iterfind("instances/instance"):
                yield widget.findtext("file") or "", _macros(instance, macros)
        case "navtabs":
            for tab in widget.iterfind("tabs/tab"):
                yield tab.findtext("file") or "", _macros(tab, macros)
        case _:
            for action in widget.iterfind("actions/action"):
                if action.get("type") == "open_display":
                    yield action.findtext("file") or "", _macros(action, macros)


def _macros(element: ET.Element, scope: Macros) -> dict[str, str]:
    return {macro.tag: _expand(macro.text or "", scope) for macro in element.findall("macros/*")}


def _expand(text: str, scope: Macros) -> str:
    """A text with its macros replaced, from the innermost; those without a value stay."""
    for _ in range(10):
        new = _MACRO.sub(lambda m: scope.get(m[1], m[2] if m[2] is not None else m[0]), text)
        if new == text:
            break
        text = new
    return text
