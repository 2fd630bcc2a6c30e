"""Judgement: facts in, findings out. Nothing is looked at here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pixieioc.doctor.facts import (
    AccessFile,
    Clock,
    Folder,
    Library,
    Limits,
    Name,
    Package,
    Port,
    RealTime,
    Speed,
    StateLock,
)
from pixieioc.doctor.finding import Finding, advice, bad, ok

MB, GB = 1e6, 1e9
#: A look-up that takes longer holds up a start, s; a disk slower than that is too slow for a crate at full rate, and
#: than that for most; a write that takes longer than that, in s, fills the queues.
_SLOW_NAME, _FULL_RATE, _SLOW_DISK, _LONG_WRITE = 1.0, 200 * MB, 20 * MB, 2.0
#: How far a clock may be off before run times of two computers cannot be compared, s.
_OFF = 0.1
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p"}
#: What is written to folders of data, and the setting that names them; of others, what names them.
_DATA = {"raw files": "file_path", "files of events": "file", "files that have no room elsewhere": "second_file_path"}
_ELSEWHERE = {
    "state": "state_dir in [ioc]", "log": "file in [ioc.log]", "put log": "file in [ioc.put_log]", "sockets": "TMPDIR",
}  # fmt: skip
#: File systems that are gone with the next restart of the computer.
_PASSING = {"tmpfs", "ramfs"}


def packages(found: Sequence[Package]) -> Iterator[Finding]:
    """Libraries in Python."""
    for package in found:
        if package.error:
            yield bad(f"{package.name}: {package.error}", f"pip install '{package.source}'")
    if not any(package.error for package in found):
        yield ok(f"{len(found)} packages can be imported")


def ports(found: Sequence[Port]) -> Iterator[Finding]:
    """Ports of all servers."""
    for port in found:
        where = f"{port.protocol} {port.address} port {port.number}"
        owner = f" by {port.owner}" if port.owner else ""
        if not port.error:
            yield ok(f"{where} is free")
        elif port.taken and port.set_by:
            yield advice(
                f"{where} is taken{owner}: {port.otherwise}", f"end that program, or set another {port.set_by}"
            )
        elif port.taken and port.protocol == "TCP":
            yield advice(
                f"{where} is taken{owner}: the IOC takes another one, which clients find by broadcasts only",
                "end the other server, or give this one EPICS_CAS_SERVER_PORT",
            )
        elif port.taken:
            yield bad(f"{where} is taken{owner} for itself alone", "end that program, or set EPICS_CAS_SERVER_PORT")
        else:
            yield bad(f"{where}: {port.error}", "name an address of this computer in --interfaces or [ioc] interfaces")


def access(found: AccessFile) -> Iterator[Finding]:
    """Who may write."""
    for problem in found.problems:
        yield bad(problem, "mend the access file: the IOC does not start with it, and a running one keeps what it has")
    if not found.problems:
        yield ok(f"{found.path or 'no access_file'}: {found.summary}")


def names(found: Sequence[Name]) -> Iterator[Finding]:
    """Name resolution."""
    for name in found:
        if name.error:
            yield bad(f"{name.host} ({name.used_for}): {name.error}", "put it into /etc/hosts, or give its address")
        elif name.seconds > _SLOW_NAME:
            yield advice(
                f"{name.host} ({name.used_for}) was found after {name.seconds:.1f} s",
                "mend the name server, or /etc/hosts",
            )
        else:
            yield ok(f"{name.host} ({name.used_for}) is known")


def folders(found: Sequence[Folder], low: float, lolo: float) -> Iterator[Finding]:
    """Permissions and space; `low` and `lolo` are the alarm limits of the free space."""
    for folder in found:
        where = f"{folder.path} ({folder.used_for})"
        if folder.missing:
            yield _missing(folder, where)
        elif folder.error:
            yield bad(
                f"{where}: {folder.error}",
                f"give this account the right to write there: chown, or {_elsewhere(folder)}",
            )
        elif folder.foreign:
            some = ", ".join(folder.foreign[:3]) + (" and more" if len(folder.foreign) > 3 else "")
            yield bad(
                f"{where} has files that this account may not use: {some}",
                "chown them to this account: somebody else has run the IOC here",
            )
        elif folder.kind in _PASSING and folder.used_for == "state":
            yield bad(
                f"{where} is gone with the next boot ({folder.kind})", "set state_dir in [ioc] to a folder on a disk"
            )
        elif folder.used_for == "raw files" and folder.free < lolo * GB:
            yield bad(f"{where} has {folder.free / GB:.1f} GB, a run needs {lolo:g}", _delete_files(folder))
        elif folder.used_for in _DATA and folder.free < low * GB:
            yield advice(f"{where} has {folder.free / GB:.1f} GB, which is MINOR", _delete_files(folder))
        elif folder.kind in _NETWORK:
            yield advice(
                f"{where} is on the network ({folder.kind})", "a run ends when it hangs: write to a local disk"
            )
        else:
            yield ok(f"{where} is writable, {folder.free / GB:.1f} GB are free")


def _missing(folder: Folder, where: str) -> Finding:
    text, make = f"{where} is not there", f"mkdir -p {folder.path}"
    if folder.used_for == "files of events":  # which are always written, and no run makes their folder
        return bad(text, make)
    return advice(text, f"{make}, or create_directory = 1" if folder.used_for == "raw files" else make)


def _delete_files(folder: Folder) -> str:
    return f"delete files, or {_elsewhere(folder)}"


def _elsewhere(folder: Folder) -> str:
    return _ELSEWHERE.get(folder.used_for) or f"another {_DATA[folder.used_for]}"


def state_lock(found: StateLock) -> Iterator[Finding]:
    """Whether the state folder is free."""
    if found.owner:
        yield advice(
            f"{found.path} is used by {found.owner}",
            "it is this IOC that runs; if not: another prefix or state_dir in [ioc]",
        )
    else:
        yield ok(f"no IOC uses {found.path}")


def speeds(found: Sequence[Speed]) -> Iterator[Finding]:
    """How fast disks are."""
    for speed in found:
        where, rate = speed.path, f"{speed.rate / MB:.0f} MB/s"
        if speed.error:
            yield bad(f"{where}: {speed.error}", "make room there, or another file_path")
        elif speed.rate < _SLOW_DISK:
            yield bad(f"{where} takes {rate}", "write to another disk: a run waits for this one")
        elif speed.slowest > _LONG_WRITE:
            yield advice(f"{where} took {speed.slowest:.1f} s for one write", "see what else uses it, or another disk")
        elif speed.rate < _FULL_RATE:
            yield advice(f"{where} takes {rate}, a crate at full rate gives 200", "for high rates, another disk")
        else:
            yield ok(f"{where} takes {rate}")


def clock(found: Clock) -> Iterator[Finding]:
    """The clock of the computer."""
    if found.year < 2024:
        yield bad(f"the clock says that it is {found.year}", "set the clock: files are named and stamped by it")
    elif not found.synchronised:
        yield advice(
            "the clock is not synchronised", "run chrony or systemd-timesyncd: time stamps are compared by clients"
        )
    elif found.error_bound > _OFF:
        yield advice(f"the clock may be off by {found.error_bound:.1f} s", "give chrony a nearer server")
    else:
        yield ok(f"the clock is synchronised to {found.error_bound * 1000:.0f} ms")


def limits(found: Limits) -> Iterator[Finding]:
    """What the system allows."""
    if 0 <= found.files < found.files_needed:
        yield bad(f"{found.files} files may be open, {found.files_needed} are needed", "ulimit -n, or LimitNOFILE=")
    elif 0 <= found.files < 10 * found.files_needed:
        yield advice(f"{found.files} files may be open", "ulimit -n 4096, or LimitNOFILE=, for many clients")
    else:
        yield ok(f"{found.files if found.files >= 0 else 'as many as wanted'} files may be open")
    left = f"{found.processes} processes and threads are left ({found.processes_source})"
    if 0 <= found.processes < found.processes_needed:
        yield bad(f"{left}, {found.processes_needed} are needed", "ulimit -u, LimitNPROC= or TasksMax=")
    elif 0 <= found.processes < 3 * found.processes_needed:
        yield advice(left, "ulimit -u, LimitNPROC= or TasksMax=, for raw files of many modules and PVAccess")
    elif found.processes >= 0:
        yield ok(left)
    if 0 <= found.address_space < found.address_space_needed:
        yield bad(
            f"a process may have {found.address_space / GB:.1f} GB of addresses, "
            f"{found.address_space_needed / GB:.1f} are needed",
            "ulimit -v unlimited: limit memory by cgroups",
        )
    elif found.address_space >= 0:
        yield advice(
            f"address space is limited to {found.address_space / GB:.1f} GB",
            "ulimit -v unlimited: limit memory by cgroups",
        )
    if found.memory < found.memory_needed:
        yield bad(
            f"{found.memory / GB:.1f} GB of memory are left ({found.memory_source}), about "
            f"{found.memory_needed / GB:.1f} are needed",
            "end other programs, raise MemoryMax= or --memory, or have fewer tasks",
        )
    else:
        yield ok(f"{found.memory / GB:.1f} GB of memory are left ({found.memory_source})")


def real_time(found: RealTime) -> Iterator[Finding]:
    """The right to a real-time priority."""
    if found.allowed:
        yield ok("a real-time priority is allowed")
    elif not found.wanted:
        yield ok("no real-time priority is wanted (EPICS_ALLOW_POSIX_THREAD_PRIORITY_SCHEDULING)")
    else:
        yield advice(
            f"no real-time priority (limit {found.limit}): with all processors busy, clients wait",
            "LimitRTPRIO=20, or rtprio in /etc/security/limits.conf, or --ulimit rtprio=20 --cap-add SYS_NICE",
        )


def compiled_code(complaint: str) -> Iterator[Finding]:
    """Whether compiled code is kept."""
    if complaint:
        yield advice(complaint, "set NUMBA_CACHE_DIR or CACHE_DIRECTORY to a folder of this account")
    else:
        yield ok("compiled code is kept")


def library(found: Library) -> Iterator[Finding]:
    """XIA's SDK, firmware, devices."""
    if found.implementation in ("", "simulated"):
        yield ok("no hardware is needed")
        return
    if found.error:
        yield bad(f"{found.implementation}: {found.error}", "see docs/how-to/hardware.md")
    for path in found.missing:
        yield bad(f"firmware: {path}", "copy it there, or name another file")
    if not found.error and not found.missing:
        yield ok(f"{found.path} can be loaded, all firmware is there")
    if not found.devices:
        yield bad("no device of the crate (/dev/plx/*)", "load the PLX driver of XIA's SDK, or hand its devices on")
    for path in found.unreachable:
        yield bad(
            f"{path} cannot be opened", "give this account the right: a udev rule, DeviceAllow=, --device, --group-add"
        )
