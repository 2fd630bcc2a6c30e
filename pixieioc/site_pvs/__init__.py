"""A site's own process variables, such as a beam current, read by a process of their own.

The client libraries of EPICS have threads, and compiled code that can hang or crash; one of them is not to be part of
the program that controls the run. So a process reads, and what it says comes through a pipe.
"""

from pixieioc.site_pvs.client import SiteClient
from pixieioc.site_pvs.names import BadName, SiteName, parse
from pixieioc.site_pvs.reading import NO_ANSWER, NOT_CONNECTED, OK, UNREADABLE, Reading
from pixieioc.site_pvs.tally import Tally

__all__ = [
    "NOT_CONNECTED",
    "NO_ANSWER",
    "OK",
    "UNREADABLE",
    "BadName",
    "Reading",
    "SiteClient",
    "SiteName",
    "Tally",
    "parse",
]
