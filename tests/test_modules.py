"""How the modules are cut: none is long, most are short, and none needs one that needs it, not even in a function."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pixieioc

ROOT = Path(pixieioc.__file__).parent
LONGEST, MEDIAN = 350, 100


def _modules() -> dict[str, Path]:
    """Those of the project by their names; a package is its `__init__`."""
    names = {path: ("pixieioc", *path.relative_to(ROOT).with_suffix("").parts) for path in sorted(ROOT.rglob("*.py"))}
    return {".".join(parts).removesuffix(".__init__"): path for path, parts in names.items()}


def _imported(tree: ast.Module, known: dict[str, Path]) -> Iterator[str]:
    """What a module imports when it runs, wherever that stands; what is for the type checker only is not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                for inner in ast.walk(statement):
                    inner.for_types = True  # pyright: ignore[reportAttributeAccessIssue]  # a mark of our own
    for node in ast.walk(tree):
        if getattr(node, "for_types", False):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield from (name for name in (whole if whole in known else node.module,) if name in known)


def _cycle(imports: dict[str, set[str]]) -> list[str]:
    """A way from a module back to itself, or nothing."""
    done: set[str] = set()

    def from_here(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(imports[name]):
            if found := from_here(other, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in imports if (found := from_here(name, []))), [])


def test_no_module_is_long_and_half_of_them_are_short() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in _modules().items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
    assert statistics.median(lengths.values()) <= MEDIAN


def test_no_module_needs_one_that_needs_it() -> None:
    known = _modules()
    imports = {name: set(_imported(ast.parse(path.read_text()), known)) - {name} for name, path in known.items()}
    assert sum(map(len, imports.values())) > 900
    assert _cycle(imports) == []


def test_a_cycle_is_found() -> None:
    assert _cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
