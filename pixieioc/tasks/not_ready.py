"""What a task reports of its own that keeps a run from being started, as hardware that has not booted."""

from __future__ import annotations

from pixieioc.pipeline import Report


class NotReady:
    """A task that derives from it keeps `Ready_RBV` at No while it has a reason to.

    That is for what the process of the task knows; what follows from settings and files is `do_ready`'s to say.
    """

    not_ready = Report(
        "it has not reported yet", doc="Why no run can be started, as far as this task knows; empty if one can."
    )
    becoming_ready = Report(True, doc="Whether that will pass by itself: then it is no alarm.")
