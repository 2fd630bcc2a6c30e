"""The list of alarms as process variables: a row for each of the worst, and all of them as a text."""

from __future__ import annotations

from datetime import datetime

from pixieioc.ioc.alarm_list import Entry, InAlarm, entries, screen_number
from pixieioc.ioc.records import Pvs, Record
from pixieioc.pvinfo.model import SEVERITIES
from pixieioc.pvinfo.overview import ALARM_ROWS

#: The longest value that is shown in the list of alarms, in characters, and the most entries of the whole list.
_LONGEST, _MOST = 120, 50


class AlarmRows:
    """Shows what is in alarm, with the screen and the guidance of each."""

    def __init__(self, pvs: Pvs, chain: tuple[str, ...]) -> None:
        self._pvs = pvs
        self._chain = chain

    def show(self) -> None:
        """Posts what is in alarm now."""
        pvs = self._pvs
        rows = entries(
            self._in_alarm(pvs[name], since) for name, since in pvs.alarms.items() if not pvs[name].info.alarm.repeats
        )
        pvs.post("AlarmCount_RBV", len(rows))
        lines = [f"{SEVERITIES[row.severity]:7}  {_said(row)}" for row in rows[:_MOST]]
        lines += [f"and {len(rows) - _MOST} more"] if len(rows) > _MOST else []
        pvs.post("AlarmList_RBV", "\n".join(lines))
        for i in range(ALARM_ROWS):
            self._show_row(f"Alarm{i + 1}", rows[i] if i < len(rows) else None)

    def _show_row(self, name: str, row: Entry | None) -> None:
        post = self._pvs.post
        post(f"{name}:Severity_RBV", row.severity if row else 0)
        post(f"{name}:Text_RBV", _said(row) if row else "")
        post(f"{name}:Guidance_RBV", row.guidance[:500] if row else "")
        post(f"{name}:Screen_RBV", screen_number(row.screen, self._chain) if row else 0)

    def _in_alarm(self, record: Record, since: float) -> InAlarm:
        """What is in alarm, with its value; of a task's ERROR that is what has happened, in one line."""
        info = record.info
        if info.record == "waveform" and not info.is_text:
            return InAlarm(info, record.severity, "", since)
        shown = self._pvs[info.alarm.message] if info.alarm.message else record
        text = str(shown.as_text(shown.value, info.precision))
        value = " ".join((text if shown is record else text.partition("\n")[0]).split())
        short = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."
        return InAlarm(info, record.severity, f"{short} {info.unit}".rstrip(), since)


def _said(row: Entry) -> str:
    since = datetime.fromtimestamp(row.since)
    return f"{row.text}, since {since:%m-%d %H:%M:%S}"
