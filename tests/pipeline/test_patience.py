"""How long an answer is waited for, as a conversation."""

from __future__ import annotations

from pixieioc.pipeline.patience import Patience


def test_an_answer_may_take_so_long() -> None:
    patience = Patience(100.0, 2.5)
    assert not patience.is_over(102.5, starting=False)
    assert patience.is_over(102.6, starting=False)


def test_one_that_has_taken_longer_to_start_can_still_answer() -> None:
    patience = Patience(100.0, 2.5)
    for now in (101.0, 103.0, 190.0):
        assert not patience.is_over(now, starting=True)
    assert not patience.is_over(190.1, starting=False)  # started, and the answer is under way
    assert patience.is_over(192.6, starting=False)
