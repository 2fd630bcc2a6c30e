"""Watching over processes: who has died, who hangs, and what takes longer to end than it may."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pixieioc.pipeline.error import Cause
from pixieioc.pipeline.member import Member
from pixieioc.pipeline.status import Status


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a member."""

    member: Member
    cause: Cause
    text: str


@dataclass
class Watch:
    """Looks at the members of a pipeline; all times are in seconds.

    `stop_timeout`: how long an end may take once it was asked for (see `end_by`). `stall_timeout`: how long nothing may
    move once the source has finished.
    """

    stop_timeout: float = 8.0
    stall_timeout: float = 30.0
    deadline: float | None = None
    _progress: list[tuple[object, ...]] = field(default_factory=list[tuple[object, ...]])
    _progress_time: float = 0.0

    def begin(self) -> None:
        """A run begins."""
        self.deadline = None
        self._progress = []

    def end_by(self) -> None:
        """From now on the end is due within `stop_timeout`."""
        if self.deadline is None:
            self.deadline = time.monotonic() + self.stop_timeout

    def verdicts(self, members: Sequence[Member], chain: Sequence[Member], status: Status) -> Iterator[Verdict]:
        """What is wrong now. Members that have failed already are not looked at again."""
        for member in members:
            if member.known and not member.lost and member.status is not Status.DYING:
                yield from self._verdict(member)
        busy = [member for member in chain if not member.at_rest]
        if self.deadline is not None and time.monotonic() > self.deadline:
            self.deadline = None
            for member in busy:
                yield Verdict(member, Cause.TIMEOUT, f"did not end within {self.stop_timeout:g} s")
        elif status is Status.RUNNING and busy and chain[0].finished:
            yield from self._stalled(chain, busy)

    def _verdict(self, member: Member) -> Iterator[Verdict]:
        allowed = member.task.heart_beat_timeout
        if not member.alive:
            yield Verdict(member, Cause.LOST, f"its process {member.how_ended}")
        elif member.silent > allowed and not (member.failed or member.starting) and self.deadline is None:
            yield Verdict(member, Cause.HANG, f"no heart beat for {member.silent:.0f} s ({allowed:g} s are allowed)")

    def _stalled(self, chain: Sequence[Member], busy: Sequence[Member]) -> Iterator[Verdict]:
        progress = [member.progress for member in chain]
        if progress != self._progress:
            self._progress, self._progress_time = progress, time.monotonic()
        elif time.monotonic() - self._progress_time > self.stall_timeout:
            for member in busy:
                yield Verdict(
                    member, Cause.TIMEOUT, f"nothing moved for {self.stall_timeout:g} s while the run drained"
                )
