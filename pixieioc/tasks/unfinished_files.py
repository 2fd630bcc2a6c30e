"""Which raw files were cut off, asked of the file system in a thread: a task must not wait for one that is silent."""

from __future__ import annotations

import threading
from contextlib import suppress

from pixieioc.pipeline import Error
from pixieioc.tasks.raw_file import unfinished, unfinished_text

#: So long somebody waits for the answer, in seconds.
_PATIENCE = 0.5


class UnfinishedFiles:
    """What is known of the files; nothing of a folder whose file system has not answered yet.

    Each folder is asked for in a thread of its own, so that one that never answers is in no other's way.
    """

    def __init__(self) -> None:
        self._searches: dict[tuple[str, str], threading.Thread] = {}
        self._wanted = ("", "")
        self._found: dict[tuple[str, str], str] = {}
        self._silent: threading.Thread | None = None  # the last that was waited for in vain

    def ask(self, template: str, path: str) -> None:
        """Has it looked, unless that goes on already."""
        self._wanted = wanted = (template, path)
        self._searches = {key: search for key, search in self._searches.items() if search.is_alive()}
        self._found = {key: text for key, text in self._found.items() if key == wanted}
        if wanted not in self._searches:
            search = threading.Thread(target=self._search, args=wanted, name="unfinished files", daemon=True)
            self._searches[wanted] = search
            search.start()

    def wait(self) -> None:
        """Waits a moment for the answer; not again for one that has not come."""
        if (search := self._searches.get(self._wanted)) is not None and search is not self._silent:
            search.join(_PATIENCE)
            self._silent = search if search.is_alive() else None

    @property
    def text(self) -> str:
        """What was found; empty if all is well, or nothing is known."""
        return self._found.get(self._wanted, "")

    def _search(self, template: str, path: str) -> None:
        text = ""
        with suppress(Error, OSError):  # a template that is none is refused when a run starts, as is a folder
            text = unfinished_text(unfinished(template, path))
        if self._wanted == (template, path):
            self._found[template, path] = text
