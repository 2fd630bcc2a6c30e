"""Which file of settings is used, and what of it."""

from __future__ import annotations

from collections.abc import Callable

from pixieioc.ioc.sav import Saved, read, written
from pixieioc.ioc.saved_settings import choose, held, in_words, planned, with_present_states

OURS = "P: A > B"


def _file(number: int, configuration: str = OURS) -> bytes:
    return written({"P:X": str(number)}, {}, configuration, "today")


def _of(content: bytes) -> Callable[[], bytes]:
    return lambda: content


def _unreadable() -> bytes:
    raise OSError(5, "Input/output error")


def test_the_newest_file_that_is_whole_and_of_this_configuration_is_used() -> None:
    good, damaged = _file(1), bytearray(_file(2))
    damaged[60] ^= 1
    choice = choose(
        [
            ("5", _unreadable),
            ("4", _of(_file(4)[:-3])),
            ("3", _of(_file(3, "P: C"))),
            ("2", _of(bytes(damaged))),
            ("1", _of(good)),
            ("0", _of(_file(0))),
        ],
        OURS,
    )
    assert choice.name == "1"
    assert choice.saved is not None
    assert choice.saved.values == {"P:X": "1"}
    assert [text.split(":")[0] for text in choice.rejected] == [f"{n} is not used" for n in (5, 4, 3, 2)]
    reasons = ("Input/output", "cut off", "of another configuration (P: C)", "damaged")
    assert all(why in text for why, text in zip(reasons, choice.rejected, strict=True))


def test_a_file_of_autosave_among_them_is_told_and_not_used() -> None:
    choice = choose([("1", _of(b"# save/restore V5.1\nP:X 3\n<END>\n"))], OURS)
    assert choice.saved is None
    assert "was not written by this program" in choice.rejected[0]


def test_the_latest_statement_counts() -> None:
    saved = Saved(
        values={
            "P:Written": "2", "P:Same": "1", "P:Edited": "2", "P:Untouched": "1", "P:Option": "2", "P:Gone": "1",
            "P:GoneAndUntouched": "1",
            "P:EditedToThat": "2",
        },
        configured={"P:Written": "1", "P:Edited": "1", "P:Option": "1", "P:EditedToThat": "1", "P:Gone": "0"},
        unreadable={"P:Odd": "an array that is no text"},
    )  # fmt: skip
    now = {
        "P:Written": "1", "P:Same": "1", "P:Edited": "3", "P:Untouched": "5", "P:Option": "9", "P:EditedToThat": "2"
    }  # fmt: skip
    plan = planned(saved, now.get, {"P:Option"})
    assert plan.writes == {"P:Written": "2"}
    assert plan.left == [
        "P:Odd: an array that is no text",
        "P:Edited: the configuration says 3 now, 1 before; 2 was saved",
        "P:Option: the command line says 9, not 2",
        "P:Gone: there is no such setting now",
    ]


def test_what_the_command_line_says_of_a_setting_leaves_what_was_saved_of_it() -> None:
    saved = Saved({"P:Written": "2", "P:Edited": "2", "P:Same": "1"}, {"P:Written": "1", "P:Edited": "1"})
    file = {"P:Written": "1", "P:Edited": "3", "P:Same": "1", "P:New": "4"}
    assert held(saved, file) == {"P:Written": "2", "P:Edited": "3", "P:Same": "1", "P:New": "4"}
    assert held(None, file) == file


def test_many_sentences_are_told_in_part() -> None:
    assert in_words(["a", "b"]) == "a; b"
    assert in_words([str(i) for i in range(14)]).endswith("; 11; and 2 more, see the log")


def test_a_state_is_restored_by_its_name() -> None:
    """Its number may have become that of another one."""
    before = {"P:Mode": ["Off", "Fast", "Slow"], "P:Way": ["In", "Out"], "P:Gone": ["No", "Yes"]}
    values = {"P:Mode": "1", "P:Way": "1", "P:Gone": "1", "P:Rate": "1"}
    saved = read(written(values, dict.fromkeys(values, "0"), "P: A", "today", (), before))
    assert saved.states == {"P:Mode": "Fast", "P:Way": "Out", "P:Gone": "Yes"}
    now = {"P:Mode": ["Off", "Slow", "Fast"], "P:Way": ["In", "Through"]}
    present, left = with_present_states(saved, now)
    assert present.values == {"P:Mode": "2", "P:Gone": "1", "P:Rate": "1"}
    assert left == ["P:Way: 'Out' was saved, and is none of its states now: In, Through"]
    assert planned(present, {"P:Mode": "0", "P:Rate": "0"}.get, ()).writes == {"P:Mode": "2", "P:Rate": "1"}
