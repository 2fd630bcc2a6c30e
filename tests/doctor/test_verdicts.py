"""Judgement of a host: facts in, what is told out. Each check has what is good, and what is not, in one table."""

# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pixieioc.doctor import verdicts as v
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
from pixieioc.doctor.finding import Finding, Level

GOOD_LIMITS: dict[str, Any] = {
    "files": 65536, "files_needed": 80, "processes": -1, "processes_needed": 100, "address_space": -1,
    "memory": 8e9, "memory_needed": 2e9,
}  # fmt: skip


def _folders(*folders: Folder) -> Iterator[Finding]:
    return v.folders(folders, 10, 1)


CASES: list[tuple[Callable[..., Iterator[Finding]], Any, Level, str, str]] = [
    (v.packages, [Package("numpy"), Package("zmq")], Level.OK, "2 packages can be imported", ""),
    (v.packages, [Package("pixie16", "No module", "pixieioc[hardware]")], Level.BAD, "pixie16: No module", "[hardware]"),
    (v.ports, [Port("TCP", "0.0.0.0", 5064)], Level.OK, "TCP 0.0.0.0 port 5064 is free", ""),
    (v.ports, [Port("TCP", "0.0.0.0", 5064, "in use", "process 1 (x)", True)], Level.ADVICE, "by process 1 (x)", "SERVER_PORT"),
    (v.ports, [Port("UDP", "0.0.0.0", 5064, "in use", "", True)], Level.BAD, "is taken for itself", "SERVER_PORT"),
    (v.ports, [Port("TCP", "127.0.0.1", 9816, "in use", "", True, "port in [x]", "no x")], Level.ADVICE, "taken: no x", "another port in [x]"),
    (v.ports, [Port("TCP", "192.0.2.1", 5064, "not here")], Level.BAD, "port 5064: not here", "--interfaces"),
    (v.names, [Name("wall", "this computer", 0.1)], Level.OK, "wall (this computer) is known", ""),
    (v.names, [Name("wall", "this computer", 5.0)], Level.ADVICE, "after 5.0 s", "/etc/hosts"),
    (v.names, [Name("wall", "an interface", 0.1, "not known")], Level.BAD, "wall (an interface): not known", "/etc/hosts"),
    (v.access, AccessFile("", (), "everybody may write everything"), Level.OK, "no access_file: everybody may write", ""),
    (v.access, AccessFile("/a.acf", (), "OP: users ops"), Level.OK, "/a.acf: OP: users ops", ""),
    (v.access, AccessFile("/a.acf", ("/a.acf:3: no UAG ops",)), Level.BAD, "/a.acf:3: no UAG ops", "mend the access file"),
    (v.state_lock, StateLock("/s"), Level.OK, "no IOC uses /s", ""),
    (v.state_lock, StateLock("/s", "process 7"), Level.ADVICE, "/s is used by process 7", "state_dir"),
    (_folders, Folder("/d", "raw files", free=5e10), Level.OK, "/d (raw files) is writable, 50.0 GB are free", ""),
    (_folders, Folder("/d", "raw files", free=5e9), Level.ADVICE, "has 5.0 GB, which is MINOR", "delete files"),
    (_folders, Folder("/d", "raw files", free=5e8), Level.BAD, "has 0.5 GB, a run needs 1", "delete files"),
    (_folders, Folder("/d", "state", "/d: Permission denied"), Level.BAD, "Permission denied", "state_dir"),
    (_folders, Folder("/d", "state", foreign=("a", "b", "c", "d")), Level.BAD, "may not use: a, b, c and more", "chown"),
    (_folders, Folder("/d", "log", "/d: Permission denied"), Level.BAD, "Permission denied", "[ioc.log]"),
    (_folders, Folder("/d", "sockets", "too long"), Level.BAD, "too long", "TMPDIR"),
    (_folders, Folder("/d", "raw files", missing=True), Level.ADVICE, "is not there", "mkdir -p /d, or create_dir"),
    (_folders, Folder("/d", "files of events", missing=True), Level.BAD, "is not there", "mkdir -p /d"),
    (_folders, Folder("/d", "files of events", free=5e9), Level.ADVICE, "which is MINOR", "or another file"),
    (_folders, Folder("/d", "put log", "EACCES"), Level.BAD, "/d (put log): EACCES", "file in [ioc.put_log]"),
    (_folders, Folder("/d", "put log", missing=True), Level.ADVICE, "is not there", "mkdir -p /d"),
    (_folders, Folder("/d", "raw files", free=5e10, kind="nfs4"), Level.ADVICE, "on the network (nfs4)", "local disk"),
    (_folders, Folder("/run/d", "state", free=5e10, kind="tmpfs"), Level.BAD, "gone with the next boot", "state_dir"),
    (v.speeds, [Speed("/d", 5e8)], Level.OK, "/d takes 500 MB/s", ""),
    (v.speeds, [Speed("/d", 1e8)], Level.ADVICE, "takes 100 MB/s, a crate", "another disk"),
    (v.speeds, [Speed("/d", 5e8, 2.5)], Level.ADVICE, "took 2.5 s for one write", "another disk"),
    (v.speeds, [Speed("/d", 1e7)], Level.BAD, "takes 10 MB/s", "another disk"),
    (v.speeds, [Speed("/d", 0, 0, "No space left")], Level.BAD, "No space left", "make room"),
    (v.clock, Clock(True, 0.01, 2026), Level.OK, "synchronised to 10 ms", ""),
    (v.clock, Clock(True, 3, 2026), Level.ADVICE, "may be off by 3.0 s", "chrony"),
    (v.clock, Clock(False, 16, 2026), Level.ADVICE, "not synchronised", "chrony"),
    (v.clock, Clock(True, 0.01, 1970), Level.BAD, "it is 1970", "set the clock"),
    (v.limits, Limits(**GOOD_LIMITS), Level.OK, "65536 files may be open", ""),
    (v.limits, Limits(**{**GOOD_LIMITS, "files": 64}), Level.BAD, "64 files may be open, 80", "LimitNOFILE="),
    (v.limits, Limits(**{**GOOD_LIMITS, "files": 256}), Level.ADVICE, "256 files", "LimitNOFILE="),
    (v.limits, Limits(**{**GOOD_LIMITS, "processes": 20}), Level.BAD, "20 processes and threads", "TasksMax="),
    (v.limits, Limits(**{**GOOD_LIMITS, "processes": 250}), Level.ADVICE, "250 processes and threads", "many modules"),
    (v.limits, Limits(**{**GOOD_LIMITS, "address_space": 10**9}), Level.ADVICE, "limited to 1.0 GB", "ulimit -v"),
    (
        v.limits, Limits(**{**GOOD_LIMITS, "address_space": 10**8, "address_space_needed": 10**9}), Level.BAD,
        "0.1 GB of addresses, 1.0 are needed", "by cgroups",
    ),
    (v.limits, Limits(**{**GOOD_LIMITS, "memory": 1e9}), Level.BAD, "1.0 GB of memory", "MemoryMax="),
    (v.real_time, RealTime(True, True, 20), Level.OK, "is allowed", ""),
    (v.real_time, RealTime(False, False, 0), Level.OK, "is wanted", ""),
    (v.real_time, RealTime(False, True, 0), Level.ADVICE, "(limit 0)", "LimitRTPRIO="),
    (v.compiled_code, "", Level.OK, "is kept", ""),
    (v.compiled_code, "cannot be kept", Level.ADVICE, "cannot be kept", "NUMBA_CACHE_DIR"),
    (v.library, Library(""), Level.OK, "no hardware", ""),
    (v.library, Library("simulated"), Level.OK, "no hardware", ""),
    (v.library, Library("sdk", "/l.so", devices=("/dev/plx/a",)), Level.OK, "/l.so can be loaded", ""),
    (v.library, Library("sdk", "/l.so", "cannot open", devices=("/dev/plx/a",)), Level.BAD, "sdk: cannot open", "hardware.md"),
    (v.library, Library("sdk", "/l.so", missing=("/f is empty",), devices=("a",)), Level.BAD, "/f is empty", "copy it"),
    (v.library, Library("sdk", "/l.so"), Level.BAD, "no device of the crate", "driver"),
    (v.library, Library("sdk", "/l", devices=("a",), unreachable=("a",)), Level.BAD, "a cannot be opened", "DeviceAllow="),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "facts", "level", "says", "mend"), CASES)
def test_what_is_told(
    verdict: Callable[..., Iterator[Finding]], facts: Any, level: Level, says: str, mend: str
) -> None:
    findings = list(verdict(facts))
    worst = max(findings, key=lambda finding: list(Level).index(finding.level))
    assert worst.level is level
    assert any(says in finding.text and mend in finding.mend for finding in findings if finding.level is level)
    assert all(bool(finding.mend) == (finding.level is not Level.OK) for finding in findings)
