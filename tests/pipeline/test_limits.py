"""Open files: what tasks and runs need is kept from clients."""

from __future__ import annotations

import resource

import pytest

from pixieioc.pipeline import Error
from pixieioc.pipeline.limits import claim, clients_at_most, needed_files


@pytest.mark.parametrize(
    ("soft", "clients"),
    [(needed_files(5), 16), (needed_files(5) + 100, 116), (10, 1), (resource.RLIM_INFINITY, 65536)],
)
def test_clients_get_the_files_that_nobody_else_needs(monkeypatch: pytest.MonkeyPatch, soft: int, clients: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    assert clients_at_most(5) == clients


def test_too_few_files_are_told_with_how_many_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    with pytest.raises(Error, match=r"only 64 files may be open at a time, at least 91 are needed for 5 tasks"):
        claim(5)
