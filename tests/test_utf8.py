"""Names of files in a locale that has few characters: the program takes all, a library says what it cannot take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.running_ioc import ROOT

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0"}
CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData"]
[tasks.GatherData]
file_name = "Größe_€"
file_path = "Däten"
"""
LIBRARY = r"""
import sys
from pixieioc.tasks.file_settings import FileSettings
assert sys.getfilesystemencoding() == "ascii"
for parameter, value in (("file_name", "Gr\xf6\xdfe"), ("file_path", "D\xe4ten"), ("file_template", "%s%s\xe4")):
    try:
        getattr(FileSettings, parameter).check(value)
    except ValueError as error:
        sys.stdout.buffer.write(f"{error}\n".encode())
"""


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **ASCII, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, timeout=60, check=False)


def test_the_program_takes_all_characters_whatever_the_locale_is(tmp_path: Path) -> None:
    folder = tmp_path / "Ordner_ü"
    folder.mkdir()
    (folder / "ioc.toml").write_text(CONFIG, encoding="utf-8")
    (folder / "bad.toml").write_text(CONFIG + 'file_nam = "ä"', encoding="utf-8")
    done = _run("-m", "pixieioc", "check", folder / "ioc.toml")
    assert done.returncode == 0, done.stderr.decode()
    done = _run("-m", "pixieioc", "check", folder / "bad.toml")
    assert done.returncode != 0
    assert f"{folder / 'bad.toml'}:7: " in done.stderr.decode()


def test_a_library_in_such_a_locale_refuses_a_name_with_the_reason() -> None:
    done = _run("-c", LIBRARY)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 3, done.stderr.decode()
    for line, character in zip(lines, (r"'\xf6'", r"'\xe4'", r"'\xe4'"), strict=True):
        assert f"{character} cannot be in the name of a file: of this program's locale, names are ascii" in line
        assert "LANG=C.UTF-8" in line
