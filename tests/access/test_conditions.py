"""Rules that depend on values."""

from __future__ import annotations

from pixieioc.access import Conditions, Right, parse

RULES = """
ASG(x) {
    INPA(beam)
    INPB(lock)
    INPC(beam)
    RULE(1, READ)
    RULE(1, WRITE) { CALC("A>10 && C>10") }
    RULE(1, WRITE, TRAPWRITE) { CALC("B") }
}
ASG(toggle) { INPA(beam) RULE(1, WRITE) { CALC("VAL+A*0=0") } }
"""


def _right(conditions: Conditions, group: str = "x") -> Right:
    return conditions.verdict(group, 0, "ann", "wall").right


def test_a_rule_gives_nothing_before_its_inputs_have_come_and_while_they_are_not_valid() -> None:
    conditions = Conditions(parse(RULES))
    assert _right(conditions) == Right.READ
    assert conditions.put("beam", 20.0)
    assert conditions.verdict("x", 0, "ann", "wall") == (Right.WRITE, False)
    conditions.put("beam", 5.0)
    assert _right(conditions) == Right.READ
    conditions.put("lock", 1.0)
    assert conditions.verdict("x", 0, "ann", "wall") == (Right.WRITE, True)
    conditions.put("lock", None)
    assert _right(conditions) == Right.READ
    assert not conditions.put("other", 1.0)


def test_one_is_true_and_nothing_else_is() -> None:
    conditions = Conditions(parse(RULES))
    for value, right in ((0.995, Right.WRITE), (2.0, Right.READ), (1.005, Right.WRITE), (float("nan"), Right.READ)):
        conditions.put("lock", value)
        assert _right(conditions) == right


def test_val_is_what_the_expression_was_before() -> None:
    conditions = Conditions(parse(RULES))
    seen = []
    for _ in range(3):
        conditions.put("beam", 0.0)
        seen.append(_right(conditions, "toggle"))
    assert seen == [Right.WRITE, Right.NONE, Right.WRITE]


def test_rules_that_are_read_anew_keep_the_values() -> None:
    before = Conditions(parse(RULES))
    before.put("lock", 1.0)
    after = Conditions(parse(RULES.replace("RULE(1, READ)", "")))
    after.keep_values(before)
    assert _right(after) == Right.WRITE
    after.put("lock", 0.0)
    assert _right(after) == Right.NONE
