"""File systems of their own in a file: one that can hang or be slow (ext4), one with a quota (btrfs)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.tmpfs import unmount


def why_not(program: str) -> str:
    """What is missing for a file system that this program makes, or an empty text."""
    if os.geteuid() != 0:
        return "only root mounts file systems"
    return "" if shutil.which(program) else f"there is no {program}"


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)


@contextlib.contextmanager
def _mounted(folder: Path, megabytes: int, *make: str) -> Iterator[None]:
    image = folder.with_name(folder.name + ".image")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    _run(*make, image)
    folder.mkdir(parents=True)
    try:
        _run("mount", "-o", "loop", image, folder)
        yield
    finally:
        unmount(folder)
        image.unlink()


@contextlib.contextmanager
def freezable(folder: Path) -> Iterator[Path]:
    """A file system at a new folder that can hang: whoever writes waits, and not even SIGKILL ends that."""
    with _mounted(folder, 64, "mkfs.ext4", "-q", "-F"):
        try:
            yield folder
        finally:
            thaw(folder)


def freeze(folder: Path) -> None:
    """From now on it hangs."""
    _run("fsfreeze", "-f", folder)


def thaw(folder: Path) -> None:
    """It goes on; nothing happens to one that does not hang."""
    subprocess.run(["fsfreeze", "-u", folder], capture_output=True, check=False, timeout=60)


#: What ext4 does when it is told so: from now on nothing reaches the device, its journal neither.
_SHUTDOWN, _WITHOUT_JOURNAL = 0x8004587D, 2


def cut_power(folder: Path) -> None:
    """What was written to a file system and is not on its device yet is lost; nothing can be done with it any more."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _WITHOUT_JOURNAL))
    finally:
        os.close(descriptor)


def mount_again(folder: Path) -> None:
    """The file system of `freezable` after a power cut, when nobody has a file of it any more."""
    _run("umount", folder)
    # A mount namespace that somebody has made meanwhile has it mounted still, and the same image mounted again would be
    # that same file system without power. So what is mounted is a copy.
    image = folder.with_name(folder.name + ".image")
    copy = image.with_suffix(".copy")
    _run("cp", "--sparse=always", image, copy)
    copy.replace(image)
    _run("mount", "-o", "loop", image, folder)


#: How many bytes per second a device takes: the kernel's interface (version 1) for the group of all processes.
_RATES = Path("/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device")


def why_not_slow() -> str:
    """What is missing for a disk that can be made slow, or an empty text."""
    return why_not("mkfs.ext4") or ("" if os.access(_RATES, os.W_OK) else f"there is no {_RATES}")


def slow_down(folder: Path, rate: int) -> None:
    """From now on the file system takes so many bytes per second; 0: as many as it can."""
    device = folder.stat().st_dev
    _RATES.write_text(f"{os.major(device)}:{os.minor(device)} {rate}\n")


@contextlib.contextmanager
def stalling(folder: Path, seconds: float, every: float) -> Iterator[None]:
    """Meanwhile the file system hangs for so many seconds, again and again."""
    over = threading.Event()

    def stall() -> None:
        while not over.wait(every - seconds):
            freeze(folder)
            over.wait(seconds)
            thaw(folder)

    thread = threading.Thread(target=stall)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def btrfs(folder: Path) -> Iterator[Path]:
    """A file system at a new folder whose use can be limited."""
    with _mounted(folder, 256, "mkfs.btrfs", "-q", "-f"):
        yield folder


def limit(folder: Path, size: str) -> None:
    """Limits what may be on it, as to 64k."""
    _run("btrfs", "quota", "enable", folder)
    _run("btrfs", "quota", "rescan", "-w", folder)
    _run("btrfs", "qgroup", "limit", size, folder)


def unlimit(folder: Path) -> None:
    """Nothing is limited any more; to raise a limit that is reached takes room, too."""
    subprocess.run(["btrfs", "quota", "disable", folder], capture_output=True, check=False, timeout=60)
