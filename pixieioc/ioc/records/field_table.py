"""The fields that records have, by record type: those of EPICS Base's records, with what is true here.

A field that stands for something that there is not here (links, scanning, simulation, conversion) has the value that
says so, which is Base's default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pixieioc.ioc.records import field_rules as rule
from pixieioc.ioc.records.alarm import STATUSES
from pixieioc.ioc.records.field_rules import Rule, Write
from pixieioc.pvinfo.model import LIMIT_NAMES, LIMIT_SEVERITY_FIELDS, SEVERITIES, STATE_FIELDS, RecordType

#: Types of fields as EPICS' record definitions name them, without DBF_; LINK is INLINK, OUTLINK and FWDLINK, and NUMBER
#: is what the record's value is: DOUBLE, INT64 or LONG.
FieldType = Literal["STRING", "UCHAR", "SHORT", "USHORT", "LONG", "ULONG", "DOUBLE", "MENU", "LINK", "NUMBER"]


@dataclass(frozen=True, slots=True)
class Field:
    """What a field is; `follows` is its value, or the rule by which that follows from the record."""

    type: FieldType
    follows: Any
    doc: str
    write: Write | None = None
    choices: tuple[str, ...] = ()

    def value(self, record: Any) -> Any:
        """Its value for a record."""
        return self.follows(record) if callable(self.follows) else self.follows


_NO_YES = ("NO", "YES")
_NO_YES_RAW = ("NO", "YES", "RAW")
_SCANS = (
    "Passive", "Event", "I/O Intr", "10 second", "5 second", "2 second", "1 second", ".5 second", ".2 second",
    ".1 second",
)  # fmt: skip
_PINI = ("NO", "YES", "RUN", "RUNNING", "PAUSE", "PAUSED")
_CONVERSIONS = (
    "NO CONVERSION", "SLOPE", "LINEAR", "typeKdegF", "typeKdegC", "typeJdegF", "typeJdegC", "typeEdegF(ixe only)",
    "typeEdegC(ixe only)", "typeTdegF", "typeTdegC", "typeRdegF", "typeRdegC", "typeSdegF", "typeSdegC",
)  # fmt: skip
_INVALID_ACTIONS = ("Continue normally", "Don't drive outputs", "Set output to IVOV")
_OUTPUT_OPTIONS = (
    "Every Time", "On Change", "When Zero", "When Non-zero", "Transition To Zero", "Transition To Non-zero",
)  # fmt: skip


def _menu(choices: tuple[str, ...], follows: Rule | int, doc: str, write: Write | None = None) -> Field:
    return Field("MENU", follows, doc, write, choices)


def _severity(doc: str, follows: Rule | int = 0, write: Write | None = None) -> Field:
    return _menu(SEVERITIES, follows, doc, write)


_COMMON = {
    "NAME": Field("STRING", rule.name, "Name"),
    "DESC": Field("STRING", rule.of_info("doc"), "Description", rule.write_description),
    "RTYP": Field("STRING", rule.of_info("record"), "Record type"),
    "ASG": Field("STRING", rule.group, "Access group", rule.write_group),
    "SCAN": _menu(_SCANS, rule.scan, "What has it processed"),
    "PINI": _menu(_PINI, 0, "Processed at the start"),
    "PHAS": Field("SHORT", 0, "Order within a scan"),
    "EVNT": Field("STRING", "", "Event that has it processed"),
    "TSE": Field("SHORT", rule.time_event, "Time stamps: -2 come with the value, 0 are of the moment"),
    "TSEL": Field("LINK", "", "Where TSE comes from"),
    "DTYP": _menu(rule.DEVICES, rule.device, "What kind of thing the value comes from"),
    "DISV": Field("SHORT", 1, "DISA that disables processing"),
    "DISA": Field("SHORT", 0, "Disables processing if it is DISV"),
    "SDIS": Field("LINK", "", "Where DISA comes from"),
    "DISP": Field("UCHAR", rule.is_disabled, "Other than 0: puts are refused", rule.disable),
    "PROC": Field("UCHAR", 0, "Writing it processes the record", rule.process),
    "STAT": _menu(STATUSES, rule.status, "Alarm status"),
    "SEVR": _severity("Alarm severity", rule.severity),
    "AMSG": Field("STRING", "", "Alarm message"),
    "NSTA": _menu(STATUSES, 0, "Alarm status of the processing that goes on"),
    "NSEV": _severity("Alarm severity of the processing that goes on"),
    "NAMSG": Field("STRING", "", "Alarm message of the processing that goes on"),
    "ACKS": _severity("Highest severity that is not acknowledged", rule.unacknowledged, rule.write_acks),
    "ACKT": _menu(_NO_YES, rule.is_transient, "Alarms that have gone want to be acknowledged", rule.write_ackt),
    "DISS": _severity("Severity while disabled"),
    "LCNT": Field("UCHAR", 0, "Attempts to process it while it was active"),
    "PACT": Field("UCHAR", rule.is_active, "Active: a put goes on"),
    "PUTF": Field("UCHAR", rule.is_active, "Processed because of a put"),
    "RPRO": Field("UCHAR", 0, "To be processed once more"),
    "PRIO": _menu(("LOW", "MEDIUM", "HIGH"), 0, "Priority of processing"),
    "TPRO": Field("UCHAR", 0, "Trace of processing"),
    "UDF": Field("UCHAR", rule.is_undefined, "Value is undefined"),
    "UDFS": _severity("Severity of an undefined value", SEVERITIES.index("INVALID")),
    "TIME": Field("STRING", rule.time_stamp, "Time stamp, local time,"),
    "UTAG": Field("ULONG", 0, "Tag of the time stamp"),
    "FLNK": Field("LINK", "", "What is processed next"),
    "SIML": Field("LINK", "", "Where SIMM comes from"),
    "SIOL": Field("LINK", "", "Simulation's value"),
    "SIMM": _menu(_NO_YES, 0, "Simulation"),
    "SIMS": _severity("Severity of simulation"),
    "OLDSIMM": _menu(_NO_YES_RAW, 0, "Simulation before"),
    "SSCN": _menu(_SCANS, rule.scan, "SCAN in simulation"),
    "SDLY": Field("DOUBLE", -1.0, "Delay of simulation"),
}
_RAW_SIMULATION = {"SIMM": _menu(_NO_YES_RAW, 0, "Simulation")}
_INPUT = {"INP": Field("LINK", rule.link, "What the value comes from")}
_OUTPUT = {
    "OUT": Field("LINK", rule.link, "What the value goes to"),
    "DOL": Field("LINK", "", "Where the value to be written comes from"),
    "OMSL": _menu(("supervisory", "closed_loop"), 0, "Written by clients, or from DOL"),
    "IVOA": _menu(_INVALID_ACTIONS, 0, "What an invalid value does"),
}
_FILTER_OF_ALARMS = {
    "AFTC": Field("DOUBLE", 0.0, "Time constant of alarms"),
    "AFVL": Field("DOUBLE", 0.0, "Alarm as it is filtered"),
}

_NUMBER = {
    "EGU": Field("STRING", rule.of_info("unit"), "Unit", rule.write_unit),
    "HOPR": Field("NUMBER", rule.display_limit(1), "Upper display limit"),
    "LOPR": Field("NUMBER", rule.display_limit(0), "Lower display limit"),
    **{name: Field("NUMBER", rule.limit(name), "Alarm limit", rule.write_limit(name)) for name in LIMIT_NAMES},
    **{
        field: _severity("Severity", rule.limit_severity(name), rule.write_limit_severity(name))
        for name, field in zip(LIMIT_NAMES, LIMIT_SEVERITY_FIELDS, strict=True)
    },
    "HYST": Field("NUMBER", rule.of_info("hysteresis"), "Hysteresis of the alarm", rule.write_info("hysteresis")),
    "MDEL": Field("NUMBER", rule.of_info("mdel"), "Deadband of monitors", rule.write_info("mdel")),
    "ADEL": Field("NUMBER", rule.of_info("adel"), "Deadband of archivers", rule.write_info("adel")),
    "LALM": Field("NUMBER", rule.alarmed, "Value or limit of the last alarm"),
    "MLST": Field("NUMBER", rule.posted(0), "Value that was last posted"),
    "ALST": Field("NUMBER", rule.posted(1), "Value that was last posted to archivers"),
}
_PRECISION = {"PREC": Field("SHORT", rule.of_info("precision"), "Decimals", rule.write_precision)}
_ANALOG = _PRECISION | {
    "LINR": _menu(_CONVERSIONS, 0, "Conversion"),
    "EGUF": Field("DOUBLE", 0.0, "Full scale of the conversion"),
    "EGUL": Field("DOUBLE", 0.0, "Zero of the conversion"),
    "ESLO": Field("DOUBLE", 1.0, "Slope of the conversion"),
    "EOFF": Field("DOUBLE", 0.0, "Offset of the conversion"),
    "ROFF": Field("ULONG", 0, "Offset of the raw value"),
    "ASLO": Field("DOUBLE", 1.0, "Slope of the raw value"),
    "AOFF": Field("DOUBLE", 0.0, "Offset of the raw value"),
    "RVAL": Field("LONG", 0, "Raw value"),
    "ORAW": Field("LONG", 0, "Raw value before"),
    "INIT": Field("SHORT", 0, "Conversion is to be initialized"),
    "LBRK": Field("SHORT", 0, "Last break point of the conversion"),
}
_DRIVE = {
    "DRVH": Field("NUMBER", rule.drive_limit(1), "Largest value that may be written"),
    "DRVL": Field("NUMBER", rule.drive_limit(0), "Smallest value that may be written"),
    "IVOV": Field("NUMBER", 0, "What is written instead of an invalid value"),
}
_SIMULATED_NUMBER = {"SVAL": Field("NUMBER", 0, "Value of simulation")}
_STATES = {
    "COSV": _severity("Severity of a change of state"),
    "LALM": Field("USHORT", rule.value, "State of the last alarm"),
    "MLST": Field("USHORT", rule.value, "State that was last posted"),
    "MASK": Field("ULONG", 0, "Bits of the raw value"),
    "RVAL": Field("ULONG", 0, "Raw value"),
    "ORAW": Field("ULONG", 0, "Raw value before"),
}
_WRITTEN_STATES = {
    "RVAL": Field("ULONG", rule.raw, "Raw value"),
    "ORAW": Field("ULONG", rule.raw, "Raw value before"),
    "RBV": Field("ULONG", 0, "Raw value that was read back"),
    "ORBV": Field("ULONG", 0, "Raw value that was read back before"),
    "IVOV": Field("USHORT", 0, "What is written instead of an invalid value"),
}
_SIMULATED_STATE = {"SVAL": Field("ULONG", 0, "Value of simulation")}


def _state(index: int, name: str, severity: str) -> dict[str, Field]:
    """The fields of a state."""
    write = rule.write_state_severity(index)
    return {
        name: Field("STRING", rule.state(index), "State"),
        severity: _severity("Severity of a state", rule.state_severity(index), write),
    }


_TWO_STATES = _STATES | _state(0, "ZNAM", "ZSV") | _state(1, "ONAM", "OSV")
_MANY_STATES = _STATES | {
    "NOBT": Field("USHORT", 0, "Number of bits"),
    "SHFT": Field("USHORT", 0, "Shift of the raw value"),
    "SDEF": Field("SHORT", 1, "States are defined"),
    "UNSV": _severity("Severity of an unknown state"),
}
for _index, _name in enumerate(STATE_FIELDS):
    _MANY_STATES |= _state(_index, f"{_name}ST", f"{_name}SV")
    _MANY_STATES[f"{_name}VL"] = Field("ULONG", rule.state_number(_index), "Raw value of a state")
_TEXT = {
    "OVAL": Field("STRING", rule.value, "Value that was last posted"),
    "MPST": _menu(("On Change", "Always"), 0, "When monitors are posted"),
    "APST": _menu(("On Change", "Always"), 0, "When archivers are posted"),
}
_ARRAY = _PRECISION | {
    "EGU": _NUMBER["EGU"],
    "HOPR": Field("DOUBLE", rule.display_limit(1), "Upper display limit"),
    "LOPR": Field("DOUBLE", rule.display_limit(0), "Lower display limit"),
    "NELM": Field("ULONG", rule.length, "Elements that fit"),
    "NORD": Field("ULONG", rule.filled, "Elements that there are"),
    "FTVL": _menu(rule.ELEMENTS, rule.element, "Type of an element"),
    "MPST": _menu(("Always", "On Change"), 1, "When monitors are posted"),
    "APST": _menu(("Always", "On Change"), 1, "When archivers are posted"),
    "HASH": Field("ULONG", 0, "Hash of the array"),
    "BUSY": Field("SHORT", 0, "Being read"),
    "RARM": Field("SHORT", 0, "To be armed again"),
}

_OF_RECORD: dict[RecordType, dict[str, Field]] = {
    "ai": _INPUT | _NUMBER | _ANALOG | _RAW_SIMULATION | _SIMULATED_NUMBER | _FILTER_OF_ALARMS | {
        "SMOO": Field("DOUBLE", 0.0, "Smoothing"),
    },
    "ao": _OUTPUT | _NUMBER | _ANALOG | _RAW_SIMULATION | _DRIVE | {
        "RVAL": Field("LONG", rule.raw, "Raw value"),
        "ORAW": Field("LONG", rule.raw, "Raw value before"),
        "ASLO": Field("DOUBLE", 0.0, "Slope of the raw value"),
        "OROC": Field("DOUBLE", 0.0, "Greatest rate of change"),
        "OVAL": Field("DOUBLE", rule.value, "Value that was written"),
        "PVAL": Field("DOUBLE", rule.value, "Value before"),
        "RBV": Field("LONG", 0, "Raw value that was read back"),
        "ORBV": Field("LONG", 0, "Raw value that was read back before"),
        "OIF": _menu(("Full", "Incremental"), 0, "What is written: the value, or an increment"),
        "OMOD": Field("UCHAR", 0, "Value was changed on its way out"),
    },
    "longin": _INPUT | _NUMBER | _SIMULATED_NUMBER | _FILTER_OF_ALARMS,
    "longout": _OUTPUT | _NUMBER | _DRIVE | {
        "OOPT": _menu(_OUTPUT_OPTIONS, 0, "When the value is written"),
        "OOCH": _menu(_NO_YES, 1, "Written when OOPT changes"),
        "PVAL": Field("LONG", rule.value, "Value before"),
    },
    "int64in": _INPUT | _NUMBER | _SIMULATED_NUMBER | _FILTER_OF_ALARMS,
    "int64out": _OUTPUT | _NUMBER | _DRIVE,
    "bi": _INPUT | _TWO_STATES | _RAW_SIMULATION | _SIMULATED_STATE,
    "bo": _OUTPUT | _TWO_STATES | _WRITTEN_STATES | _RAW_SIMULATION | {
        "HIGH": Field("DOUBLE", 0.0, "Seconds after which it is 0 again; 0: never"),
    },
    "mbbi": _INPUT | _MANY_STATES | _RAW_SIMULATION | _SIMULATED_STATE | _FILTER_OF_ALARMS,
    "mbbo": _OUTPUT | _MANY_STATES | _WRITTEN_STATES | _RAW_SIMULATION,
    "stringin": _INPUT | _TEXT | {"SVAL": Field("STRING", "", "Value of simulation")},
    "stringout": _OUTPUT | _TEXT | {"IVOV": Field("STRING", "", "What is written instead of an invalid value")},
    "waveform": _INPUT | _ARRAY,
}  # fmt: skip
#: By record type, the fields that a record has besides its value, by name.
FIELDS = {record: _COMMON | fields for record, fields in _OF_RECORD.items()}
