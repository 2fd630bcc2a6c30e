"""The plain tables of a configuration file, read key by key so that everything that is wrong is found at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin

import msgspec

from pixieioc.config_lines import KeyPath
from pixieioc.pipeline.declaration import shorten
from pixieioc.pipeline.validate import like

Table = TypeVar("Table", bound=msgspec.Struct)


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a configuration, and the key that it is about."""

    key_path: KeyPath
    text: str


def about(problem: Problem, names: Iterable[str]) -> bool:
    """Whether a problem is about one of these keys or names one: it may go away with what is wrong there."""
    return any(problem.key_path[-1:] == (name,) or re.search(rf"\b{re.escape(name)}\b", problem.text) for name in names)


def name_from(folder: Path, text: str) -> str:
    """A file name that starts from `folder` if it is relative; `~` is the home folder."""
    # os.path, not Path, which would drop a slash at the end, which means "a folder" and stays.
    return os.path.join(folder, os.path.expanduser(text))  # noqa: PTH111, PTH118


def path_from(folder: Path, text: str) -> Path | None:
    """The same as a path; None if there is no name."""
    return Path(name_from(folder, text)) if text else None


def keys_of(as_type: type[msgspec.Struct]) -> list[str]:
    """The keys of such a table."""
    return [field.name for field in msgspec.structs.fields(as_type)]


def read_table(
    as_type: type[Table],
    given: object,
    key_path: KeyPath,
    problems: list[Problem],
    elsewhere: Mapping[str, str] | None = None,
) -> Table | None:
    """A table as this type; what is wrong with it is added to `problems`, and None returned.

    `elsewhere` are ends of sentences for keys that belong in another table.
    """
    if not isinstance(given, Mapping):
        problems.append(Problem(key_path, f"{name_of(key_path)} = {shorten(given)}: must be a table"))
        return None
    content = cast("Mapping[str, Any]", given)
    fields = {field.name: field for field in msgspec.structs.fields(as_type)}
    before = len(problems)
    for key in content:
        if key not in fields:
            kind = "table" if isinstance(content[key], Mapping) else "key"
            hint = (elsewhere or {}).get(key) or like(key, fields)
            problems.append(Problem((*key_path, key), f"{name_of((*key_path, key))}: unknown {kind}{hint}"))
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in content:
            values[name] = _read_value(field.type, content[name], (*key_path, name), problems, elsewhere)
        elif field.required:
            kind = "table" if _struct(field.type) else "key"
            problems.append(Problem(key_path, f"{name_of((*key_path, name))}: this {kind} is missing"))
    return as_type(**values) if len(problems) == before else None


def _read_value(
    as_type: Any, value: object, key_path: KeyPath, problems: list[Problem], elsewhere: Mapping[str, str] | None
) -> Any:
    struct = _struct(as_type)
    if struct is not None:
        return read_table(struct, value, key_path, problems, elsewhere)
    struct = _struct_of_items(as_type)
    if struct is not None and isinstance(value, list):
        paths = [(*key_path, *([str(number)] if number > 1 else [])) for number in range(1, len(value) + 1)]
        return [read_table(struct, item, at, problems, elsewhere) for item, at in zip(value, paths, strict=True)]
    try:
        return msgspec.convert(value, as_type)
    except msgspec.ValidationError:
        problems.append(Problem(key_path, f"{name_of(key_path)} = {shorten(value)}: must be {_allowed(as_type)}"))
        return None


_WORDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list[str]: "a list of texts",
    dict[str, str]: "a table of texts",
}


def _allowed(as_type: Any) -> str:
    """What a key of this type may be."""
    bare, *metas = get_args(as_type) if get_origin(as_type) is Annotated else (as_type,)
    least = next((meta.ge for meta in metas if isinstance(meta, msgspec.Meta) and meta.ge is not None), None)
    most = next((meta.le for meta in metas if isinstance(meta, msgspec.Meta) and meta.le is not None), None)
    if get_origin(bare) is Literal:
        return " or ".join(get_args(bare))
    if _struct_of_items(as_type) is not None:
        return "tables of their own, each with a head in double brackets"
    if least is not None and most is not None:
        return f"{_WORDS[bare]} from {least:g} to {most:g}"
    return _WORDS[bare] + (f" of at least {least:g}" if least is not None else "")


def _struct(as_type: Any) -> type[msgspec.Struct] | None:
    bare = get_args(as_type)[0] if get_origin(as_type) is Annotated else as_type
    return bare if isinstance(bare, type) and issubclass(bare, msgspec.Struct) else None


def _struct_of_items(as_type: Any) -> type[msgspec.Struct] | None:
    """The type of the tables of which this type is a list."""
    bare = get_args(as_type)[0] if get_origin(as_type) is Annotated else as_type
    return _struct(get_args(bare)[0]) if get_origin(bare) is list else None


def name_of(key_path: KeyPath) -> str:
    """A key's full name: `tasks.LoadFiles.files`."""
    return ".".join(key_path)


def plain_tables(given: object, key_path: KeyPath, problems: list[Problem], *, deep: bool) -> dict[str, Any]:
    """A table of the file, and with `deep` a table of tables, without what is none."""
    if not isinstance(given, Mapping):
        problems.append(Problem(key_path, f"{name_of(key_path)} = {shorten(given)}: must be a table"))
        return {}
    content = dict(cast("Mapping[str, Any]", given))
    for name, value in list(content.items()) if deep else ():
        if not isinstance(value, Mapping):
            problems.append(
                Problem((*key_path, name), f"{name_of((*key_path, name))} = {shorten(value)}: must be a table")
            )
            del content[name]
    return content


def located(
    problems: Iterable[Problem], path: Path, lines: Mapping[KeyPath, int], overridden: Mapping[KeyPath, str]
) -> tuple[str, ...]:
    """The problems in the order of the file: `FILE:LINE: sentence`, or `--set ...: sentence` by option."""

    def line(problem: Problem) -> int:
        key_path = problem.key_path
        return next((lines[key_path[:end]] for end in range(len(key_path), 0, -1) if key_path[:end] in lines), 0)

    def options(key_path: KeyPath) -> str:
        """Those that have given this key, or something of this table if that is not in the file."""
        if not key_path or key_path in overridden or key_path in lines:
            return overridden.get(key_path, "")
        return ", ".join(text for of, text in overridden.items() if of[: len(key_path)] == key_path)

    def sentence(problem: Problem) -> str:
        where = options(problem.key_path) or (f"{path}:{line(problem)}" if line(problem) else str(path))
        return f"{where}: {problem.text}"

    return tuple(sentence(problem) for problem in sorted(problems, key=line))
