"""What a start would do, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pixieioc.counted import counted


@dataclass(frozen=True)
class Outlook:
    """What is to be known of that: tasks that have failed, or are not there; settings that wait; where data go."""

    run: int  #: the number of the run that would be started
    in_run: bool = False
    refused: str = ""
    failed: Sequence[str] = ()
    missing: Sequence[str] = ()
    waiting: int = 0
    saved_in: str = ""


def start_message(outlook: Outlook) -> str:
    """The sentence."""
    if outlook.in_run:
        return "A run is in progress: Start would be refused."
    if outlook.refused:
        return f"Start would be refused: {outlook.refused}."
    first = [
        *([f"replace {', '.join(outlook.failed)}"] if outlook.failed else []),
        *([f"make {', '.join(outlook.missing)}"] if outlook.missing else []),
        *([f"apply {counted(outlook.waiting, 'setting')}"] if outlook.waiting else []),
    ]
    saved = f" and save its raw data in {outlook.saved_in}" if outlook.saved_in else ""
    return f"Start will {', '.join(first)}{', then ' if first else ''}start run {outlook.run}{saved}."
