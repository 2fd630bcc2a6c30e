"""A client as a control room has it: opens a screen of the IOC, watches all that is on it, closes it, opens another.

`python -m tests.system.soak.client FOLDER PREFIX SEED` opens the screens of a folder until its standard input is
closed, and then prints how many values it got, how many screens it opened, and how often a channel was lost.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
from pathlib import Path
from typing import Any

import aioca

_MACRO = re.compile(r"\$\((\w+)=([^)]*)\)")
#: How long a screen is open, in seconds.
_OPEN = (20.0, 120.0)


def names_on(screen: Path, prefix: str, channel: int) -> list[str]:
    """The process variables of a screen, those of a channel for that channel."""
    values = {"P": prefix, "C": f"{channel:02d}"}
    found = set(re.findall(r"<pv_name>(?:\w+://)?([^<]+)<", screen.read_text()))
    return sorted({_MACRO.sub(lambda macro: values.get(macro[1], macro[2]), name) for name in found})


class _Viewer:
    def __init__(self, prefix: str, choice: random.Random) -> None:
        self._prefix, self._choice = prefix, choice
        self.posts = self.screens = self.lost = 0

    def _heard(self, value: Any) -> None:
        if value.ok:
            self.posts += 1
        else:
            self.lost += 1

    async def view(self, screen: Path) -> None:
        """One screen, for a while."""
        names = names_on(screen, self._prefix, self._choice.randrange(4))
        seen = [
            aioca.camonitor(name, self._heard, format=aioca.FORMAT_TIME, all_updates=True, notify_disconnect=True)
            for name in names
        ]
        self.screens += 1
        try:
            await asyncio.sleep(self._choice.uniform(*_OPEN))  # as long as somebody looks at it
        finally:
            for each in seen:
                each.close()


async def _main(folder: Path, prefix: str, seed: int) -> None:
    choice = random.Random(seed)
    viewer = _Viewer(prefix, choice)
    files = sorted(folder.glob("*.bob"))

    async def views() -> None:
        while True:
            await viewer.view(choice.choice(files))

    task = asyncio.create_task(views())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    task.cancel()
    print(viewer.posts, viewer.screens, viewer.lost, flush=True)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
