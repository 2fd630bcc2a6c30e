"""An output of a task: the sending end of one of its links, whether it may miss items, and what it has missed."""

from __future__ import annotations

import zmq

from pixieioc.pipeline.graph import Mode
from pixieioc.pipeline.link import Offered, Sender


def endpoint_of(endpoint: str, number: int) -> str:
    """Where the output of this number is bound; `endpoint` is the task's own."""
    return f"{endpoint}.{number}" if number else endpoint


class Output:
    """One of the links that a task hands its items to; `control` wakes a task that waits for a full link, too."""

    def __init__(self, sender: Sender, control: zmq.Socket[bytes]) -> None:
        self.sender = sender
        self.mode: Mode = "lossless"
        #: By what became of a message that was offered: who wakes the task when it is worth another try.
        self.full_pollers = {Offered.FULL: zmq.Poller(), Offered.NOBODY: zmq.Poller()}
        for poller in self.full_pollers.values():
            poller.register(control, zmq.POLLIN)
        self.full_pollers[Offered.FULL].register(sender.credits, zmq.POLLIN)
        self.full_pollers[Offered.NOBODY].register(sender.socket, zmq.POLLOUT)
        self.begin(0)

    def begin(self, run: int) -> None:
        """A run begins: everything counts from zero."""
        self.cut = False  #: the task behind it has failed: nothing is sent to it any more
        self.missed = self.missed_bytes = 0  #: by a sampling link, in this run
        self.sender.begin(run)
