"""A task whose process no signal ends, because the system itself waits for a disk."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from pixieioc.pipeline import Error
from tests.block_disks import freezable, freeze, thaw, why_not
from tests.recorder import Recorder
from tests.running_ioc import ROOT
from tests.stopwatch import Stopwatch

pytestmark = pytest.mark.skipif(bool(why_not("mkfs.ext4")), reason=why_not("mkfs.ext4"))
_DOES_NOT_END = r"ToyWriter \(process \d+\) was killed and does not end: it waits for a disk"


def hung(pipeline: Recorder, disk: Path) -> psutil.Process:
    """The process of a task that waits for a disk, for ever."""
    pipeline.create_task("ToyWriter")
    pipeline.connect(["ToyWriter"])
    pipeline.configure({"file": str(disk / "file")})
    pipeline.start()
    pipeline.until((disk / "file").exists)
    freeze(disk)
    task = pipeline.processes["ToyWriter"]
    pipeline.until(lambda: task.doing(time.monotonic()).busy > 0.2)
    assert task.task.pid is not None
    return psutil.Process(task.task.pid)


def test_it_is_told_and_no_other_takes_its_place_before_it_has_ended(pipeline: Recorder, tmp_path: Path) -> None:
    with freezable(tmp_path / "disk") as disk:
        process = hung(pipeline, disk)
        began = Stopwatch()
        with pytest.raises(Error, match=_DOES_NOT_END):
            pipeline.kill()
        assert began.taken < 4
        for _ in range(2):
            with pytest.raises(Error, match=_DOES_NOT_END):
                pipeline.create_task("ToyWriter")
            assert not pipeline.processes
        thaw(disk)
        process.wait(60)
        pipeline.create_task("ToyWriter")


@pytest.mark.parametrize("when", ["after it was killed", "while it is being killed"])
def test_the_program_ends_without_it(tmp_path: Path, when: str) -> None:
    with freezable(tmp_path / "disk") as disk, (tmp_path / "said").open("w") as said:
        command = [sys.executable, "-m", "tests.pipeline.test_undying", str(disk), when]
        # The process that stays has its output open, too: nobody must wait for the end of that.
        program = subprocess.run(command, cwd=ROOT, timeout=60, stdout=said, stderr=subprocess.STDOUT, check=False)
        assert program.returncode == 0, (tmp_path / "said").read_text()
        left = psutil.Process(int((tmp_path / "said").read_text()))
        thaw(disk)
        left.wait(60)


def _kill(pipeline: Recorder) -> None:
    with contextlib.suppress(Error):
        pipeline.kill()


if __name__ == "__main__":
    from tests.pipeline import toys  # noqa: F401  # importing it defines the tasks

    with contextlib.suppress(Error), Recorder() as made:
        print(hung(made, Path(sys.argv[1])).pid, flush=True)
        killing = threading.Thread(target=_kill, args=(made,), daemon=True)
        killing.start()
        killing.join(0.3 if sys.argv[2].startswith("while") else None)
