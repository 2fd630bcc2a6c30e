"""The process ends in time although a thread waits for ever, and says what is not written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixieioc.ioc.last_resort import UNCLEAN, UNWRITTEN, within
from tests.running_ioc import ROOT

#: Opening a pipe that nobody reads never returns, as a disk that does not answer.
_PROGRAM = """
import os, sys, threading, time
from pixieioc.ioc.last_resort import LastResort
last = LastResort()
last.sources = {sources}
last.by(time.monotonic() + 60)
last.by(time.monotonic() + 0.2)
os.open(sys.argv[1], os.O_WRONLY)
"""


@pytest.mark.parametrize(
    ("sources", "code", "said"),
    [
        ("[lambda: ['the settings', ''], lambda: ()]", UNWRITTEN, "the settings"),
        ("[lambda: 1 / 0, lambda: ['the log']]", UNWRITTEN, "ZeroDivisionError: division by zero; the log"),
        ("[]", UNCLEAN, "the IOC has not closed everything in time"),
    ],
)
def test_a_program_that_waits_for_ever_is_ended(tmp_path: Path, sources: str, code: int, said: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    program = _PROGRAM.format(sources=sources)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program, pipe], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (code, f"pixieioc: ended, but not written: {said}\n")


def test_what_takes_too_long_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert within(5, lambda: None)
    assert not within(0.1, pipe.read_bytes)
    pipe.write_bytes(b"")  # lets the thread go
