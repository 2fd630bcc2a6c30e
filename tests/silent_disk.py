"""A file system that can stop answering, as one over the network does: whoever asks it anything waits, also to read.

It can also be slow: it takes what is written at once, as the page cache does, and its time when that is to be safe.

It is a small server of FUSE, the kernel's interface for file systems that are programs, and passes everything on to a
folder of its own. What it has been asked and does not answer not even SIGKILL ends (`deaf`: that it has not heard of,
which SIGKILL does end, as with NFS).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from tests.tmpfs import unmount

ROOT = Path(__file__).parents[1]
_DEVICE = Path("/dev/fuse")


def why_not() -> str:
    """What is missing for such a file system, or an empty text."""
    if os.geteuid() != 0:
        return "only root mounts file systems"
    return "" if os.access(_DEVICE, os.R_OK | os.W_OK) else f"there is no {_DEVICE}"


@dataclass
class SilentDisk:
    """The file system, mounted at `folder`."""

    folder: Path
    server: subprocess.Popen[str]

    def hang(self) -> None:
        """From now on it does not answer, and nothing ends who asks it."""
        self._order(signal.SIGUSR1)

    def be_deaf(self) -> None:
        """From now on it does not listen; who asks it can be killed."""
        self._order(signal.SIGHUP)

    def answer(self) -> None:
        """It answers again."""
        self._order(signal.SIGUSR2)

    def _order(self, number: int) -> None:
        assert self.server.stdout is not None
        self.server.send_signal(number)
        assert self.server.stdout.readline() == f"{number}\n"


@contextlib.contextmanager
def silent_disk(folder: Path, rate: float = inf) -> Iterator[SilentDisk]:
    """A file system at a new folder, with so many bytes per second; at its end who waits for it gets an error."""
    behind = folder.with_name(folder.name + ".behind")
    for each in (behind, folder):
        each.mkdir(parents=True)
    command = [sys.executable, "-m", "tests.silent_disk", str(folder), str(behind), str(rate)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "mounted\n"
            yield SilentDisk(folder, server)
        finally:
            server.kill()
            server.wait()
            unmount(folder)


# -- the server --------------------------------------------------------------------------------------------------------

_HEAD, _ANSWER = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ")
_ATTRIBUTES, _ENTRY = struct.Struct("<6Q10I"), struct.Struct("<QQQQII")
_READ = struct.Struct("<QQI")
_FORGET, _BATCH_FORGET, _INTERRUPT = 2, 42, 36  # which nobody answers
_WRITE_AT_MOST = 1 << 20
#: What is wanted of new attributes: FATTR_MODE, FATTR_SIZE.
_MODE, _SIZE = 1 << 0, 1 << 3
_NEVER_CREATED = ~(os.O_CREAT | os.O_EXCL | os.O_NOCTTY | os.O_TRUNC | os.O_DIRECT)


@dataclass
class _Server:
    """Answers the kernel; paths have numbers, the root is 1."""

    device: int
    behind: Path
    rate: float
    dirty: int = 0  #: bytes that are not safe yet
    paths: dict[int, Path] = field(default_factory=dict[int, Path])
    numbers: dict[Path, int] = field(default_factory=dict[Path, int])
    silent: bool = False
    deaf: bool = False
    kept: list[bytes] = field(default_factory=list[bytes])  # requests that wait for their answer

    def __post_init__(self) -> None:
        self._number(self.behind)
        self._calls: dict[int, Callable[[int, bytes], bytes]] = {
            1: self._lookup, 3: self._attributes_of, 4: self._set_attributes, 9: self._mkdir, 10: self._unlink,
            11: self._rmdir, 12: self._rename, 13: self._link, 14: self._open, 15: self._read, 16: self._write,
            17: self._statfs, 18: self._release, 20: self._sync, 25: self._nothing, 26: self._init,
            27: self._open_folder, 28: self._list, 29: self._nothing, 30: self._nothing, 34: self._nothing,
            35: self._create, 43: self._allocate, 45: self._rename_as,
        }  # fmt: skip

    def serve(self) -> None:
        """Answers until it is killed."""
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
            signal.signal(number, self._obey)
        while True:
            while self.deaf:
                signal.pause()
            try:
                request = os.read(self.device, _WRITE_AT_MOST + 4096)
            except InterruptedError:
                continue
            if self.silent:
                self.kept.append(request)
            else:
                self._answer(request)

    def _obey(self, number: int, _: object) -> None:
        self.silent, self.deaf = number == signal.SIGUSR1, number == signal.SIGHUP
        if number == signal.SIGUSR2:
            for request in self.kept:
                self._answer(request)
            self.kept.clear()
        print(number, flush=True)

    def _answer(self, request: bytes) -> None:
        _, code, unique, node, *_ = _HEAD.unpack_from(request)
        if code in (_FORGET, _BATCH_FORGET, _INTERRUPT):
            return
        error, content = 0, b""
        try:
            content = self._calls[code](node, request[_HEAD.size :])
        except KeyError:
            error = errno.ENOSYS
        except OSError as raised:
            error = raised.errno or errno.EIO
        with contextlib.suppress(FileNotFoundError):  # who has asked was killed meanwhile
            os.write(self.device, _ANSWER.pack(_ANSWER.size + len(content), -error, unique) + content)

    def _number(self, path: Path) -> int:
        if path not in self.numbers:
            number = len(self.numbers) + 1
            self.numbers[path], self.paths[number] = number, path
        return self.numbers[path]

    def _moved(self, old: Path, new: Path) -> None:
        number = self.numbers.pop(old, None)
        if number is not None:
            self.numbers[new], self.paths[number] = number, new

    def _attributes(self, path: Path) -> bytes:
        it = path.lstat()
        times = [int(time) for time in (it.st_atime, it.st_mtime, it.st_ctime)]
        parts = [time % 10**9 for time in (it.st_atime_ns, it.st_mtime_ns, it.st_ctime_ns)]
        own = (it.st_mode, it.st_nlink, it.st_uid, it.st_gid, 0, 4096, 0)
        return _ATTRIBUTES.pack(it.st_ino, it.st_size, it.st_blocks, *times, *parts, *own)

    def _entry(self, path: Path) -> bytes:
        attributes = self._attributes(path)
        return _ENTRY.pack(self._number(path), 0, 0, 0, 0, 0) + attributes

    def _init(self, _: int, content: bytes) -> bytes:
        _, minor, ahead = struct.unpack_from("<III", content)
        big_writes = 1 << 5
        return struct.pack("<IIIIHHIIHHI28x", 7, min(minor, 31), ahead, big_writes, 12, 9, _WRITE_AT_MOST, 1, 0, 0, 0)

    def _lookup(self, node: int, content: bytes) -> bytes:
        return self._entry(self._child(node, content))

    def _child(self, node: int, content: bytes) -> Path:
        return self.paths[node] / os.fsdecode(content.split(b"\0")[0])

    def _attributes_of(self, node: int, _: bytes) -> bytes:
        return struct.pack("<QII", 0, 0, 0) + self._attributes(self.paths[node])

    def _set_attributes(self, node: int, content: bytes) -> bytes:
        valid, _, _, size = struct.unpack_from("<IIQQ", content)
        if valid & _SIZE:
            os.truncate(self.paths[node], size)
        if valid & _MODE:
            self.paths[node].chmod(struct.unpack_from("<I", content, 68)[0] & 0o7777)
        return self._attributes_of(node, b"")

    def _mkdir(self, node: int, content: bytes) -> bytes:
        path = self._child(node, content[8:])
        path.mkdir()
        return self._entry(path)

    def _unlink(self, node: int, content: bytes) -> bytes:
        path = self._child(node, content)
        path.unlink()
        self.numbers.pop(path, None)
        return b""

    def _rmdir(self, node: int, content: bytes) -> bytes:
        path = self._child(node, content)
        path.rmdir()
        self.numbers.pop(path, None)
        return b""

    def _rename(self, node: int, content: bytes, names: int = 8) -> bytes:
        (to,) = struct.unpack_from("<Q", content)
        old, new, *_ = content[names:].split(b"\0")
        before, after = self._child(node, old), self._child(to, new)
        before.rename(after)
        self._moved(before, after)
        return b""

    def _rename_as(self, node: int, content: bytes) -> bytes:
        return self._rename(node, content, 16)

    def _link(self, node: int, content: bytes) -> bytes:
        (old,) = struct.unpack_from("<Q", content)
        path = self._child(node, content[8:])
        path.hardlink_to(self.paths[old])
        return self._entry(path)

    def _open(self, node: int, content: bytes) -> bytes:
        (flags,) = struct.unpack_from("<I", content)
        readable = flags & _NEVER_CREATED & ~os.O_APPEND & ~os.O_ACCMODE | os.O_RDWR
        return struct.pack("<QII", os.open(self.paths[node], readable), 0, 0)

    def _create(self, node: int, content: bytes) -> bytes:
        flags, mode = struct.unpack_from("<II", content)
        path = self._child(node, content[16:])
        wanted = flags & (os.O_EXCL | os.O_TRUNC) | os.O_CREAT | os.O_RDWR
        descriptor = os.open(path, wanted, mode & 0o7777)
        return self._entry(path) + struct.pack("<QII", descriptor, 0, 0)

    def _open_folder(self, _: int, __: bytes) -> bytes:
        return bytes(16)

    def _list(self, node: int, content: bytes) -> bytes:
        _, offset, size = _READ.unpack_from(content)
        found = b""
        for place, entry in enumerate(sorted(self.paths[node].iterdir())[offset:], offset + 1):
            name, kind = os.fsencode(entry.name), stat.S_IFMT(entry.lstat().st_mode) >> 12
            line = struct.pack("<QQII", entry.lstat().st_ino, place, len(name), kind) + name
            line += bytes(-len(line) % 8)
            if len(found) + len(line) > size:
                break
            found += line
        return found

    def _read(self, _: int, content: bytes) -> bytes:
        descriptor, offset, size = _READ.unpack_from(content)
        return os.pread(descriptor, size, offset)

    def _write(self, _: int, content: bytes) -> bytes:
        descriptor, offset, size = _READ.unpack_from(content)
        self.dirty += size
        return struct.pack("<II", os.pwrite(descriptor, content[40 : 40 + size], offset), 0)

    def _statfs(self, _: int, __: bytes) -> bytes:
        it = os.statvfs(self.behind)
        space = (it.f_blocks, it.f_bfree, it.f_bavail, it.f_files, it.f_ffree)
        return struct.pack("<5Q4I24x", *space, it.f_bsize, it.f_namemax, it.f_frsize, 0)

    def _release(self, _: int, content: bytes) -> bytes:
        os.close(struct.unpack_from("<Q", content)[0])
        return b""

    def _sync(self, _: int, content: bytes) -> bytes:
        time.sleep(self.dirty / self.rate)
        self.dirty = 0
        return b""

    def _allocate(self, _: int, content: bytes) -> bytes:
        descriptor, offset, length = struct.unpack_from("<QQQ", content)
        os.posix_fallocate(descriptor, offset, length)
        return b""

    def _nothing(self, _: int, __: bytes) -> bytes:
        return b""


def main() -> None:
    """The server: at which folder it is, what is behind it, and how many bytes per second it takes."""
    folder, behind = map(Path, sys.argv[1:3])
    device = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    library = ctypes.CDLL(None, use_errno=True)
    if library.mount(b"silent", os.fsencode(folder), b"fuse", 0, options):
        raise OSError(ctypes.get_errno(), "it cannot be mounted")
    print("mounted", flush=True)
    _Server(device, behind, float(sys.argv[3])).serve()


if __name__ == "__main__":
    main()
