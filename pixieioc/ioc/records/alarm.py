"""Severity from a value, as EPICS records have it: limits with hysteresis, severities of states."""

from __future__ import annotations

import math

from pixieioc.pvinfo.model import SEVERITIES, PvInfo

NO_ALARM, MINOR, MAJOR, INVALID = range(len(SEVERITIES))


class AlarmStatus:
    """Why something is in alarm, by the numbers that EPICS gives them; plain integers, as records post often."""

    NO_ALARM, HIHI, HIGH, LOLO, LOW, STATE = 0, 3, 4, 5, 6, 7
    COMM, SOFT, UDF = 9, 15, 17


#: The names of all that there are in EPICS, by their numbers.
STATUSES = (
    "NO_ALARM", "READ", "WRITE", "HIHI", "HIGH", "LOLO", "LOW", "STATE", "COS", "COMM", "TIMEOUT", "HWLIMIT", "CALC",
    "SCAN", "LINK", "SOFT", "BAD_SUB", "UDF", "DISABLE", "SIMM", "READ_ACCESS", "WRITE_ACCESS",
)  # fmt: skip


#: The limits in the order in which EPICS looks at them: index into LOLO, LOW, HIGH, HIHI; upper or lower; status.
_CHECKS = (
    (3, 1, AlarmStatus.HIHI),
    (0, -1, AlarmStatus.LOLO),
    (2, 1, AlarmStatus.HIGH),
    (1, -1, AlarmStatus.LOW),
)


class AlarmEvaluation:
    """Tells status and severity of one PV's values; remembers the limit that was last exceeded, for the hysteresis."""

    __slots__ = ("_checks", "_hysteresis", "_states", "exceeded")

    def __init__(self, info: PvInfo, exceeded: float = math.nan) -> None:
        self._states = tuple(SEVERITIES.index(severity) for severity in info.severities)
        self._checks = [
            (info.limits[i], sign, status, SEVERITIES.index(info.severity_of_limit(i)))
            for i, sign, status in _CHECKS
            if not math.isnan(info.limits[i]) and info.severity_of_limit(i) != "NO_ALARM"
        ]
        self._hysteresis = info.hysteresis
        self.exceeded = exceeded  #: the limit that was last exceeded, and not come back from; NaN: none

    def evaluate(self, value: float) -> tuple[int, int]:
        """Alarm status and severity of a number or of a state's index."""
        if self._states:
            severity = self._states[int(value)]
            return (AlarmStatus.STATE if severity else AlarmStatus.NO_ALARM), severity
        for limit, sign, status, severity in self._checks:
            bound = limit - sign * self._hysteresis if limit == self.exceeded else limit
            if sign * value >= sign * bound:
                self.exceeded = limit
                return status, severity
        if self._checks and value != value:
            return AlarmStatus.UDF, INVALID
        self.exceeded = math.nan
        return AlarmStatus.NO_ALARM, NO_ALARM
