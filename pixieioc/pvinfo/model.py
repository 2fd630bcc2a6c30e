"""What a process variable is, as plain data: the one description that the server, screens and documents follow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from pixieioc.presentation import PLAIN, SEVERITIES, Access, AlarmHandling, Archive, Section, Severity

__all__ = [
    "DRIVEN",
    "LIMIT_NAMES",
    "LIMIT_SEVERITIES",
    "LIMIT_SEVERITY_FIELDS",
    "LONGEST_DESC",
    "LONGEST_NAME",
    "LONGEST_STRING",
    "LONGEST_UNIT",
    "NO_LIMITS",
    "SEVERITIES",
    "STATE_FIELDS",
    "Access",
    "AlarmHandling",
    "Archive",
    "Element",
    "PvInfo",
    "RecordType",
    "Role",
    "Section",
    "Severity",
    "Source",
    "SourceKind",
    "text_pv",
]

#: The limits of a number's alarms in their order, and the severities that they have here.
LIMIT_NAMES = ("LOLO", "LOW", "HIGH", "HIHI")
LIMIT_SEVERITIES: tuple[Severity, ...] = ("MAJOR", "MINOR", "MINOR", "MAJOR")

#: The fields that say them.
LIMIT_SEVERITY_FIELDS = ("LLSV", "LSV", "HSV", "HHSV")
#: By state, the two letters that its fields of an mbbi or mbbo begin with.
STATE_FIELDS = ("ZR", "ON", "TW", "TH", "FR", "FV", "SX", "SV", "EI", "NI", "TE", "EL", "TV", "TT", "FT", "FF")
#: Most bytes of DESC and EGU, as in EPICS Base.
LONGEST_DESC, LONGEST_UNIT = 40, 15

RecordType = Literal[
    "ai",
    "ao",
    "bi",
    "bo",
    "mbbi",
    "mbbo",
    "longin",
    "longout",
    "int64in",
    "int64out",
    "waveform",
    "stringin",
    "stringout",
]
Element = Literal["CHAR", "LONG", "FLOAT", "DOUBLE"]
SourceKind = Literal["report", "parameter", "readback", "run"]
#: What it is to a client: a value to read; a setting, and what of it is in use; what does something when it is written
#: and reads 0 otherwise; or what takes a value that is no setting.
Role = Literal["reading", "setpoint", "readback", "command", "input"]

#: Those with drive limits, DRVL and DRVH.
DRIVEN: tuple[RecordType, ...] = ("ao", "longout", "int64out")

NO_LIMITS = (math.nan, math.nan, math.nan, math.nan)
#: Bytes of a text that fits the records of short texts, stringin and stringout.
LONGEST_STRING = 39
#: Longest name of a process variable, with its prefix.
LONGEST_NAME = 60


@dataclass(frozen=True)
class Source:
    """Where the value comes from: a task's report or parameter (`task` is empty for the run control's own)."""

    kind: SourceKind
    task: str = ""
    name: str = ""
    #: Which part of what has one value a channel: (module,) or (module, channel).
    index: tuple[int, ...] = ()
    #: Which one of several values that a channel has, from 0.
    number: int | None = None

    @property
    def place(self) -> tuple[int, ...]:
        """The indices of a single value."""
        return self.index if self.number is None else (*self.index, self.number)

    def link(self, pv: str) -> str:
        """The same as a link of EPICS: `@TASK NAME INDICES`; what the IOC has of itself is `@IOC` and the PV's name."""
        return " ".join(["@" + (self.task or "IOC"), self.name or pv, *map(str, self.place)])


@dataclass(frozen=True)
class PvInfo:
    """One process variable. `name` has no prefix; `drive` are the limits of what may be written (inclusive).

    It says what it is in fields of its own. Its name is for clients: nothing follows from how it is spelled.
    """

    name: str
    record: RecordType
    doc: str
    initial: Any = 0
    unit: str = ""
    precision: int = 0
    labels: tuple[str, ...] = ()
    #: Severity of each state; empty: none has any.
    severities: tuple[Severity, ...] = ()
    #: LOLO, LOW, HIGH, HIHI, each for itself; NaN: not set.
    limits: tuple[float, float, float, float] = NO_LIMITS
    #: Severities of the limits where they are other ones: None is that of LIMIT_SEVERITIES, if the limit is set.
    limit_severities: tuple[Severity | None, ...] = (None, None, None, None)
    hysteresis: float = 0.0
    #: How far a number must move to be told to those who monitor it, and to an archiver; 0: each change, -1: always.
    mdel: float = 0.0
    adel: float = 0.0
    drive: tuple[float, float] = (-math.inf, math.inf)
    #: Names for some values of a whole number, which can be written in their place.
    named: tuple[tuple[str, int], ...] = ()
    #: Of a waveform.
    element: Element = "DOUBLE"
    length: int = 1
    #: Whether the array has all its elements at all times: those that are not known are NaN (0 if they are whole).
    full: bool = False
    access: Access = ""
    guidance: str = ""
    #: Whether a setpoint cannot be written during a run.
    locked_in_run: bool = False
    source: Source = field(default_factory=lambda: Source("run"))
    section: Section = "run"
    role: Role = "reading"
    #: The task that its name begins with; empty for names of the pipeline, of channels and of the IOC.
    owner: str = ""
    #: The name without that of the task, or of module and channel, which all of its kind have; empty: the whole name.
    own: str = ""
    #: The same for all of several, with {} for the number; empty: there is one only.
    pattern: str = ""
    alarm: AlarmHandling = PLAIN
    #: When an archiver keeps it; None: as usual for its kind.
    archive: Archive | None = None
    #: Whether it is one of the settings that a save and restore of a set-up consists of.
    saved: bool = False
    #: Whether a device keeps its value over a restart of the IOC, so that the IOC does not.
    in_device: bool = False
    #: The process variable whose number this text says in words.
    text_of: str = ""

    def __post_init__(self) -> None:
        if len(self.name) > LONGEST_NAME or "/" in self.name:
            raise ValueError(f"PV name {self.name!r}: must have at most {LONGEST_NAME} characters and no slash")
        if self.record in ("bi", "bo", "mbbi", "mbbo") and not 1 < len(self.labels) <= 16:
            raise ValueError(f"PV {self.name}: an enum has 2 to 16 labels, not {len(self.labels)}")
        if any(len(label.encode()) > 25 for label in self.labels):
            raise ValueError(f"PV {self.name}: labels of Channel Access have at most 25 characters: {self.labels}")

    @property
    def own_name(self) -> str:
        """The name without that of the task, or of module and channel."""
        return self.own or self.name

    @property
    def is_text(self) -> bool:
        """True for a long string: a waveform of characters."""
        return self.record == "waveform" and self.element == "CHAR"

    def severity_of_limit(self, index: int) -> Severity:
        """The severity of a value beyond a limit, by its index in LIMIT_NAMES."""
        default: Severity = "NO_ALARM" if math.isnan(self.limits[index]) else LIMIT_SEVERITIES[index]
        return self.limit_severities[index] or default

    @property
    def is_enum(self) -> bool:
        """True for records whose value is one of some labels."""
        return bool(self.labels)

    @property
    def clips(self) -> bool:
        """True if a number beyond `drive` is taken as the limit that it exceeds, as records of EPICS Base do.

        This is the place that decides: a parameter's setpoint never is. Its put is refused by whoever knows the
        parameter, who says what is allowed; the value that a scan asked for is used, or none.
        """
        return self.record in DRIVEN and self.source.kind != "parameter"

    @property
    def has_alarm(self) -> bool:
        """True if the value alone can put the PV into alarm."""
        return any(s != "NO_ALARM" for s in self.severities) or not all(math.isnan(x) for x in self.limits)


def text_pv(name: str, doc: str, length: int = 256, **more: Any) -> PvInfo:
    """A long string: waveform of `length` characters."""
    return PvInfo(name, "waveform", doc, initial=more.pop("initial", ""), element="CHAR", length=length, **more)
