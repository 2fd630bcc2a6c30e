"""Which files were cut off, asked of the file system in a thread: a task must not wait for one that is silent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pixieioc.pipeline import Error

#: So long somebody waits for the answer, in seconds.
_PATIENCE = 0.5
#: Where files are looked for: what `look` is given.
Where = tuple[str, ...]


class UnfinishedFiles:
    """What a task's report `unfinished_files` says; nothing of a folder whose file system has not answered yet.

    `look` finds the files and makes a sentence of them. Each folder is asked for in a thread of its own, so that one
    that never answers is in no other's way.
    """

    def __init__(self, task: Any, look: Callable[..., str]) -> None:
        self._task, self._look = task, look
        self._due = False
        self._searches: dict[Where, threading.Thread] = {}
        self._wanted: Where = ()
        self._found: dict[Where, str] = {}
        self._silent: threading.Thread | None = None  # the last that was waited for in vain

    def name(self, *where: str) -> None:
        """Says which files of earlier runs were cut off, now or as soon as the file system has answered."""
        self._ask(*where)
        self._wait()
        self._show()

    def run_begins(self, *where: str) -> None:
        """A start does not wait for a look at all that is in the folder, which is had after the run.

        Unless some are known: somebody may just have recovered or removed them.
        """
        self._due = True
        if self._task.unfinished_files:
            self.name(*where)

    def follow(self, *where: str) -> None:
        """Between runs: after one, and until somebody has recovered or removed them, says which are there."""
        if self._due or self._task.unfinished_files:
            self._due = False
            self._ask(*where)
        self._show()

    def _ask(self, *where: str) -> None:
        """Has it looked, unless that goes on already."""
        self._wanted = where
        self._searches = {key: search for key, search in self._searches.items() if search.is_alive()}
        self._found = {key: text for key, text in self._found.items() if key == where}
        if where not in self._searches:
            search = threading.Thread(target=self._search, args=where, name="unfinished files", daemon=True)
            self._searches[where] = search
            search.start()

    def _wait(self) -> None:
        """Waits a moment for the answer; not again for one that has not come."""
        if (search := self._searches.get(self._wanted)) is not None and search is not self._silent:
            search.join(_PATIENCE)
            self._silent = search if search.is_alive() else None

    def _show(self) -> None:
        """What was found; nothing if all is well, or nothing is known."""
        text = self._found.get(self._wanted, "")
        if text and text != self._task.unfinished_files:
            self._task.print(text)
        self._task.unfinished_files = text

    def _search(self, *where: str) -> None:
        text = ""
        with suppress(Error, OSError):  # a template that is none is refused when a run starts, as is a folder
            text = self._look(*where)
        if self._wanted == where:
            self._found[where] = text
