"""Expressions of CALC, beside those of EPICS Base."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pixieioc.access.calc import BadCalc, compile_calc
from tests.access.libcom import Base
from tests.soak import SOAK

ARGUMENTS = [1.0, 2.0, 0.0, -3.5, math.nan, math.inf, *[0.0] * 15]
_OPERANDS = (*"ABCDEFu", "VAL", "1", "2.5", ".5", "3.", "1E3", "0x1F", "0XFFFFFFFF", "5000000000", "PI", "INF", "nan")
_BEFORE = (
    "-",
    "!",
    "~",
    "(",
    "ATAN2(",
    "MAX(",
    "min(",
    "FINITE(",
    "ISNAN(",
    "FMOD(",
    "SQRT(",
    "FLOOR(",
    "NOT ",
    "ABS ",
)
_AFTER = ("isinf ", "NINT ", "CEIL ", "LN ", "LOG ", "EXP ", "SIN ", "ACOS ", " ", ")", ")")
_INFIX = (*"+-*/%^&|<=#>", "**", "&&", "||", "<=", "==", "!=", ">=", "<<", ">>", ">>>", " AND ", " or ", " XOR ")
#: What may be an expression, and mostly is none.
_TEXTS = st.lists(st.sampled_from([*_OPERANDS, *_BEFORE, *_AFTER, *_INFIX, *"?:,)"]), max_size=12).map("".join)


@st.composite
def _expressions(draw: st.DrawFn, depth: int = 3) -> str:
    """What mostly is one."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(_OPERANDS))
    inner = _expressions(depth - 1)
    match draw(st.integers(0, 4)):
        case 0:
            name = draw(st.sampled_from(["-", "!", "~", "ABS", "NINT", "FLOOR", "TANH", "SQR", "LOGE"]))
            return f"{name}({draw(inner)})"
        case 1:
            return f"{draw(inner)}?{draw(inner)}:{draw(inner)}"
        case 2:
            name = draw(st.sampled_from(["MAX", "MIN", "FINITE", "ISNAN", "ATAN2", "FMOD"]))
            return f"{name}({draw(inner)},{draw(inner)})"
        case 3:
            return f"({draw(inner)})"
        case _:
            between = draw(st.sampled_from(_INFIX))
            return f"{draw(inner)}{between}{draw(inner)}"


@settings(max_examples=200 * SOAK, deadline=None)
@given(text=st.one_of(_TEXTS, _expressions()))
@example("-2^2")
@example("2^3^2")
@example("A?B:C?2:3")
@example("ATAN2((1,2))")
@example("MAX 3")
@example("SQRT(4,9)")
@example("5%-3")
@example("0**-1")
@example("1>>>1")
@example("-1>>>28")
@example("1E")
@example("0x")
@example("()")
@example("3 4")
@example("-A%B^C")
def test_an_expression_is_worth_what_it_is_in_base(base: Base, text: str) -> None:
    try:
        ours = compile_calc(text)(ARGUMENTS, 1.0)
    except BadCalc:
        ours = None
    theirs = base.calculated(text, ARGUMENTS, 1.0)
    if theirs is not None and ours is not None and not math.isnan(theirs):
        assert ours == pytest.approx(theirs, rel=1e-12, abs=0)
    else:
        assert str(ours) == str(theirs)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("A+", "a value is missing at its end"),
        ("(A", "'(' without ')'"),
        ("A)", "')' without '('"),
        ("A?1", "'?' without ':'"),
        ("A:1", "':' without '?'"),
        ("A,B", "a comma that stands in no parentheses"),
        ("ATAN2(A)", "not enough operands"),
        ("(A,B)", "2 values are left, one is wanted"),
        ("A B", "'B' is no operator"),
        ("FOO(A)", "'OO(A)' is no operator"),
        ("$A", "'$A' is no value or function"),
        ("A:=1;A", "':=': a right depends on a value, it assigns none"),
        ("RNDM>0.5", "RNDM: a right does not depend on chance"),
    ],
)
def test_what_is_wrong_with_an_expression_is_said(text: str, says: str) -> None:
    with pytest.raises(BadCalc) as refused:
        compile_calc(text)
    assert str(refused.value) == says
