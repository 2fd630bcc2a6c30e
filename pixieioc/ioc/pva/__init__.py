"""A PVAccess server beside that of Channel Access, for the same records: p4p's library, which is EPICS' own."""

from pixieioc.ioc.pva.library import load

load()  # before any module here imports it
