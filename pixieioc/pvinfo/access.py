"""The process variables about who may do what, and about the log of puts."""

from __future__ import annotations

from collections.abc import Iterator

from pixieioc.pvinfo.model import NO_LIMITS, PvInfo, text_pv
from pixieioc.pvinfo.states import DONE

_NAN = NO_LIMITS[0]
#: Everybody may do everything; the rules are in force; a host, an input is not known; the file is wrong.
ACCESS_STATES = ("No file", "In force", "Host unknown", "Input missing", "File wrong")
#: There is none; all is written; something of it cannot be.
PUT_LOG_STATES = ("Off", "OK", "Failing")


def access_pvs() -> Iterator[PvInfo]:
    """All of them."""
    yield text_pv("IOC:ACCESS", "Who may write, by access group.", 4096)
    yield PvInfo(
        "IOC:AccessState_RBV", "mbbi", "Whether the access file is in force as it is.", labels=ACCESS_STATES,
        severities=("NO_ALARM", "NO_ALARM", "MINOR", "MINOR", "MAJOR"),
        guidance="IOC:AccessMessage_RBV says what is wrong. File wrong: the rules before hold; mend the file, check it "
        "with `pixieioc check`, then write 1 to IOC:ReadAccess. Host unknown: nobody on that host is in its HAG until "
        "the name server knows it. Input missing: rules with that CALC give nothing until its PV is back.",
    )  # fmt: skip
    yield text_pv("IOC:AccessMessage_RBV", "What is wrong with the access file or what it names.", 512)
    yield PvInfo(
        "IOC:ReadAccess", "bo", "Reads the access file again.", labels=(DONE, "Read"), access="EN", role="command"
    )
    yield PvInfo(
        "IOC:PutLogState_RBV", "mbbi", "Whether the log of puts is written.",
        labels=PUT_LOG_STATES, severities=("NO_ALARM", "NO_ALARM", "MINOR"),
        guidance="IOC:PutLogMessage_RBV says what cannot be written to: a disk that is full, a collector that is down. "
        "Data taking is not affected. It goes on by itself as soon as the cause is gone.",
    )  # fmt: skip
    yield text_pv("IOC:PutLogMessage_RBV", "Where the log of puts cannot be written, and why.", 512)
    yield PvInfo("IOC:PutLogCount_RBV", "ai", "Lines of the log of puts since the start.", 0.0)
    yield PvInfo(
        "IOC:PutLogLost_RBV", "ai", "Lines of it that were lost because too many waited, in all its places together.",
        0.0, limits=(_NAN, _NAN, 1.0, _NAN),
        guidance="A file or collector of the log was not to be written to for long, or is too slow. See "
        "IOC:PutLogMessage_RBV and the IOC's log. ErrorAck ends the alarm; the count stays.",
    )  # fmt: skip
