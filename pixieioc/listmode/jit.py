"""The one place that knows numba: compiled once per installation, cached on disk, without the interpreter lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba  # pyright: ignore[reportMissingTypeStubs]  # it has none

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Machine code for `function`, from the cache where an earlier process has compiled it."""
    return cast(F, numba.njit(cache=True, nogil=True, boundscheck=False)(function))
