"""Files of settings as text: what is written is read, autosave's own files are, and what is damaged is not."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.ioc.sav import BadFile, Saved, read, text_of, written

_NAMES = st.from_regex(r"[A-Z][A-Za-z0-9:_]{0,20}(\.HIHI|\.DESC)?", fullmatch=True)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
_VALUES = _TEXTS | st.floats().map(text_of) | st.integers(-(2**53), 2**53).map(text_of)
_SETTINGS = st.dictionaries(_NAMES, _VALUES, max_size=8)


@given(_SETTINGS, _SETTINGS, _TEXTS.filter(lambda text: not set(text) & set("\r\n")), st.booleans())
def test_what_is_written_is_read(values: dict[str, str], before: dict[str, str], of: str, long: bool) -> None:
    content = written(values, before, of, "2026-11-26", values if long else ())
    configured = {name: before[name] for name in values.keys() & before.keys() if before[name] != values[name]}
    assert read(content) == Saved(values, configured, of, is_whole=True)


@given(st.floats())
def test_a_number_comes_back_to_the_last_bit(number: float) -> None:
    assert float(text_of(number)) == number or number != number


_SOME = written({"P:A": "1", "P:B": "some text", "P:C": "line\nline"}, {"P:A": "2"}, "P: A > B", "today", {"P:B"})


@given(st.integers(0, len(_SOME) - 1), st.integers(1, 255))
def test_any_changed_byte_is_noticed(at: int, bits: int) -> None:
    changed = bytearray(_SOME)
    changed[at] ^= bits
    try:  # one that does not even look like ours is read as a file of autosave, which has no sum
        assert not read(bytes(changed)).is_whole
    except BadFile:
        pass
    else:
        assert at < len("# pixieioc settings V2.0")


@pytest.mark.parametrize("length", range(0, len(_SOME), 7))
def test_a_file_that_was_cut_off_is_noticed(length: int) -> None:
    with pytest.raises(BadFile, match="cut off"):
        read(_SOME[:length])


@given(st.binary(max_size=200))
def test_anything_else_is_refused_with_a_reason(content: bytes) -> None:
    with pytest.raises(BadFile, match="it is "):
        read(content)
    with contextlib.suppress(BadFile):
        assert not read(content + b"\n<END>\n").is_whole


#: As synApps' autosave writes it.
AUTOSAVE = (
    b"""\
# save/restore V5.1\tAutomatically generated - DO NOT MODIFY - 060720-154526
! 1 channel(s) not connected - or not all gets were successful
P:Ratio.VAL 4.1234567890123
P:Mode 2
P:Ratio.DESC description of it
P:Title$ with  spaces
P:Empty%s
#P:Gone Search Issued
P:Path @array@ { "47" "100" "97" "116" "97" "0" "0" }
P:Numbers @array@ { "1.5" "2" }
P:Odd @array@ { "a \\"quoted\\" text" }
<END>
"""
    % b" "
)


def test_a_file_of_autosave_is_read() -> None:
    saved = read(AUTOSAVE)
    assert saved.values == {
        "P:Ratio": "4.1234567890123",
        "P:Mode": "2",
        "P:Ratio.DESC": "description of it",
        "P:Title": "with  spaces",
        "P:Empty": "",
        "P:Path": "/data",
    }
    assert not saved.is_whole
    assert list(saved.unreadable) == ["P:Numbers", "P:Odd"]


def test_a_file_is_one_that_autosave_takes() -> None:
    lines = _SOME.decode().split("\n")
    assert lines[-2:] == ["<END>", ""]
    header = lines[0][:28]
    assert "R" not in header
    assert float(header[header.index("V") + 1 :].split(",")[0]) >= 1.8  # from then on autosave looks for the end
    assert [line for line in lines[:-2] if not line.startswith("#")] == [
        "P:A 1",
        'P:B @array@ { "115" "111" "109" "101" "32" "116" "101" "120" "116" }',
        'P:C @array@ { "108" "105" "110" "101" "10" "108" "105" "110" "101" }',
    ]


def test_an_array_without_end_is_named_and_costs_no_other_line() -> None:
    saved = read(b'P:Path @array@ { "47"\nP:Mode 2\nP:Name @array@ [1,\n<END>\n')
    assert saved.values == {"P:Mode": "2"}
    assert saved.unreadable == {"P:Path": "its array has no end", "P:Name": "its array has no end"}


def test_an_array_of_pyepics_is_read() -> None:
    assert read(b"P:Path @array@ [47, 97, 0, 0]\nP:Empty @array@ []\n<END>\n").values == {"P:Path": "/a", "P:Empty": ""}


def test_what_is_no_utf_8_costs_its_own_line() -> None:
    saved = read(b"# M\xfcller\nP:Title M\xfcller\nP:Gr\xf6\xdfe 1\nP:Mode 2\n<END>\n")
    assert saved.values == {"P:Mode": "2"}
    assert set(saved.unreadable) == {"P:Title", "P:Gr\ufffd\ufffde"}


def test_a_file_of_a_newer_version_is_none_that_is_damaged() -> None:
    with pytest.raises(BadFile, match=r"a newer version of this program has written it \(format 3; 2 can be read\)"):
        read(_SOME.replace(b"settings V2.0", b"settings V3.1"))
