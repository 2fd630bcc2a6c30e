"""The README does what it says: its sessions are typed into a shell, its files are the files."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from docs.make_pages import PAGES, column_type
from pixieioc.export import FILES
from pixieioc.tasks.event_files import ALWAYS, OPTIONAL, RUN, SORTED, TRACE
from tests.running_ioc import ROOT, Ioc, ioc_folder, running

README = (ROOT / "README.md").read_text()
_FENCE = re.compile(r"(?:<!-- (?P<file>\S+) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)
_HEADING = re.compile(r"^#+ ", re.MULTILINE)
#: The same text without what looks like a heading in a block.
_WITHOUT_BLOCKS = _FENCE.sub(lambda block: " " * len(block[0]), README)


@dataclass
class Block:
    """A fenced block, and the file that it says it is."""

    language: str
    text: str
    file: str | None


def section(title: str) -> list[Block]:
    """The blocks below a heading, up to the next one."""
    begin = README.index(f"# {title}\n") + len(title) + 3
    end = _HEADING.search(_WITHOUT_BLOCKS, begin)
    text = README[begin : end.start() if end else None]
    return [Block(m["language"], m["text"], m["file"]) for m in _FENCE.finditer(text)]


def commands(block: Block) -> list[tuple[str, str]]:
    """What is typed in a session, and what is to be seen then."""
    parts = re.split(r"^\$ (.*)\n", block.text, flags=re.MULTILINE)
    assert parts[0] == ""
    return list(zip(parts[1::2], parts[2::2], strict=True))


class Terminal:
    """A shell in the repository's folder, with the EPICS tools."""

    def __init__(self, folder: Path) -> None:
        tools = folder / "bin"
        tools.mkdir()
        own = Path(__file__).parent / "epics_tools.py"
        for name, line in (
            ("caget", f'"{sys.executable}" "{own}" caget "$@"'),
            ("caput", f'"{sys.executable}" "{own}" caput "$@"'),
            ("python", f'"{sys.executable}" "$@"'),
            ("pixieioc", f'"{sys.executable}" -m pixieioc "$@"'),
        ):
            (tools / name).write_text(f"#!/bin/sh\nexec {line}\n")
            (tools / name).chmod(stat.S_IRWXU)
        self._environment = {**os.environ, "HOME": str(folder), "PATH": f"{tools}:{os.environ['PATH']}"}

    def type(self, line: str) -> str:
        """The output of a command."""
        if line.startswith("export "):
            return ""  # where to look is already in this environment
        done = subprocess.run(
            line, shell=True, cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=60, check=False
        )
        return "\n".join(text.rstrip() for text in done.stdout.splitlines()) + "\n" * bool(done.stdout)

    def follow(self, title: str) -> None:
        """Types all sessions of a section and looks at what comes."""
        sessions = [block for block in section(title) if block.language == "console"]
        assert sessions, title
        for session in sessions:
            for line, expected in commands(session):
                seen = self.type(line)
                pattern = re.escape(expected).replace(r"\.\.\.", ".*").replace(r".*\n", r"(?:.*\n)?")
                assert re.fullmatch(pattern, seen, re.DOTALL), f"$ {line}\n{seen}\ninstead of\n{expected}"


@contextmanager
def example(name: str) -> Iterator[Terminal]:
    """A terminal beside the IOC of an example, with the prefix that is in its file; one at a time."""
    with ioc_folder() as folder:
        ioc = Ioc(folder, "run", ROOT / "examples" / name)
        ioc.prefix = "PX16:"
        with running(ioc):
            yield Terminal(folder)


def test_there_are_exactly_two_commands_of_set_up() -> None:
    first, second = section("Set-up")
    assert first.text.endswith("&& .venv/bin/pixieioc demo\n")
    assert second.text.endswith("&& .venv/bin/python -m pytest\n")
    for block in (first, second):
        assert block.language == "sh"
        assert block.text.startswith("python3 -m venv .venv && .venv/bin/pip install ")
        assert block.text.count("\n") == 1


def test_the_tutorial_and_what_follows() -> None:
    tutorial = "Tutorial: from the installation to the first spectrum"
    assert "pixieioc run examples/replay.toml" in section(tutorial)[0].text
    with example("replay.toml") as terminal:
        terminal.follow(tutorial)
        terminal.follow("Watch lines: regions of interest")


def test_a_scan_reaches_its_preset() -> None:
    with example("demo.toml") as terminal:
        terminal.follow("Take a scan point")


def test_analysing_files_offline(tmp_path: Path) -> None:
    Terminal(tmp_path).follow("Analyse files offline")
    assert {path.name for path in tmp_path.glob("*.*") if path.is_file()} == {"events.parquet", "spectra.png"}


def test_generating_files_and_their_names(tmp_path: Path) -> None:
    title = "Generate screens, alarms and lists"
    Terminal(tmp_path).follow(title)
    made = {str(path.relative_to(tmp_path / "lab")) for path in (tmp_path / "lab").rglob("*") if path.is_file()}
    assert made >= set(FILES)
    begin = README.index(f"### {title}\n")
    text = README[begin : README.index("\n### ", begin)]
    assert [name for name in FILES if f"`{name}`" not in text] == []


def test_columns_are_named_with_their_types() -> None:
    for column in (*ALWAYS, *SORTED, RUN, *OPTIONAL, TRACE):
        said = f"`{column.name}` {column_type(column)} {column.unit}".strip()
        assert said in " ".join(README.split()), said


def test_the_task_of_ones_own() -> None:
    with example("energy_cut.toml") as terminal:
        terminal.follow("Write a task of one's own")


@pytest.mark.parametrize("name", ["examples/energy_cut.py", "examples/energy_cut.toml"])
def test_files_are_shown_as_they_are(name: str) -> None:
    [shown] = [block.text for block in section("Write a task of one's own") if block.file == name]
    assert shown == (ROOT / name).read_text()


def test_the_pipeline_without_epics(tmp_path: Path) -> None:
    [block] = section("Use the pipeline without EPICS")
    program = tmp_path / "program.py"
    program.write_text(block.text)
    done = subprocess.run(
        [sys.executable, program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "24598 events\n"
    assert done.stderr == ""


def test_links_to_files_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_dependency_has_its_reason() -> None:
    listed = README[README.index("### What it stands on") :]
    project = (ROOT / "pyproject.toml").read_text()
    named = re.findall(
        r'"([A-Za-z][\w-]*)(?:\[\w+\])?[=><]=',
        project[project.index("dependencies") : project.index("[project.scripts]")],
    )
    assert len(named) > 15
    assert [name for name in named if name not in listed] == []


@pytest.mark.parametrize("page", PAGES)
def test_pages_that_follow_from_the_code_are_current(page: str) -> None:
    assert (ROOT / "docs" / page).read_text() == PAGES[page](), "python docs/make_pages.py writes it"
