"""README and docs do what they say: their sessions are typed into a shell, their files are the files."""

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
from pixieioc.tasks.event_files import ALWAYS, KEV, OPTIONAL, RUN, SORTED, TRACE
from tests.compiling import without_compiling
from tests.running_ioc import ROOT, Ioc, forget_channels, ioc_folder, running

README = "README.md"
#: The pages that are written by hand or by make_pages, and those beside the code.
WRITTEN = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("*/*/README.md"))
    if not {".venv", "node_modules"} & set(path.parts)
)
_FENCE = re.compile(r"(?:<!-- (?P<file>\S+) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)
_HEADING = re.compile(r"^#+ ", re.MULTILINE)
_LINK = re.compile(r"(?<!`)!?\[[^\]]*\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")


def read(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text()


def without_blocks(text: str) -> str:
    """The same text without what looks like a heading or a link in a block."""
    return _FENCE.sub(lambda block: " " * len(block[0]), text)


@dataclass
class Block:
    """A fenced block, and the file that it says it is."""

    language: str
    text: str
    file: str | None


def section(page: str, title: str) -> list[Block]:
    """The blocks of a page below a heading, up to the next one."""
    text = read(page)
    begin = text.index(f"# {title}\n") + len(title) + 3
    end = _HEADING.search(without_blocks(text), begin)
    return [
        Block(m["language"], m["text"], m["file"]) for m in _FENCE.finditer(text[begin : end.start() if end else None])
    ]


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
            line, shell=True, cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=240, check=False
        )
        return "\n".join(text.rstrip() for text in done.stdout.splitlines()) + "\n" * bool(done.stdout)

    def follow(self, page: str, title: str) -> None:
        """Types all sessions of a section and looks at what comes."""
        sessions = [block for block in section(page, title) if block.language == "console"]
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
        forget_channels(ioc)  # libca looks less and less often for what had these names before
        with running(ioc):
            yield Terminal(folder)


def test_the_readme_is_short() -> None:
    assert len(read(README).splitlines()) <= 250


def test_there_are_exactly_two_commands_of_set_up() -> None:
    first, second = section(README, "Set-up")
    assert first.text.endswith("&& .venv/bin/pixieioc demo\n")
    assert second.text.endswith("&& .venv/bin/python -m pytest\n")
    for block in (first, second):
        assert block.language == "sh"
        assert block.text.startswith("python3 -m venv .venv && .venv/bin/pip install ")
        assert block.text.count("\n") == 1


def test_the_tutorial_and_what_follows() -> None:
    tutorial = "Tutorial: from the installation to the first spectrum"
    assert "pixieioc run examples/replay.toml" in section(README, tutorial)[0].text
    with example("replay.toml") as terminal:
        terminal.follow(README, tutorial)
        terminal.follow("docs/how-to/regions-of-interest.md", "Watch lines: regions of interest")
        terminal.follow("docs/how-to/energy-calibration.md", "Calibrate a channel")


def test_a_scan_reaches_its_preset() -> None:
    with example("demo.toml") as terminal:
        terminal.follow("docs/how-to/scan-points.md", "Take scan points")


def test_scans_with_bluesky() -> None:
    with example("demo.toml") as terminal:
        terminal.follow("docs/how-to/bluesky.md", "Scan with bluesky")
    [shown] = [block for block in section("docs/how-to/bluesky.md", "Scan with bluesky") if block.file]
    assert shown.text == read(str(shown.file))


def test_analysing_files_offline(tmp_path: Path) -> None:
    Terminal(tmp_path).follow("docs/how-to/offline-analysis.md", "Analyse files offline")
    assert {path.name for path in tmp_path.glob("*.*") if path.is_file()} == {
        "events.parquet",
        "events.parquet.json",
        "spectra.png",
    }


def test_energies_in_files(tmp_path: Path) -> None:
    Terminal(tmp_path).follow("docs/how-to/energy-calibration.md", "In files")


def test_generating_files_and_their_names(tmp_path: Path) -> None:
    page = "docs/how-to/control-room-files.md"
    Terminal(tmp_path).follow(page, "Generate files for the control room")
    made = {str(path.relative_to(tmp_path / "lab")) for path in (tmp_path / "lab").rglob("*") if path.is_file()}
    assert made >= set(FILES)
    assert [name for name in FILES if f"`{name}`" not in read(page)] == []


def test_columns_are_named_with_their_types() -> None:
    page = " ".join(read("docs/how-to/offline-analysis.md").split())
    for column in (*ALWAYS, KEV, *SORTED, RUN, *OPTIONAL, TRACE):
        said = f"`{column.name}` {column_type(column)} {column.unit}".strip()
        assert said in page, said


OWN_TASK = ("docs/tutorial/own-task.md", "Write your own task")


def test_the_task_of_ones_own() -> None:
    with example("energy_cut.toml") as terminal:
        terminal.follow(*OWN_TASK)


@pytest.mark.parametrize("name", ["examples/energy_cut.py", "examples/energy_cut.toml"])
def test_files_are_shown_as_they_are(name: str) -> None:
    [shown] = [block.text for block in section(*OWN_TASK) if block.file == name]
    assert shown == read(name)


def test_the_pipeline_without_epics(tmp_path: Path) -> None:
    [block] = section("docs/how-to/pipeline-library.md", "Use the pipeline without EPICS")
    program = tmp_path / "program.py"
    program.write_text(block.text)
    done = subprocess.run(
        [sys.executable, program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert without_compiling(done.stdout) == "24598 events\n"
    assert done.stderr == ""


def test_the_tests_of_a_task(tmp_path: Path) -> None:
    page = "docs/how-to/test-a-task.md"
    for number, title in enumerate(("In this process", "In a real chain", "In a running IOC")):
        (tmp_path / f"test_{number}.py").write_text(section(page, title)[0].text)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'examples'}"}
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(tmp_path)]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert "3 passed" in done.stdout, done.stdout


def _anchors(page: Path) -> set[str]:
    """What a link into a page can name: its headings, as they are made into anchors on the web."""
    titles = re.findall(r"^#+ (.*)$", without_blocks(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", WRITTEN)
def test_links_lead_somewhere(page: str) -> None:
    wrong: list[str] = []
    for target, anchor in _LINK.findall(without_blocks(read(page))):
        there = (ROOT / page).parent / target if target else ROOT / page
        if not there.exists() or (anchor and anchor not in _anchors(there)):
            wrong.append(f"{target}#{anchor}")
    assert wrong == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, to_do = set[Path](), [ROOT / README]
    while to_do:
        page = to_do.pop().resolve()
        if page in reached:
            continue
        reached.add(page)
        if page.suffix == ".md":
            to_do += [page.parent / target for target, _ in _LINK.findall(without_blocks(page.read_text())) if target]
        elif page.name == "decisions":
            to_do += page.iterdir()
    assert [page for page in WRITTEN if page.startswith("docs/") and ROOT / page not in reached] == []


def test_every_dependency_has_its_reason() -> None:
    listed = read("docs/reference/dependencies.md")
    project = read("pyproject.toml")
    named = re.findall(
        r'"([A-Za-z][\w-]*)(?:\[\w+\])?[=><]=',
        project[project.index("dependencies") : project.index("[project.scripts]")],
    )
    assert len(named) > 15
    assert [name for name in named if name not in listed] == []


@pytest.mark.parametrize("page", [page for page in WRITTEN if page.startswith("docs/decisions/")])
def test_a_decision_has_its_date_and_its_status(page: str) -> None:
    number = int(Path(page).name[:4])
    assert re.match(
        rf"# {number}\. .+\n\n\*Date: \d{{4}}-\d\d-\d\d\. Status: (proposed|accepted|superseded by \d+)\.\*\n",
        read(page),
    )


@pytest.mark.parametrize("page", PAGES)
def test_pages_that_follow_from_the_code_are_current(page: str) -> None:
    assert read(f"docs/{page}") == PAGES[page](), "python docs/make_pages.py writes it"
