"""The process variables of the caster, under the names of those of EPICS' own: its database with P=`IOC:RecSync:`."""

from __future__ import annotations

from collections.abc import Iterator

from pixieioc.pvinfo.model import PvInfo

#: States of the caster: EPICS', in its order.
INIT, LISTENING, CONNECTING, UPLOADING, DONE = CASTER_STATES = ("Init", "Listening", "Connecting", "Uploading", "Done")


def recsync_pvs() -> Iterator[PvInfo]:
    """All of them, where there is a caster."""
    yield PvInfo(
        "IOC:RecSync:State-Sts",
        "mbbi",
        "Whether a recceiver knows the process variables; Done: it does.",
        labels=CASTER_STATES,
        section="ioc",
    )
    yield PvInfo(
        "IOC:RecSync:Msg-I", "stringin", "What the caster is doing, or why it lost the recceiver.", "", section="ioc"
    )
    yield PvInfo("IOC:RecSync:Server_RBV", "stringin", "The recceiver, while there is a connection.", "", section="ioc")
    yield PvInfo("IOC:RecSync:Count_RBV", "longin", "Process variables that the recceiver was told of.", section="ioc")
