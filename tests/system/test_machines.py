"""Odd accounts, folders and limits: the program works there, or says in one line what is missing."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pixieioc
from tests.conftest import CA_PORTS, DATA
from tests.running_ioc import Ioc, ioc_folder, running

RECORDING = DATA / "pixie16_binary_data-full.bin"
EVENTS = 24_598
#: An account that is nobody's; on the computers of developers, it needs help to reach a Python in somebody's home.
NOBODY = (
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
    "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
)  # fmt: skip
#: Modules that a program which looks into the current folder would take from there.
POISON = ("random", "numpy", "zmq", "numba", "typer", "psutil", "signal", "selectors", "tomllib", "msgspec", "tempfile")
_MODULE = (sys.executable, "-P", "-m", "pixieioc")


def _run(
    *command: str | Path, folder: Path, before: Callable[[], None] | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A program in a folder, with nothing but this environment."""
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.defpath, "TMPDIR": str(folder), "PYTHONPATH": str(DATA.parents[1]), **environment},
        capture_output=True,
        text=True,
        timeout=240,
        preexec_fn=before,
    )


def _events(done: subprocess.CompletedProcess[str]) -> int:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["events"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name that everybody can use."""
    with ioc_folder() as made:
        made.chmod(0o1777)
        # Above it are folders of these tests, which others may go through only.
        for above in made.parents:
            if above.stat().st_mode & 0o777 == 0o700:
                above.chmod(0o711)
        yield made


@pytest.fixture
def installation(folder: Path) -> Path:
    """The package in a folder where only its owner can write."""
    made = folder / "lib"
    shutil.copytree(Path(pixieioc.__file__).parent, made / "pixieioc", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(DATA.parent, made / "pixieioc" / "examples")
    [about] = {Path(p) for p in sys.path if Path(p).is_dir() for p in Path(p).glob("pixieioc-*.dist-info")}
    shutil.copytree(about, made / about.name)
    for path in (made, *made.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return made


needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, and setpriv, to become another account"
)


@needs_root
def test_an_account_without_a_home_uses_an_installation_of_root(installation: Path) -> None:
    folder = installation.parent
    environment = {"PYTHONPATH": str(installation), "HOME": "/nonexistent"}
    done = _run(
        *NOBODY,
        *_MODULE,
        "check",
        installation / "pixieioc/examples/demo.toml",
        folder=folder,
        before=None,
        **environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    done = _run(*NOBODY, *_MODULE, "replay", "--json", RECORDING, folder=folder, before=None, **environment)
    assert _events(done) == EVENTS
    first, *others = done.stderr.splitlines()
    assert first.startswith("pixieioc: compiled code cannot be kept, so that each start compiles")
    assert "/nonexistent" in first
    assert "set NUMBA_CACHE_DIR" in first
    assert others
    assert all("compiling" in line for line in others)
    assert not list(installation.rglob("*.nbi"))


@needs_root
def test_an_account_without_a_home_keeps_compiled_code_where_it_is_told_to(installation: Path) -> None:
    folder = installation.parent
    environment = {"PYTHONPATH": str(installation), "HOME": "/nonexistent"}
    for cache, kept in (("hers", True), ("anybodys", False)):
        (folder / cache).mkdir()
        os.chown(folder / cache, 65534, 65534)
        (folder / cache).chmod(0o700 if kept else 0o777)
        told = {**environment, "NUMBA_CACHE_DIR": str(folder / cache)}
        program = "from pixieioc import account; print(account.code_folder(), account.code_complaint())"
        done = _run(*NOBODY, sys.executable, "-P", "-c", program, folder=folder, before=None, **told)
        where, _, complaint = done.stdout.strip().partition(" ")
        assert where == (str(folder / cache) if kept else "None"), done.stderr
        assert ("others can write" in complaint) is not kept


@needs_root
def test_the_demo_of_an_account_without_a_home(installation: Path) -> None:
    folder = installation.parent
    port = CA_PORTS[0]
    demo = subprocess.Popen(
        [*NOBODY, *_MODULE, "demo", "--prefix", "N:"],
        cwd=folder,
        env={
            "PATH": os.defpath,
            "TMPDIR": str(folder),
            "PYTHONPATH": str(installation),
            "HOME": "/nonexistent",
            "EPICS_CAS_SERVER_PORT": str(port),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert demo.stdout is not None
        hello = [demo.stdout.readline() for _ in range(3)]
    finally:
        demo.send_signal(signal.SIGTERM)
        _, said = demo.communicate(timeout=240)
    assert "IOC is up" in hello[0]
    assert hello[2].strip() == f"export EPICS_CA_ADDR_LIST=127.0.0.1:{port} EPICS_CA_AUTO_ADDR_LIST=NO"
    assert demo.returncode == 0
    assert "the number of the last run is kept in" in said


@pytest.mark.parametrize("how", ["environment", "console script"])
def test_the_folder_of_the_start_changes_no_import(folder: Path, how: str) -> None:
    for name in POISON:
        (folder / f"{name}.py").write_text(f"raise RuntimeError('{name} of the current folder')\n")
    (folder / "pixieioc" / "pipeline").mkdir(parents=True)
    (folder / "pixieioc" / "__init__.py").write_text("raise RuntimeError('pixieioc of the current folder')\n")
    script = Path(sys.executable).with_name("pixieioc")
    if how == "console script" and not script.exists():
        pytest.skip("pixieioc is not installed as a program here")
    command = _MODULE if how == "environment" else (str(script),)
    done = _run(*command, "replay", "--json", RECORDING, folder=folder, HOME=str(folder), PYTHONPATH="")
    assert _events(done) == EVENTS
    assert "of the current folder" not in done.stderr


def test_tasks_beside_a_configuration_are_found_from_any_folder(folder: Path) -> None:
    site, elsewhere = folder / "site", folder / "elsewhere"
    site.mkdir()
    elsewhere.mkdir()
    (elsewhere / "random.py").write_text("raise RuntimeError('random of the current folder')\n")
    (site / "our_tasks.py").write_text(
        "from pixieioc.pipeline import Task\n\n\nclass OurSink(Task):\n    def do_work(self, datum):\n        pass\n"
    )
    (site / "ours.toml").write_text(
        '[pipeline]\nchain = ["DummyData", "OurSink"]\nimports = ["our_tasks"]\n[ioc]\nstate_dir = "state"\n'
    )
    with running(Ioc(elsewhere, "run", site / "ours.toml")) as ioc:
        assert ioc.tasks() == ["DummyData", "OurSink"]
        assert ioc.get("Ready_RBV") == "Yes"


def _few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))


@pytest.mark.parametrize("command", [("demo",), ("replay", str(RECORDING))])
def test_too_few_open_files_are_refused_at_once(folder: Path, command: tuple[str, ...]) -> None:
    done = _run(*_MODULE, *command, folder=folder, before=_few_files, HOME=str(folder))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pixieioc: only 32 files may be open at a time, at least ")
    assert len(done.stderr.splitlines()) == 1


def _few_files_at_first() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, hard))


def test_as_many_open_files_as_are_allowed_are_used(folder: Path) -> None:
    done = _run(*_MODULE, "replay", "--json", RECORDING, folder=folder, before=_few_files_at_first, HOME=str(folder))
    assert _events(done) == EVENTS
