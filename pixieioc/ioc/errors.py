"""Errors latch: what has failed stays in alarm until somebody acknowledges it, also through a later good run."""

from __future__ import annotations

import functools
import logging
import textwrap
import time
from datetime import datetime

from pixieioc.ioc.records import MAJOR, NO_ALARM, Client, Pvs, stamp
from pixieioc.ioc.records.acknowledge import forget
from pixieioc.ioc.run_log import RunLog
from pixieioc.pipeline import Error, errno_of
from pixieioc.pvinfo.states import ACKNOWLEDGED, ALARM_SERVER_LEVELS
from pixieioc.tasks.disk import FULL

log = logging.getLogger(__name__)
#: Whose error it is if it is no task's.
_IOC = "IOC"
#: Alarms about what is over, which end when they have been seen; their values stay.
_PAST = ("IOC:LogLost_RBV", "IOC:PutLogLost_RBV", "SR_rebootStatus")


class ErrorPvs:
    """The ERROR process variables, of each task and of the pipeline."""

    def __init__(self, pvs: Pvs, tasks: tuple[str, ...], run_log: RunLog) -> None:
        self._pvs = pvs
        self._run_log = run_log
        self._counts = dict.fromkeys(tasks, 0)
        self._latched: set[str] = set()
        self._full: set[str] = set()  # those of them that came of a full disk
        pvs.on_put("DiskFullAlarm", self._disk_from_alarm_server)
        pvs["DiskFull_RBV"].on_acknowledge = lambda client: self._acknowledge_full(client, "an alarm handler")
        for task in tasks:
            pvs.on_put(f"{task}:ErrorAlarm", functools.partial(self._from_alarm_server, task))
            pvs[f"{task}:ERROR"].on_acknowledge = functools.partial(self._from_alarm_handler, task)

    def record(self, task: str, error: Error) -> None:
        """Shows an error. The first of a task since the last acknowledgement is the one whose message stays.

        That the IOC cannot write to a disk which is in alarm for being full already is no other alarm.
        """
        if task not in self._counts and error.errno in FULL and self._full:
            self._run_log.add(_said_of(task, error), error.time)
            return
        when, pvs = stamp(error.time), self._pvs
        pvs.post("ErrorCount_RBV", pvs["ErrorCount_RBV"].value + 1, when)
        pvs.post("LastError_RBV", str(error), when)
        pvs.post("LastErrorTask_RBV", task, when)
        shown = datetime.fromtimestamp(error.time).astimezone().isoformat(" ", "milliseconds")
        pvs.post("LastErrorTime_RBV", shown, when)
        self._run_log.add(f"ERROR {_said_of(task, error)}", error.time)
        if not self._latched:
            pvs.post("ErrorFirst_RBV", task, when)
            pvs.post("ErrorFirstMessage_RBV", str(error), when)
            pvs.post("ErrorFirstTime_RBV", shown, when)
        if task in self._counts:
            self._counts[task] += 1
            pvs.post(f"{task}:ErrorCount_RBV", self._counts[task], when)
        owner = task if task in self._counts else _IOC
        if owner not in self._latched:
            if error.errno in FULL:  # before ERROR, which follows from it
                self._full.add(owner)
                pvs.post("DiskFull_RBV", "Yes", when)
            pvs.post_with(f"{owner}:ErrorMessage_RBV", str(error), MAJOR, when)
            pvs.post(f"{owner}:ERROR", "ERROR", when)
        self._latched.add(owner)
        pvs.post("ErrorLatched_RBV", "ERROR", when)

    def own(self, what: str, error: BaseException) -> None:
        """Shows an exception in the IOC's own code."""
        text = f"{what}: {type(error).__name__}: {error}"
        self.record(_IOC, Error(text, time=time.time(), errno=errno_of(error)))

    def acknowledge(self, *tasks: str) -> None:
        """Clears the latched alarms of these tasks, or all of them; counts and the last error stay readable."""
        cleared = self._latched & set(tasks or self._latched)
        for task in cleared:
            self._pvs.post(f"{task}:ERROR", "OK")
            forget(self._pvs[f"{task}:ERROR"])
            self._pvs.post_with(f"{task}:ErrorMessage_RBV", "", NO_ALARM)
        self._latched -= cleared
        self._full -= cleared
        if not self._full:
            self._pvs.post("DiskFull_RBV", "No")
            forget(self._pvs["DiskFull_RBV"])
        if not self._latched:
            for name in ("ErrorFirst_RBV", "ErrorFirstMessage_RBV", "ErrorFirstTime_RBV"):
                self._pvs.post(name, "")
            self._pvs.post("ErrorLatched_RBV", "OK")

    def acknowledge_all(self) -> None:
        """The same of all tasks, and of all that is over."""
        self.acknowledge()
        acknowledge_past(self._pvs)

    def _from_alarm_server(self, task: str, state: int, client: Client) -> None:
        """The alarm server makes this of a task's ERROR: its acknowledgement is ours."""
        name = f"{task}:ErrorAlarm"
        self._pvs.post(name, state)
        if ALARM_SERVER_LEVELS[state] in ACKNOWLEDGED:
            log.info("%s acknowledges the error of %s in the alarm server", client, task)
            self.acknowledge(task)

    def _disk_from_alarm_server(self, state: int, client: Client) -> None:
        """The alarm server makes this of DiskFull: its acknowledgement is one of the errors that it caused."""
        self._pvs.post("DiskFullAlarm", state)
        if ALARM_SERVER_LEVELS[state] in ACKNOWLEDGED:
            self._acknowledge_full(client, "the alarm server")

    def _acknowledge_full(self, client: Client, where: str) -> None:
        if self._full:
            log.info("%s acknowledges in %s that the disk was full", client, where)
            self.acknowledge(*self._full)

    def _from_alarm_handler(self, task: str, client: Client) -> None:
        """An alarm handler has acknowledged a task's ERROR over Channel Access."""
        log.info("%s acknowledges the error of %s", client, task)
        self.acknowledge(task)


def acknowledge_past(pvs: Pvs) -> None:
    """Ends the alarms about what is over; whoever posts these posts only what is news."""
    for name in _PAST:
        pvs.post_with(name, pvs[name].value, NO_ALARM)


def _said_of(task: str, error: Error) -> str:
    """An error with the name of its task, once."""
    return str(error) if str(error).startswith(f"{task}:") else f"{task}: {error}"


def logged(task: str, error: Error) -> str:
    """An error as it stands in the log: with its traceback, indented to tell it from a fault of the IOC itself."""
    return f"{_said_of(task, error)}\n{textwrap.indent(error.traceback, '  ')}".rstrip()
