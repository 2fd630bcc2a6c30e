"""What the system must allow: files, of which those of tasks and runs are kept from clients; processes; addresses."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from pixieioc.pipeline import Refused, limits
from pixieioc.pipeline.control_groups import Left
from pixieioc.pipeline.limits import claim, clients_at_most, needed_files, no_thread


@pytest.mark.parametrize(
    ("soft", "servers", "clients"),
    [
        (needed_files(5), 1, 16),
        (needed_files(5) + 100, 1, 116),
        (needed_files(5, 2), 2, 16),
        (needed_files(5, 2) + 101, 2, 66),
        (10, 1, 1),
        (resource.RLIM_INFINITY, 1, 65536),
    ],
)
def test_clients_get_the_files_that_nobody_else_needs(
    monkeypatch: pytest.MonkeyPatch, soft: int, servers: int, clients: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    assert clients_at_most(5, servers) == clients


def test_too_few_files_are_told_with_how_many_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    with pytest.raises(Refused, match=r"only 64 files may be open at a time, at least 91 are needed for 5 tasks"):
        claim(5)


@pytest.mark.parametrize(
    ("kind", "allowed", "text"),
    [
        (resource.RLIMIT_AS, 3 * 10**8, r"a process may have 0.3 GB of addresses only, at least 1.0 are needed"),
        (resource.RLIMIT_NPROC, 2, r"only 0 more processes and threads may be started \(ulimit -u\), at least 45"),
    ],
)
def test_each_limit_that_is_too_low_is_told_with_what_mends_it(
    monkeypatch: pytest.MonkeyPatch, kind: int, allowed: int, text: str
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda asked: (allowed if asked == kind else 10**12,) * 2)
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    with pytest.raises(Refused, match=text):
        claim(5)


def test_the_control_group_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "left", lambda controller: Left(12, Path(f"/{controller}.max")))
    with pytest.raises(Refused, match=r"only 12 more processes and threads may be started \(/pids.max\), .*TasksMax="):
        claim(5)
    assert "12 more are allowed by /pids.max" in no_thread()
