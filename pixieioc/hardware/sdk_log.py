"""The SDK's log, which says which module failed and why, where return codes do not."""

from __future__ import annotations

from pathlib import Path

#: The SDK writes it into the folder in which the process runs when it is loaded.
NAME = "Pixie16Msg.log"
#: A busy SDK writes a million lines a day: of more than this, only the end is read.
_MOST_BYTES, _MOST_LINES = 65536, 20


class SdkLog:
    """Follows the log from where it ends now."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = (path or Path(NAME)).absolute()
        self._at = self._size()

    def new_lines(self, only: str = "") -> tuple[str, ...]:
        """The lines since the last call, the latest 20 of those that contain `only`."""
        size = self._size()
        begin = max(self._at if size >= self._at else 0, size - _MOST_BYTES)
        self._at = size
        if size <= begin:
            return ()
        try:
            with self.path.open("rb") as file:
                file.seek(begin)
                text = file.read(size - begin).decode(errors="replace")
        except OSError:
            return ()
        return tuple(line for line in text.splitlines() if only in line)[-_MOST_LINES:]

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0
