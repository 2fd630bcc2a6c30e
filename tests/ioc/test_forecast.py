"""What a start would do, as operators read it."""

from __future__ import annotations

import pytest

from pixieioc.ioc.forecast import Outlook, start_message


@pytest.mark.parametrize(
    ("outlook", "said"),
    [
        (Outlook(5), "Start will start run 5."),
        (Outlook(5, failed=["SortEvents"]), "Start will replace SortEvents, then start run 5."),
        (
            Outlook(5, failed=["SortEvents"], missing=["FillSpectra", "SnapTraces"], waiting=2, saved_in="/data/"),
            (
                "Start will replace SortEvents, make FillSpectra, SnapTraces, apply 2 settings, then start run 5 and "
                "save its raw data in /data/."
            ),
        ),
        (Outlook(5, waiting=1), "Start will apply 1 setting, then start run 5."),
        (Outlook(5, refused="no space", failed=["SortEvents"]), "Start would be refused: no space."),
        (Outlook(5, in_run=True, refused="run 4"), "A run is in progress: Start would be refused."),
    ],
)
def test_the_sentence(outlook: Outlook, said: str) -> None:
    assert start_message(outlook) == said
