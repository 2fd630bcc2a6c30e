"""The process variables of the IOC itself, under the names of iocStats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pixieioc.pvinfo.access import access_pvs
from pixieioc.pvinfo.model import NO_LIMITS, AlarmHandling, PvInfo, text_pv
from pixieioc.pvinfo.states import DONE, LOG_LEVELS, OK_ERROR

_NAN = NO_LIMITS[0]
#: The one whose alarm stands above all others of an IOC.
ALIVE = "IOC:ALIVE"


def ioc_pvs() -> Iterator[PvInfo]:
    """All of them."""
    for pv in _ioc_pvs():
        yield replace(pv, section="ioc")


def _ioc_pvs() -> Iterator[PvInfo]:
    yield PvInfo(
        ALIVE, "bi", "Always 1: an alarm handler that has lost it knows that the IOC is gone.", 1,
        labels=("Gone", "Alive"), severities=("MAJOR", "NO_ALARM"), alarm=AlarmHandling(rank="alive"),
        guidance="The IOC has ended, or its computer or the network is down; all its other alarms are held back. Check "
        "whether its process is running, read its log, and start it again. A run in progress has ended: `pixieioc "
        "recover` completes its files.",
    )  # fmt: skip
    yield PvInfo(
        "IOC:ERROR", "bi", "Whether the IOC had an error of its own that nobody has acknowledged.",
        labels=OK_ERROR, severities=("NO_ALARM", "MAJOR"),
        alarm=AlarmHandling(rank="error", explains=True, message="IOC:ErrorMessage_RBV"),
        guidance="Read IOC:ErrorMessage_RBV and report it to whoever looks after the IOC. Acknowledge in the alarm "
        "handler, or all errors with ErrorAck.",
    )  # fmt: skip
    yield text_pv(
        "IOC:ErrorMessage_RBV", "The IOC's first error of its own since the last acknowledgement.", 512,
        alarm=AlarmHandling(repeats=True),
    )  # fmt: skip
    yield PvInfo("IOC:HEARTBEAT", "longin", "Counts up once a second.", archive="")
    yield text_pv("IOC:STARTTOD", "When the IOC was started.", 40)
    yield text_pv("IOC:TOD", "The IOC's time of day.", 40)
    yield text_pv("IOC:UPTIME", "How long the IOC has been running.", 40)
    yield PvInfo("IOC:START_CNT", "longin", "How often the IOC has been started.")
    yield PvInfo("IOC:CA_CLNT_CNT", "longin", "Channel Access clients.")
    yield PvInfo("IOC:CA_CONN_CNT", "longin", "Channels of all clients.")
    yield PvInfo(
        "IOC:CA_COALESCED_CNT", "ai", "Updates that slow clients have missed because newer ones replaced them.", 0.0
    )
    yield PvInfo(
        "IOC:NAME_ERROR_CNT",
        "ai",
        "Requests for names that failed because of a fault in the IOC; other names are not affected.",
        0.0,
        limits=(_NAN, _NAN, 1.0, _NAN),
        guidance="The IOC's log says which name, and why: report it. Restarting the IOC clears the count.",
    )
    yield PvInfo("IOC:RECORD_CNT", "longin", "Process variables of the IOC.")
    yield PvInfo("IOC:FD_CNT", "longin", "Open file descriptors.")
    yield PvInfo("IOC:FD_MAX", "longin", "Largest number of file descriptors.")
    yield PvInfo(
        "IOC:FD_FREE",
        "longin",
        "File descriptors left.",
        1000,
        limits=(20.0, 100.0, _NAN, _NAN),
        guidance="Restart the IOC.",
    )
    yield PvInfo("IOC:SYS_CPU_LOAD", "ai", "Load of all processors.", 0.0, unit="%", precision=1)
    yield PvInfo("IOC:IOC_CPU_LOAD", "ai", "The IOC's share of one processor.", 0.0, unit="%", precision=1)
    yield PvInfo("IOC:MEM_USED", "ai", "Resident memory of the IOC.", 0.0, unit="MB", precision=1)
    yield PvInfo("IOC:MEM_FREE", "ai", "Free memory of the computer.", 0.0, unit="MB", precision=0)
    yield PvInfo("IOC:PROCESS_ID", "longin", "The IOC's process.")
    yield text_pv("IOC:HOSTNAME", "The computer.", 64)
    yield text_pv("IOC:KERNEL_VERS", "The computer's operating system.", 128)
    yield PvInfo(
        "IOC:SYSRESET",
        "bo",
        "Ends the IOC (its supervisor starts it again); refused during a run.",
        labels=(DONE, "Reset"),
        access="EN",
        role="command",
    )
    yield PvInfo(
        "IOC:LogLevel", "mbbo", "From which level on what happens is logged.", 2,
        labels=LOG_LEVELS, access="EX", role="input",
    )  # fmt: skip
    yield text_pv("IOC:LogTo_RBV", "Where the log goes: journal, stderr, or a file; and why it could not last.", 512)
    yield PvInfo(
        "IOC:LogLost_RBV", "ai", "Lines that could not be logged where they belong.", 0.0,
        limits=(_NAN, _NAN, 1.0, _NAN), alarm=AlarmHandling(silent=True),
        guidance="IOC:LogTo_RBV says why: is the disk of the log full, its folder writable? What could not be written "
        "stands on the IOC's stderr. ErrorAck ends the alarm; the count stays.",
    )  # fmt: skip
    yield from access_pvs()
