"""Process variables that follow from declarations: of a task's parameters and reports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pixieioc.pipeline import channel_values
from pixieioc.pipeline.declare import LONG_HIGH, LONG_LOW, LONGEST_TEXT, Parameter, Report, Value
from pixieioc.pipeline.standard import StandardReports
from pixieioc.pvinfo.model import (
    LONGEST_STRING,
    NO_LIMITS,
    AlarmHandling,
    Element,
    PvInfo,
    RecordType,
    Section,
    Source,
    text_pv,
)
from pixieioc.pvinfo.states import ALARM_SERVER_LEVELS, DONE, NO_YES, OK_ERROR

if TYPE_CHECKING:
    from pixieioc.pipeline.task import Task

#: Lines of PrintLog_RBV.
PRINTED_LINES = 20


@dataclass(frozen=True)
class _Scope:
    """Where the process variables of a declaration are: what their names begin with, and their section."""

    before: str
    section: Section
    owner: str = ""

    def named(self, own: str) -> dict[str, Any]:
        """The fields that say so, for what is named `own` there."""
        return {"name": self.before + own, "own": own, "section": self.section, "owner": self.owner}


def _scope_of(task: str, declared: Parameter[Any] | Report[Any]) -> _Scope:
    """That of what there is once in a task, or once in the pipeline."""
    shared = not task or declared.shared
    return _Scope("", declared.section) if shared else _Scope(f"{task}:", "task", task)


def _of_index(*index: int) -> _Scope:
    """That of a module or a channel."""
    return _Scope(f"{channel_values.place_name(index)}:", "channel")


def parameter_pvs(
    task: str, parameter: Parameter[Any], value: Value, settings: Mapping[str, Value]
) -> Iterator[PvInfo]:
    """The setpoint and the readback of a parameter, of each channel or module if it has a value for each.

    `task` is empty for the run control's own; `settings` are all values of the task. A `fixed` parameter has no
    setpoint, a command no readback.
    """
    if parameter.per != "task":
        for index in channel_values.places(parameter.shape(settings)):
            number = index[2] if parameter.times else None
            source = Source("parameter", task, parameter.name, index[:2], number)
            yield from _pair(_of_index(*index[:2]), parameter, channel_values.at(value, index), source)
        return
    scope, source = _scope_of(task, parameter), Source("parameter", task, parameter.name)
    if parameter.command:
        labels = (DONE, parameter.pv)
        named = scope.named(parameter.pv)
        yield PvInfo(
            record="bo",
            doc=parameter.doc,
            labels=labels,
            access=parameter.access,
            source=source,
            role="command",
            **named,
        )
    else:
        yield from _pair(scope, parameter, value, source)


def _pair(scope: _Scope, parameter: Parameter[Any], value: Value, source: Source) -> Iterator[PvInfo]:
    own = channel_values.numbered(parameter.pv, source.number)
    pattern = parameter.pv if source.number is not None else ""
    if not parameter.fixed:
        of: dict[str, Any] = {**scope.named(own), "access": parameter.access, "source": source, "pattern": pattern}
        of |= {"role": "setpoint", "saved": True, "in_device": parameter.device, "locked_in_run": not parameter.live}
        yield _of_parameter(parameter, value, parameter.doc, of)
    of = {**scope.named(f"{own}_RBV"), "source": replace(source, kind="readback"), "role": "readback"}
    of["pattern"] = f"{pattern}_RBV" if pattern else ""
    yield _of_parameter(parameter, value, f"{parameter.doc.rstrip('.')}: as it is used.", of)


def _of_parameter(parameter: Parameter[Any], value: Value, doc: str, of: dict[str, Any]) -> PvInfo:
    """That of a setpoint or readback; `of` are the fields that do not depend on the kind of its values."""
    out = of["role"] == "setpoint"
    of = {**of, "doc": doc, "unit": parameter.unit}
    match parameter.kind:
        case "bool":
            return PvInfo(
                record="bo" if out else "bi", initial=int(bool(value)), labels=parameter.choices or NO_YES, **of
            )
        case "enum":
            labels = parameter.choices
            return PvInfo(record="mbbo" if out else "mbbi", initial=labels.index(str(value)), labels=labels, **of)
        case "int":
            wide = parameter.span[0] < LONG_LOW or parameter.span[1] > LONG_HIGH
            record: RecordType = ("int64out" if out else "int64in") if wide else ("longout" if out else "longin")
            named = tuple(parameter.named.items())
            return PvInfo(record=record, initial=value, drive=parameter.span, named=named, **of)
        case "float":
            digits = parameter.precision
            return PvInfo(record="ao" if out else "ai", initial=value, precision=digits, drive=parameter.span, **of)
        case "str" if parameter.longest <= LONGEST_STRING:
            return PvInfo(record="stringout" if out else "stringin", initial=value, **of)
        case "str" | "strings" | "numbers":
            of.pop("unit")
            longest = parameter.longest if parameter.kind == "str" else LONGEST_TEXT
            return text_pv(length=longest + 1, initial=as_pv(value), **of)


def as_pv(value: Value) -> Any:
    """A parameter's value as its process variable shows it: lists as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


def from_pv(parameter: Parameter[Any], value: Any) -> Any:
    """What was written to a setpoint as the parameter's value: an enum's label for its index."""
    if parameter.kind == "enum":
        return parameter.choices[int(value)]
    return bool(value) if parameter.kind == "bool" else value


def report_pvs(
    task: str, report: Report[Any], settings: Mapping[str, Value], limits: Mapping[str, Any]
) -> Iterator[PvInfo]:
    """The process variables of a report: one, or one a channel and one array a module.

    `settings` are the task's values, from which the number of channels follows; `limits` replaces declared limits.
    """
    if report.per != "task":
        yield from (_channel_pvs if report.per == "channel" else _module_pvs)(task, report, settings)
        return
    standard = vars(StandardReports).get(report.name) is report
    own = report.pv if report.shared or standard else _reported(report.pv)
    scope, alarm = _scope_of(task, report), report.alarm
    of: dict[str, Any] = {
        **scope.named(own),
        "doc": report.doc, "guidance": report.guidance, "source": Source("report", task, report.name),
        "alarm": replace(alarm, message=f"{scope.before}{alarm.message}") if alarm.message else alarm,
        "archive": report.archive,
    }  # fmt: skip
    number: dict[str, Any] = {
        "unit": report.unit,
        "limits": limits.get(report.name, report.limits),
        "hysteresis": report.hysteresis,
    }
    match report.initial:
        case str() if report.choices:
            first = report.choices.index(report.initial)
            yield PvInfo(record="mbbi", initial=first, labels=report.choices, severities=report.severities, **of)
        case bool():
            yield PvInfo(record="bi", initial=int(report.initial), labels=NO_YES, severities=report.severities, **of)
        case int() if report.small:
            yield PvInfo(record="longin", initial=report.initial, **number, **of)
        case int():
            yield PvInfo(record="ai", initial=float(report.initial), precision=0, **number, **of)
        case float():
            yield PvInfo(record="ai", initial=report.initial, precision=report.precision, **number, **of)
        case str():
            yield text_pv(length=report.longest, initial=report.initial, **of)
        case _:
            raise TypeError(
                f"{task}.{report.name}: no process variable for a report of {type(report.initial).__name__}"
            )


def _reported(pv: str) -> str:
    return f"REPORT:{pv}" if pv.endswith("_RBV") else f"REPORT:{pv}_RBV"


def _channel_pvs(task: str, report: Report[Any], settings: Mapping[str, Value]) -> Iterator[PvInfo]:
    """One a channel (or several, numbered), and for single values one array a module over its channels."""
    modules, channels, numbers = report.shape(settings)
    declared = report.pv.removesuffix("_RBV")
    for number in range(numbers) if numbers else (None,):
        base = channel_values.numbered(declared, number)
        pattern = "" if number is None else f"{declared}_RBV"
        for module in range(modules):
            for channel in range(channels):
                source = Source("report", task, report.name, (module, channel), number)
                named = {**_of_index(module, channel).named(f"{base}_RBV"), "pattern": pattern}
                yield _report_of_channel(report, settings, {**named, "source": source})
            if not report.length:
                source = Source("report", task, report.name, (module,), number)
                plural = "" if number is None else f"{_plural(declared)}_RBV"
                yield PvInfo(
                    record="waveform", doc=f"{report.doc.rstrip('.')}, by channel.", initial=[0.0] * channels,
                    unit=report.unit, precision=_precision(report), length=channels, source=source, pattern=plural,
                    **_of_index(module).named(f"{_plural(base)}_RBV"),
                )  # fmt: skip


def _module_pvs(task: str, report: Report[Any], settings: Mapping[str, Value]) -> Iterator[PvInfo]:
    """One per module: a number, a state, or an array."""
    own = f"{report.pv.removesuffix('_RBV')}_RBV"
    for module in range(report.shape(settings)[0]):
        source = Source("report", task, report.name, (module,))
        of: dict[str, Any] = {**_Scope(f"M{module:02d}:", "channel").named(own), "source": source}
        if report.choices:
            of |= {"doc": report.doc, "guidance": report.guidance, "alarm": report.alarm, "archive": report.archive}
            labels, states = report.choices, report.severities
            yield PvInfo(record="bi" if len(labels) == 2 else "mbbi", labels=labels, severities=states, **of)
        else:
            yield _report_of_channel(report, settings, of)


def _plural(word: str) -> str:
    return word if word.endswith("s") else f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def _report_of_channel(report: Report[Any], settings: Mapping[str, Value], of: dict[str, Any]) -> PvInfo:
    of = {**of, "doc": report.doc, "unit": report.unit, "guidance": report.guidance}
    of |= {"alarm": report.alarm, "archive": report.archive}
    if report.length:
        length = settings[report.length]
        assert isinstance(length, int)
        return PvInfo(
            record="waveform", initial=[], element=_element(report), length=length, full=not report.large, **of
        )
    alarm: dict[str, Any] = {"limits": report.limits, "hysteresis": report.hysteresis}
    return PvInfo(record="ai", initial=0.0, precision=_precision(report), **alarm, **of)


def _precision(report: Report[Any]) -> int:
    """Counts, which have no unit, are whole."""
    return report.precision if report.unit else 0


def _element(report: Report[Any]) -> Element:
    return "LONG" if report.initial.dtype.kind in "iu" else "DOUBLE"


def task_pvs(
    task: str, cls: type[Task], settings: Mapping[str, Value], memory: tuple[float, float]
) -> Iterator[PvInfo]:
    """All process variables of the task with this name and class; `memory` are the limits (MB) of HIGH and HIHI."""
    nan = NO_LIMITS[0]
    limits = {"mem_used": (nan, nan, *memory)}
    for report in cls.reports().values():
        if report.name == "events" and not cls.events_known:
            continue
        yield from report_pvs(task, report, settings, limits)
    yield from _frame_pvs(task)
    for name, parameter in cls.parameters().items():
        yield from parameter_pvs(task, parameter, settings.get(name, parameter.default), settings)


def _frame_pvs(task: str) -> Iterator[PvInfo]:
    """What the IOC itself knows of a task."""
    scope = _Scope(f"{task}:", "task", task)

    def of(own: str, name: str) -> dict[str, Any]:
        return {**scope.named(own), "source": Source("run", task, name)}

    yield PvInfo(
        record="bi", doc="Whether the task had an error that nobody has acknowledged.", labels=OK_ERROR,
        severities=("NO_ALARM", "MAJOR"),
        alarm=AlarmHandling(rank="error", explains=True, message=f"{task}:ErrorMessage_RBV"),
        guidance="Read ErrorMessage_RBV and remove the cause; the next start replaces the task. Acknowledge in the "
        "alarm handler, or all errors with ErrorAck.",
        **of("ERROR", "error"),
    )  # fmt: skip
    yield PvInfo(
        record="mbbo", doc="State of ERROR in the alarm server; an acknowledgement there counts here, too.",
        labels=ALARM_SERVER_LEVELS, access="OP", role="input", **of("ErrorAlarm", "error_alarm"),
    )  # fmt: skip
    yield text_pv(
        doc="The first error since the last acknowledgement.",
        length=512,
        alarm=AlarmHandling(omitted="the text of ERROR", besides=("MAJOR", "while ERROR is"), repeats=True),
        **of("ErrorMessage_RBV", "error_message"),
    )
    yield PvInfo(record="longin", doc="Errors since the IOC was started.", **of("ErrorCount_RBV", "error_count"))
    yield text_pv(doc="The last line that the task printed.", length=512, **of("PRINT", "print"))
    yield text_pv(
        doc=f"The last {PRINTED_LINES} lines that the task printed.",
        length=4096,
        **of("PrintLog_RBV", "print_log"),
    )
    yield text_pv(
        doc="Values that the task reported without having declared them.",
        length=4096,
        **of("REPORT:JSON_RBV", "json"),
    )
