"""Detectors for bluesky that fit a configuration, as modules of Python: for ophyd-async and for ophyd."""

from __future__ import annotations

import json
import keyword
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pixieioc.export.text import one_line
from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.model import PvInfo

#: Reports of a channel that a scan is about: events, and sums of regions of interest.
_HINTED = ("counts", "roi_counts")
#: Those that tell of the moment: they can be monitored, but of a run that is over they say nothing.
_NOW = ("channel_input_rate", "channel_output_rate", "channel_dead_time", "trace_energy")
#: The report that lists the files of a run.
_FILES = "run_files"
_INDENT = "    "
#: What the devices of both libraries have already: a signal of such a name gets an underscore behind it.
RESERVED = frozenset((
    "add_children_as_readables", "add_instantiation_callback", "add_readables", "attr_name", "check_value",
    "children", "clear_sub", "collect", "collect_asset_docs", "collect_pages", "complete", "component_names",
    "configuration_attrs", "configure", "connect", "connected", "connection_timeout", "describe",
    "describe_collect", "describe_configuration", "destroy", "dotted_name", "event_types", "get",
    "get_device_tuple", "get_index", "get_instantiated_signals", "hints", "kickoff", "kind",
    "lazy_wait_for_connection", "locate", "log", "name", "parent", "pause", "prepare", "put", "read",
    "read_attrs", "read_configuration", "report", "resume", "root", "set", "set_defaults", "set_name",
    "signal_names", "stage", "stop", "subscribe", "subscriptions", "summary", "trigger", "trigger_signals",
    "unstage", "unsubscribe", "unsubscribe_all", "wait_for_connection", "walk_components", "walk_signals",
    "walk_subdevice_classes", "walk_subdevices",
))  # fmt: skip


#: The types of arrays' elements.
_ELEMENTS = {"LONG": "int32", "FLOAT": "float32", "DOUBLE": "float64"}


@dataclass(frozen=True)
class _Signal:
    """A signal of a device: its name there, its process variable without what comes before, and what it is for."""

    name: str
    suffix: str
    pv: PvInfo
    use: str  #: hinted, read, setting, now: not read, or array: read on wish

    @property
    def type(self) -> str:
        """Its type in Python."""
        pv = self.pv
        if pv.is_text or pv.is_enum or pv.record in ("stringin", "stringout"):
            return "str"
        if pv.record == "waveform":
            return f"Array1D[np.{_ELEMENTS[pv.element]}]"
        return "int" if pv.record in ("longin", "longout", "int64in", "int64out") else "float"


#: The channels that have the same signals.
_Group = tuple[list[tuple[int, int]], list[_Signal]]


def detectors(description: Description) -> Mapping[str, str]:
    """Both modules, by the names of their files."""
    return {"pixie_aio.py": _module(description, _AIO), "pixie_classic.py": _module(description, _CLASSIC)}


@dataclass(frozen=True)
class _Library:
    """How devices are written for a library."""

    head: str
    channel: str  #: what the class of a channel is derived from
    signal: Callable[[_Signal], str]
    body: Callable[[Description, dict[str, str], list[str]], Iterator[str]]


def _module(description: Description, library: _Library) -> str:
    groups = _groups(description)
    lines = [library.head.format(prefix=description.prefix).rstrip()]
    classes: dict[str, str] = {}  # the class of each channel, by its name in the device
    arrays: list[str] = []
    for number, (channels, signals) in enumerate(groups, 1):
        name = "Channel" if len(groups) == 1 else f"Channel{number}"
        lines += ["", "", f"class {name}({library.channel}):", f'{_INDENT}"""A channel."""', ""]
        lines += [_INDENT + line for signal in signals for line in library.signal(signal).splitlines()]
        classes |= {_channel_name(channel): name for channel in channels}
        arrays += [signal.name for signal in signals if signal.use == "array" and signal.name not in arrays]
    order = dict(sorted(classes.items()))
    return "\n".join([*lines, "", "", *_detector(description, library, order, arrays)]) + "\n"


def _detector(description: Description, library: _Library, classes: dict[str, str], arrays: list[str]) -> Iterator[str]:
    yield "class Detector(PixieDetector):"
    yield f'{_INDENT}"""All channels of this configuration; `read` names those that are in each event."""'
    yield ""
    files = {_kind(pv): signal for signal in _files(description) for pv in (signal.pv,)}
    for signal in files.values():
        yield from (_INDENT + line for line in library.signal(signal).splitlines())
    lists = ", ".join(f'"{kind}": "{signal.name}"' for kind, signal in files.items())
    yield f"{_INDENT}file_lists: ClassVar[Mapping[str, str]] = {{{lists}}}"
    yield f"{_INDENT}channels: ClassVar[tuple[str, ...]] = ("
    yield from (f'{_INDENT * 2}"{name}",' for name in classes)
    yield f"{_INDENT})"
    yield from library.body(description, classes, arrays)


def _files(description: Description) -> Iterator[_Signal]:
    """The lists of files of a run: raw data, and events."""
    for pv in description.pvs.values():
        if pv.source.kind == "report" and pv.source.name == _FILES:
            yield _Signal(f"{_kind(pv)}_files", pv.name, pv, "read")


def _kind(pv: PvInfo) -> str:
    return "events" if pv.owner else "raw"


def _groups(description: Description) -> list[_Group]:
    """Channels by what they have; of one without anything there is nothing to read."""
    of_channel: dict[tuple[int, int], list[PvInfo]] = {}
    for pv in description.of_section("channel"):
        if len(pv.source.index) == 2 and not pv.owner:
            of_channel.setdefault((pv.source.index[0], pv.source.index[1]), []).append(pv)
    groups: dict[tuple[tuple[str, str, str], ...], _Group] = {}
    for channel, pvs in of_channel.items():
        signals = list(_signals(pvs))
        key = tuple((signal.suffix, signal.type, signal.use) for signal in signals)
        groups.setdefault(key, ([], signals))[0].append(channel)
    return list(groups.values())


def _signals(pvs: list[PvInfo]) -> Iterator[_Signal]:
    """What a detector has of a channel: readings, and settings but for those of the hardware, which are very many."""
    for pv in sorted(pvs, key=lambda pv: -1 if pv.source.number is None else pv.source.number):
        name = _snake(pv.own_name)
        match pv.role:
            case "reading" if pv.record == "waveform":
                yield _Signal(name, pv.own_name, pv, "array")
            case "reading" if pv.source.name in _NOW:
                yield _Signal(name, pv.own_name, pv, "now")
            case "reading":
                yield _Signal(name, pv.own_name, pv, "hinted" if pv.source.name in _HINTED else "read")
            case "setpoint" if not pv.in_device:
                yield _Signal(name, pv.own_name, pv, "setting")
            case _:
                pass


def _snake(name: str) -> str:
    """`ROI1:Counts_RBV` becomes roi1_counts, `Name` name_."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name.removesuffix("_RBV"))
    name = words.replace(":", "_").lower()
    return f"{name}_" if name in RESERVED or keyword.iskeyword(name) else name


def _channel_name(channel: tuple[int, int]) -> str:
    return f"m{channel[0]:02}_c{channel[1]:02}"


def _prefix_of(name: str) -> str:
    return name.upper().replace("_", ":") + ":"


def _about(signal: _Signal) -> str:
    unit = f" ({signal.pv.unit})" if signal.pv.unit else ""
    return "\n".join(textwrap.wrap(one_line(signal.pv.doc) + unit, 110, initial_indent="#: ", subsequent_indent="#: "))


# -- ophyd-async -------------------------------------------------------------------------------------------------------

_AIO_HEAD = '''"""The pixieioc {prefix} as a detector for ophyd-async, generated from its configuration."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from ophyd_async.core import Array1D, SignalR, SignalRW, StandardReadable
from ophyd_async.core import StandardReadableFormat as Format
from ophyd_async.epics.core import EpicsDevice, PvSuffix

from pixieioc.devices.aio import PixieDetector, with_protocol
'''
_FORMATS = {
    "hinted": ", Format.HINTED_UNCACHED_SIGNAL", "read": ", Format.UNCACHED_SIGNAL",
    "setting": ", Format.CONFIG_SIGNAL", "now": "", "array": "",
}  # fmt: skip


def _aio_signal(signal: _Signal) -> str:
    both = signal.use == "setting"
    kind, suffix = ("SignalRW", "PvSuffix.rbv") if both else ("SignalR", "PvSuffix")
    declared = f"Annotated[{kind}[{signal.type}], {suffix}({json.dumps(signal.suffix)}){_FORMATS[signal.use]}]"
    return f"{_about(signal)}\n{signal.name}: {declared}"


def _aio_body(description: Description, classes: dict[str, str], arrays: list[str]) -> Iterator[str]:
    yield from _lines(f'''

def __init__(
    self,
    prefix: str = {json.dumps("ca://" + description.prefix)},
    name: str = "",
    *,
    read: Collection[str] | None = None,
    arrays: Collection[str] = (),
    **options: Any,
) -> None:
    """`arrays` are those that are in each event, too: {", ".join(arrays) or "there are none"}."""
    prefix = with_protocol(prefix)''')
    for name, cls in classes.items():
        yield f'{_INDENT * 2}self.{name} = {cls}(f"{{prefix}}{_prefix_of(name)}")'
    yield from _lines("""
    self.choose(read, arrays)
    super().__init__(prefix, name, **options)""")


def _lines(text: str) -> Iterator[str]:
    """Those of a method."""
    return ((_INDENT + line).rstrip() for line in text.removeprefix("\n").splitlines())


_AIO = _Library(_AIO_HEAD, "StandardReadable, EpicsDevice", _aio_signal, _aio_body)

# -- ophyd -------------------------------------------------------------------------------------------------------------

_CLASSIC_HEAD = '''"""The pixieioc {prefix} as a detector for ophyd, generated from its configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from ophyd import Component, Device

from pixieioc.devices.classic import PixieDetector, reading, setting, unread
'''


def _classic_signal(signal: _Signal) -> str:
    text = ", string=True" if signal.type == "str" else ""
    suffix = json.dumps(signal.suffix)
    match signal.use:
        case "hinted":
            made = f'reading({suffix}, "hinted"{text})'
        case "read":
            made = f"reading({suffix}{text})"
        case "setting":
            made = f"setting({suffix}{text})"
        case _:
            made = f"unread({suffix})"
    return f"{_about(signal)}\n{signal.name} = {made}"


def _classic_body(description: Description, classes: dict[str, str], arrays: list[str]) -> Iterator[str]:
    for name, cls in classes.items():
        yield f'{_INDENT}{name} = Component({cls}, "{_prefix_of(name)}")'
    yield from _lines(f'''

def __init__(
    self,
    prefix: str = {json.dumps(description.prefix)},
    *,
    name: str,
    read: Collection[str] | None = None,
    arrays: Collection[str] = (),
    **options: Any,
) -> None:
    """`arrays` are those that are in each event, too: {", ".join(arrays) or "there are none"}."""
    super().__init__(prefix, name=name, **options)
    self.choose(read, arrays)''')


_CLASSIC = _Library(_CLASSIC_HEAD, "Device", _classic_signal, _classic_body)
