"""The page for authors of tasks tells all that there is."""

from __future__ import annotations

import inspect

import pytest

from docs.task_page import arguments
from pixieioc.pipeline import Parameter, Report


@pytest.mark.parametrize("cls", [Parameter, Report])
def test_every_argument_is_documented_and_no_other(cls: type) -> None:
    assert list(arguments(cls)) == [name for name in inspect.signature(cls).parameters if name != "unknown"]
    assert all(text.endswith(".") for text in arguments(cls).values())
