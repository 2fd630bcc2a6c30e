"""Which files of earlier runs were cut off, and what can be done about them, as sentences."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pixieioc.counted import counted
from pixieioc.pipeline import Error
from pixieioc.tasks.growing_file import is_open
from pixieioc.tasks.raw_names import CONVERSION, check_template

#: Bytes of a sentence that is a report.
_LONGEST = 500
#: What can be done: of a file in Parquet, the end says where everything is.
_RECOVER, _REPLAY = "pixieioc recover finishes {}", "pixieioc replay makes {} again from the raw files"


def raw_files(template: str, path: str, longest: int = _LONGEST) -> str:
    """About the raw files that such a template has named; empty if none was cut off. Error for one that is none."""
    return _sentence(unfinished(template, path), "raw file", _RECOVER, longest)


def event_files(file: str, second_folder: str, longest: int = _LONGEST) -> str:
    """About the files of events of such a name, in their folder and in the second one; empty if none was cut off."""
    found = list(unfinished_events(file, second_folder))
    arrays = [path for path in found if path.name.endswith(".npy.part")]
    others = [path for path in found if path not in arrays]
    texts = (
        _sentence(arrays, "file", _RECOVER, longest, " of events"),
        _sentence(others, "file", _REPLAY, longest, " of events"),
    )
    return "; ".join(filter(None, texts))


def in_settings(settings: Mapping[str, Any], longest: int) -> Iterator[str]:
    """About all files that a task with these settings has written."""
    template, path, file = (settings.get(name) for name in ("file_template", "file_path", "file"))
    texts: list[str] = []
    with contextlib.suppress(Error):  # a template that is none is refused when a run starts
        if isinstance(template, str) and isinstance(path, str):
            texts.append(raw_files(template, path, longest))
    if isinstance(file, str) and "format" in settings:
        texts.append(event_files(file, str(settings.get("second_file_path", "")), longest))
    yield from filter(None, texts)


def unfinished(template: str, path: str) -> list[Path]:
    """Raw files that such a template has named and that were cut off: they are still `*.part`, and nobody writes them.

    Raises Error for a template that is none.
    """
    check_template(template)
    texts, kinds = CONVERSION.split(template)[::2], CONVERSION.findall(template)
    fields = iter([glob.escape(path if path.endswith("/") else path + "/")])
    pattern = glob.escape(texts[0])
    for kind, text in zip(kinds, texts[1:], strict=True):
        pattern += (next(fields, "*") if kind else "%") + glob.escape(text)
    found: list[Path] = []
    for name in sorted(glob.glob(pattern + ".part")):  # noqa: PTH207 (Path.glob takes no absolute pattern)
        if name.endswith(".json.part"):
            continue
        with contextlib.suppress(OSError):  # it has just been finished, or is somebody else's
            found += [] if is_open(Path(name)) else [Path(name)]
    return found


def unfinished_events(file: str, second_folder: str = "") -> Iterator[Path]:
    """Files of events of such a name that were cut off: they are still `*.part`, and nobody writes them.

    A name has `{run}` where the number of the run is to stand, and a number behind it from the second file of a run on.
    """
    names = dict.fromkeys((file, os.path.join(second_folder, Path(file).name) if second_folder else file))  # noqa: PTH118
    for name in names:
        stem, suffix = os.path.splitext(name)  # noqa: PTH122
        pieces = stem.split("{run}")
        pattern = "*".join(map(glob.escape, pieces)) + "*" + glob.escape(suffix) + ".part"
        wanted = re.compile(r"\d{6,}".join(map(re.escape, pieces)) + r"(_\d{3,})?" + re.escape(suffix) + r"\.part")
        for found in sorted(glob.glob(pattern)):  # noqa: PTH207 (Path.glob takes no absolute pattern)
            with contextlib.suppress(OSError):  # it has just been finished, or is somebody else's
                if wanted.fullmatch(found) and not is_open(Path(found)):
                    yield Path(found)


def _sentence(files: Sequence[Path], what: str, remedy: str, longest: int, of: str = "") -> str:
    """A sentence of at most `longest` bytes; empty if there are no files."""
    if not files:
        return ""
    count = counted(len(files), f"{what}{of} was", f"{what}s{of} were")
    names = ", ".join(os.fsencode(file).decode(errors="replace") for file in files)
    text = f"{count} cut off, {remedy.format('it' if len(files) == 1 else 'them')}: {names}"
    return text if len(text.encode()) <= longest else text.encode()[: longest - 4].decode(errors="ignore") + "..."
