"""Process variables that follow from declarations: of a task's parameters and reports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pixieioc.pipeline import channel_values
from pixieioc.pipeline.declare import LONG_HIGH, LONG_LOW, LONGEST_TEXT, Parameter, Report, Value
from pixieioc.pipeline.standard import StandardReports
from pixieioc.pvinfo.model import LONGEST_STRING, NO_LIMITS, Access, Element, PvInfo, RecordType, Source, text_pv

if TYPE_CHECKING:
    from pixieioc.pipeline.task import Task

NO_YES = ("No", "Yes")
#: Severity levels of the Phoebus alarm server, in its order: the numbers that its "severity PVs" get.
ALARM_STATES = (
    "OK", "MINOR_ACK", "MAJOR_ACK", "INVALID_ACK", "UNDEFINED_ACK", "MINOR", "MAJOR", "INVALID", "UNDEFINED",
)  # fmt: skip
#: Access groups: parameters are the expert's.
PARAMETER_ACCESS: Access = "EX"


def parameter_pvs(
    task: str,
    parameter: Parameter[Any],
    value: Value,
    settings: Mapping[str, Value],
    access: Access = PARAMETER_ACCESS,
) -> Iterator[PvInfo]:
    """The setpoint and the readback of a parameter, of each channel or module if it has a value for each.

    `task` is empty for the run control's own; `settings` are all values of the task. A `fixed` parameter has no
    setpoint, a command no readback. What concerns only what is shown is the operator's.
    """
    if parameter.at_once:
        access = "OP"
    if parameter.per != "task":
        for place in channel_values.places(parameter.shape(settings)):
            number = place[2] if parameter.times else None
            name = f"{channel_values.place_name(place[:2])}:{channel_values.numbered(parameter.pv, number)}"
            source = (task, parameter.name, place[:2], number)
            yield from _pair(name, parameter, channel_values.at(value, place), access, source)
        return
    name = parameter.pv if parameter.shared or not task else f"{task}:{parameter.pv}"
    if parameter.command:
        source = Source("parameter", task, parameter.name)
        who: Access = PARAMETER_ACCESS if parameter.expert else "OP"
        yield PvInfo(name, "bo", parameter.doc, labels=("Done", parameter.pv), access=who, source=source)
    else:
        yield from _pair(name, parameter, value, access, (task, parameter.name))


def _pair(
    name: str, parameter: Parameter[Any], value: Value, access: Access, source: tuple[Any, ...]
) -> Iterator[PvInfo]:
    if not parameter.fixed:
        yield _of_parameter(name, parameter, value, access, Source("parameter", *source))
    yield _of_parameter(f"{name}_RBV", parameter, value, "", Source("readback", *source))


def _of_parameter(name: str, parameter: Parameter[Any], value: Value, access: Access, source: Source) -> PvInfo:
    doc = parameter.doc if access else f"{parameter.doc.rstrip('.')}: as it is used."
    more: dict[str, Any] = {"unit": parameter.unit, "access": access, "source": source}
    out = bool(access)
    more["locked_in_run"] = out and not parameter.live
    match parameter.kind:
        case "bool":
            return PvInfo(
                name, "bo" if out else "bi", doc, int(bool(value)), labels=parameter.choices or NO_YES, **more
            )
        case "enum":
            labels = parameter.choices
            return PvInfo(name, "mbbo" if out else "mbbi", doc, labels.index(str(value)), labels=labels, **more)
        case "int":
            wide = parameter.low < LONG_LOW or parameter.high > LONG_HIGH
            record: RecordType = ("int64out" if out else "int64in") if wide else ("longout" if out else "longin")
            named = tuple(parameter.named.items())
            return PvInfo(name, record, doc, value, drive=(parameter.low, parameter.high), named=named, **more)
        case "float":
            drive = (parameter.low, parameter.high)
            return PvInfo(name, "ao" if out else "ai", doc, value, precision=parameter.precision, drive=drive, **more)
        case "str" if parameter.longest <= LONGEST_STRING:
            return PvInfo(name, "stringout" if out else "stringin", doc, value, **more)
        case "str" | "strings" | "numbers":
            more.pop("unit")
            return text_pv(name, doc, LONGEST_TEXT + 1, initial=as_pv(value), **more)


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
    if report.per == "channel":
        yield from _channel_pvs(task, report, settings)
        return
    standard = vars(StandardReports).get(report.name) is report
    name = report.pv if report.shared else f"{task}:{report.pv if standard else _reported(report.pv)}"
    source = Source("report", task, report.name)
    more: dict[str, Any] = {"unit": report.unit, "guidance": report.guidance, "source": source}
    more["limits"] = limits.get(report.name, report.limits)
    more["hysteresis"] = report.hysteresis
    match report.initial:
        case str() if report.choices:
            first = report.choices.index(report.initial)
            yield PvInfo(
                name,
                "mbbi",
                report.doc,
                first,
                labels=report.choices,
                severities=report.severities,
                guidance=report.guidance,
                source=source,
            )
        case bool():
            severities = report.severities
            yield PvInfo(
                name,
                "bi",
                report.doc,
                int(report.initial),
                labels=NO_YES,
                severities=severities,
                guidance=report.guidance,
                source=source,
            )
        case int() if report.small:
            yield PvInfo(name, "longin", report.doc, report.initial, **more)
        case int():
            yield PvInfo(name, "ai", report.doc, float(report.initial), precision=0, **more)
        case float():
            yield PvInfo(name, "ai", report.doc, report.initial, precision=report.precision, **more)
        case str():
            yield text_pv(
                name, report.doc, report.longest, initial=report.initial, guidance=report.guidance, source=source
            )
        case _:
            raise TypeError(
                f"{task}.{report.name}: no process variable for a report of {type(report.initial).__name__}"
            )


def _reported(pv: str) -> str:
    return f"REPORT:{pv}" if pv.endswith("_RBV") else f"REPORT:{pv}_RBV"


def _channel_pvs(task: str, report: Report[Any], settings: Mapping[str, Value]) -> Iterator[PvInfo]:
    """One a channel (or several, numbered), and for single values one array a module over its channels."""
    modules, channels, numbers = report.shape(settings)
    for number in range(numbers) if numbers else (None,):
        base = channel_values.numbered(report.pv, number).removesuffix("_RBV")
        for module in range(modules):
            for channel in range(channels):
                source = Source("report", task, report.name, (module, channel), number)
                yield _of_channel(
                    f"{channel_values.channel_name(module, channel)}:{base}_RBV", report, settings, source
                )
            if not report.length:
                source = Source("report", task, report.name, (module,), number)
                yield PvInfo(
                    f"M{module:02d}:{_plural(base)}_RBV", "waveform", f"{report.doc.rstrip('.')}, by channel.",
                    [0.0] * channels, report.unit, _precision(report), length=channels, source=source,
                )  # fmt: skip


def _plural(word: str) -> str:
    return word if word.endswith("s") else f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def _of_channel(name: str, report: Report[Any], settings: Mapping[str, Value], source: Source) -> PvInfo:
    more: dict[str, Any] = {"unit": report.unit, "guidance": report.guidance, "source": source}
    if report.length:
        length = settings[report.length]
        assert isinstance(length, int)
        return PvInfo(name, "waveform", report.doc, [], element=_element(report), length=length, full=True, **more)
    alarm: dict[str, Any] = {"limits": report.limits, "hysteresis": report.hysteresis}
    return PvInfo(name, "ai", report.doc, 0.0, precision=_precision(report), **alarm, **more)


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
    yield PvInfo(
        f"{task}:ERROR", "bi", "Whether the task had an error that nobody has acknowledged.", labels=("OK", "ERROR"),
        severities=("NO_ALARM", "MAJOR"), source=Source("run", task, "error"),
        guidance="Read ErrorMessage_RBV and mend its cause; the next start replaces the task. Acknowledge in the "
        "alarm handler, or all errors with ErrorAck.",
    )  # fmt: skip
    yield PvInfo(
        f"{task}:ErrorAlarm", "mbbo", "What the alarm server makes of ERROR; an acknowledge there is one here.",
        labels=ALARM_STATES, access="OP", source=Source("run", task, "error_alarm"),
    )  # fmt: skip
    yield text_pv(
        f"{task}:ErrorMessage_RBV",
        "The first error since the last acknowledge.",
        512,
        source=Source("run", task, "error_message"),
    )
    yield PvInfo(
        f"{task}:ErrorCount_RBV",
        "longin",
        "Errors since the IOC was started.",
        source=Source("run", task, "error_count"),
    )
    yield text_pv(f"{task}:PRINT", "The last line that the task printed.", 512, source=Source("run", task, "print"))
    yield text_pv(
        f"{task}:PrintLog_RBV",
        "The last 20 lines that the task printed.",
        4096,
        source=Source("run", task, "print_log"),
    )
    yield text_pv(
        f"{task}:REPORT:JSON_RBV",
        "Values that the task reported without declaring them.",
        4096,
        source=Source("run", task, "json"),
    )
