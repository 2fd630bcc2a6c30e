"""Numbers with the words for what they count."""

import pytest

from pixieioc.counted import counted


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((0, "file"), "0 files"),
        ((1, "file"), "1 file"),
        ((2, "file"), "2 files"),
        ((1, "process", "processes"), "1 process"),
        ((3, "process", "processes"), "3 processes"),
    ],
)
def test_one_is_singular_and_all_others_are_plural(given: tuple[int, str], text: str) -> None:
    assert counted(*given) == text
