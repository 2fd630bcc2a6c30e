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
    psutil.wait_procs(cleanups, timeout=60)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_cleanup_process_that_is_dismissed_removes_nothing(tmp_path: Path) -> None:
    cleanup = CleanupProcess(tmp_path)
    cleanup.dismiss()
    assert tmp_path.is_dir()


def test_what_stands_still_goes_on_and_what_has_not_ended_in_time_is_killed(tmp_path: Path) -> None:
    """Only those that were noted last."""
    script = """if True:
        import sys, time
        from pixieioc.pipeline.cleanup_process import CleanupProcess
        cleanup = CleanupProcess(sys.argv[1])
        cleanup.note([int(sys.argv[2])], 1); cleanup.note(map(int, sys.argv[3:]), 1); print(); time.sleep(60)"""
    programs = (["sleep", "60"], ["sleep", "60"], ["sh", "-c", "sleep 0; exit 3"])
    sleepers = [subprocess.Popen(program) for program in programs]
    try:
        for sleeper in sleepers:
            sleeper.send_signal(signal.SIGSTOP)
        arguments = [tmp_path / "folder", *(str(sleeper.pid) for sleeper in sleepers)]
        with subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            process.stdout.readline()
            cleanups = psutil.Process(process.pid).children()
            process.kill()
        assert sleepers[2].wait(60) == 3  # it went on
        psutil.wait_procs(cleanups, timeout=60)
        assert sleepers[1].wait(60) == -signal.SIGKILL
        assert psutil.Process(sleepers[0].pid).status() == psutil.STATUS_STOPPED
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()


def test_a_number_that_another_process_has_got_is_left_alone(tmp_path: Path) -> None:
    """What is noted is when a process began, too."""
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        cleanup = CleanupProcess(tmp_path / "folder")
        process = cleanup._process
        assert process.stdin is not None
        process.stdin.write(f"0 {sleeper.pid}:1\n".encode())
        process.stdin.close()
        assert process.wait(60) == 0
        assert sleeper.poll() is None
        sleeper.kill()


def test_one_that_is_killed_is_replaced_and_knows_what_was_noted(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        cleanup = CleanupProcess(tmp_path)
        cleanup.note([sleeper.pid], 0)
        cleanup._process.kill()
        cleanup._process.wait(60)
        cleanup.watch()
        process = cleanup._process
        assert process.stdin is not None
        process.stdin.close()
        assert sleeper.wait(60) == -signal.SIGKILL
        assert process.wait(60) == 0
    assert not tmp_path.exists()
