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


def _texts_of_any_encoding(tree: ast.Module) -> Iterator[int]:
    """The lines where a text is read or written in the encoding that the locale happens to have."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        given = [*node.args, *(each.value for each in node.keywords)]
        modes = [each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        file = name in ("read_text", "write_text") or (name == "open" and (modes or isinstance(node.func, ast.Name)))
        if file and not any("b" in mode for mode in modes) and "encoding" not in [each.arg for each in node.keywords]:
            yield node.lineno


def test_what_is_text_in_a_file_is_utf_8_whatever_the_locale_is() -> None:
    found = {name: list(_texts_of_any_encoding(ast.parse(path.read_text()))) for name, path in _modules().items()}
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert list(_texts_of_any_encoding(ast.parse("open(f)\np.read_text()\np.open('w')\np.open('rb')"))) == [1, 2, 3]


def test_no_module_needs_one_that_needs_it() -> None:
    known = _modules()
    imports = {name: set(_imported(ast.parse(path.read_text()), known)) - {name} for name, path in known.items()}
    assert sum(map(len, imports.values())) > 900
    assert _cycle(imports) == []


def test_a_cycle_is_found() -> None:
    assert _cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
