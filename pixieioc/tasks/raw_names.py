"""How raw files are named: by a template in the manner of areaDetector; and what is beside them while they grow."""

from __future__ import annotations

import re
from pathlib import Path

from pixieioc.pipeline import Error
from pixieioc.pipeline.file_names import why_no_name
from pixieioc.tasks import disk

#: A conversion of a template.
CONVERSION = re.compile(r"%(?:%|[-+ 0#]*\d*(?:\.\d+)?([sd]))")
#: What a template's conversions stand for, in this order.
FIELDS = ("FilePath", "FileName", "FileNumber", "run id", "module")
_KINDS = ("s", "s", "d", "d", "d")
#: Modules whose files are looked for: a crate has 14 slots.
MODULES = 14
#: What a raw file's name is followed by in the longest name of a file beside it.
_LONGEST_ENDING = ".json.part.new"


def check_name(name: str) -> None:
    """Raises Error if this cannot be a part of files' names."""
    if "/" in name:
        raise Error("must not contain a slash, the folder is file_path")
    if problem := why_no_name(name):
        raise Error(problem)


def check_folder(name: str) -> None:
    """Raises Error if no folder is named: files would be in that of the whole system."""
    if not name:
        raise Error('must not be empty: "." is the folder of the configuration file')


def check_template(template: str) -> int:
    """The number of fields that a file template uses; Error that says what is wrong with it."""
    rest = CONVERSION.sub("", template)
    if problem := why_no_name(template):
        raise Error(f"file template {template!r}: {problem}")
    if "%" in rest:
        raise Error(f"file template {template!r}: only %s and %d with flags, width and precision, and %% are allowed")
    kinds = tuple(kind for kind in CONVERSION.findall(template) if kind)
    if not 2 <= len(kinds) <= len(FIELDS) or kinds != _KINDS[: len(kinds)]:
        given = " ".join(f"%{kind}" for kind in kinds) or "nothing"
        raise Error(
            f"file template {template!r}: must have %s %s and up to three %d, for {', '.join(FIELDS)}, not {given}"
        )
    first = CONVERSION.match(template)
    if not (template.startswith("/") or (first and first[1])):  # otherwise it would be wherever the IOC was started
        raise Error(f"file template {template!r}: must begin with %s, the FilePath, or with a slash")
    return len(kinds)


def file_name(template: str, path: str, name: str, number: int, run_id: int, module: int) -> Path:
    """The full name that a template gives, in the manner of areaDetector: the path is ended with a slash."""
    count = check_template(template)
    folder = path if path.endswith("/") else path + "/"
    return Path(template % (folder, name, number, run_id, module)[:count])


def why_not_new(template: str, path: str, name: str, number: int, run_id: int) -> str:
    """Why the raw files of a run cannot be made: one is there already, or its name is too long; empty if they can."""
    names = dict.fromkeys(file_name(template, path, name, number, run_id, module) for module in range(MODULES))
    problems = (disk.why_not_new(file, _LONGEST_ENDING) or disk.why_not_new(part_of(file)) for file in names)
    return next((problem for problem in problems if problem), "")


def part_of(path: Path) -> Path:
    """The name of a raw file while it grows."""
    return path.with_name(path.name + ".part")


def begun(path: Path) -> Path:
    """The file that tells of a raw file what is known at its beginning; it is there as long as that is not complete."""
    return path.with_name(path.name + ".json.part")
