"""What a configuration says of the caster, and what of it is refused."""

from __future__ import annotations

from pathlib import Path

from pixieioc.config import examine

BEGIN = '[pipeline]\nchain = ["DummyData", "PrintData"]\n[ioc.recsync]\n'


def _problems(folder: Path, text: str) -> list[str]:
    file = folder / "test.toml"
    file.write_text(BEGIN + text)
    return [problem.removeprefix(f"{file}:") for problem in examine(file).problems]


def test_what_is_wrong_is_said_with_its_line_and_what_is_allowed(tmp_path: Path) -> None:
    wrong = 'port = 70000\nhold_off = -1\ninfo = {ENGINEER = 3}\nrecceivers = ["10.0.0.5", "gateway"]\non = 1\n'
    assert _problems(tmp_path, wrong) == [
        "4: ioc.recsync.port = 70000: must be a whole number from 1 to 65535",
        "5: ioc.recsync.hold_off = -1: must be a number of at least 0",
        "6: ioc.recsync.info = {'ENGINEER': 3}: must be a table of texts",
        "8: ioc.recsync.on = 1: must be true or false",
    ]
    addresses = _problems(tmp_path, 'recceivers = ["10.0.0.5", "gateway"]\n')
    assert addresses == ["4: ioc.recsync.recceivers: 'gateway': must be an address such as 10.0.0.5"]


def test_what_is_right_is_taken(tmp_path: Path) -> None:
    assert _problems(tmp_path, 'on = true\ninfo = {ENGINEER = "Eva"}\nrecceivers = ["10.0.0.5"]\n') == []
