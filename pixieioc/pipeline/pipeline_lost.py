"""What a task's process does when its pipeline's is gone: it ends its run as by Stop, and then itself, in time."""

from __future__ import annotations

import os
import time
from typing import Any

import zmq

from pixieioc.pipeline.activity import Activity
from pixieioc.pipeline.control import OWN_ADDRESS
from pixieioc.pipeline.frames import Packet, pack
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.process import beat_until_parent_ends

#: How long the end may take where no run has said how long, and what comes after that: as the watchdog has it (s).
DRAIN_TIME, GRACE = 8.0, 1.5


class PipelineLost:
    """Whether the pipeline's process is gone; `watch` is for a thread of its own."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._context = context
        self.drain_time = DRAIN_TIME  #: how long the end of a run may take, in seconds
        self.gone = False

    def watch(self, activity: Activity) -> None:
        """Has the task's page show its process alive as long as the pipeline is there; then has it end, or ends it.

        What the pipeline would say in its place comes as its messages would, and so wakes the task, too: first that the
        run is to stop, and if that takes too long, that what is still held is to be discarded. A task that does not
        answer then is ended at once, so that those that it holds up can still flush and close their files.
        """
        beat_until_parent_ends(activity.beat)
        self.gone = True
        self._send(Message.STOP)
        time.sleep(self.drain_time)
        if activity.read(time.monotonic()).busy < self.drain_time / 2:
            self._send(Message.ABORT)
            time.sleep(GRACE)
        os._exit(1)

    def _send(self, kind: str, payload: Any = None) -> None:
        with self._context.socket(zmq.DEALER) as line:
            line.connect(OWN_ADDRESS)
            line.send_multipart(pack(Packet(kind, 0, 0, payload)))
