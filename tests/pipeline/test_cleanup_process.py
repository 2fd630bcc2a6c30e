from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil

from pixieioc.pipeline.cleanup_process import CleanupProcess
from tests.running_ioc import ROOT


def test_folders_of_a_process_that_is_killed_are_removed(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("plain", "with a 'quote' and a space", "-rf")]
    for folder in folders:
        folder.mkdir()
        (folder / "file").touch()
    (tmp_path / "other").touch()
    script = """if True:
        import sys, time
        from pixieioc.pipeline.cleanup_process import CleanupProcess
        CleanupProcess(*sys.argv[1:]); print(); time.sleep(60)"""
    with subprocess.Popen([sys.executable, "-c", script, *folders], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        cleanups = psutil.Process(process.pid).children()
        assert len(cleanups) == 1
        process.kill()
    psutil.wait_procs(cleanups, timeout=5)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_cleanup_process_that_is_dismissed_removes_nothing(tmp_path: Path) -> None:
    cleanup = CleanupProcess(tmp_path)
    cleanup.dismiss()
    assert tmp_path.is_dir()


def test_what_stands_still_goes_on_and_only_the_last_that_were_noted(tmp_path: Path) -> None:
    script = """if True:
        import sys, time
        from pixieioc.pipeline.cleanup_process import CleanupProcess
        cleanup = CleanupProcess(sys.argv[1])
        cleanup.note([int(sys.argv[2])]); cleanup.note([int(sys.argv[3])]); print(); time.sleep(60)"""
    sleepers = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    try:
        for sleeper in sleepers:
            sleeper.send_signal(signal.SIGSTOP)
        arguments = [tmp_path / "folder", *(str(sleeper.pid) for sleeper in sleepers)]
        with subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            process.stdout.readline()
            cleanups = psutil.Process(process.pid).children()
            process.kill()
        psutil.wait_procs(cleanups, timeout=5)
        states = [psutil.Process(sleeper.pid).status() for sleeper in sleepers]
        assert states == [psutil.STATUS_STOPPED, psutil.STATUS_SLEEPING]
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
