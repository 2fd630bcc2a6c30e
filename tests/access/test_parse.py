"""Access security files: what they give, beside EPICS Base, and what is said of those that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixieioc.access import BadRules, Conditions, parse
from pixieioc.export.access import access_security
from pixieioc.ioc.access import read_file
from tests.access.libcom import Ask, Base
from tests.export.described import DEMO, of_file
from tests.soak import SOAK

ASKS: list[Ask] = [
    (group, level, user, host)
    for group in ("DEFAULT", "x", "y")
    for level in (0, 1, 2)
    for user in ("ann", "bob", "Ann")
    for host in ("wall", "DESK", "10.0.0.1")
]
NONE, READ, WRITE = 0, 1, 2


def _ours(text: str, asks: list[Ask]) -> list[tuple[int, int]] | None:
    try:
        conditions = Conditions(parse(text))
    except BadRules:
        return None
    return [(verdict.right, verdict.trap) for verdict in (conditions.verdict(*ask) for ask in asks)]


_HOSTS = "HAG(foo) {localhost}\n"
_DEFAULT = "ASG(DEFAULT) {RULE(0, NONE)}\n"
_RO = "ASG(ro) {RULE(0, NONE) RULE(1, READ) {HAG(foo)}}\n"
#: What the files of Base's own test of its access security (aslibtest) have, and whether Base takes it.
BASE_CASES = {
    "nothing but a comment": ("\n#almost empty file\n\n", False),
    "hosts": (_HOSTS + _DEFAULT + _RO + "ASG(rw) {RULE(1, WRITE) {HAG(foo)}}\n", True),
    "unknown": (_HOSTS + "GENERIC(WELL, FORMED, ARG, LIST)\n" + _DEFAULT + _RO, True),
    "unknown with a list": (_HOSTS + "SIMPLE(WELL, FORMED) {WELL, FORMED, LIST}\n" + _DEFAULT + _RO, True),
    "unknown with strings and numbers": (_HOSTS + 'C(1, WELL, "F") {ALSO(WELL, 2.0)}\n' + _DEFAULT + _RO, True),
    "unknown with blocks": (_HOSTS + "SUB(1.0, A) {ALSO() {LIST} ANOTHER() {A, B}}\n" + _DEFAULT + _RO, True),
    "unknown in depth, and signs": (
        _HOSTS + "R(1.0, -2.3, +4.5, +2.71828E-23, -2.7e+23, +12, -13, +-14) {A() {B(F) {L, M}}}\n"
        "ASG(ro) {RULE(0, NONE) RULE(+1, READ) {HAG(foo)}}\n", True,
    ),
    "keywords where they mean nothing": (
        _HOSTS + "W(UAG) {ASG(HAL, IMP, CALC, RULE) HAL(USG, MAL) {HAG(foo)}}\n" + _DEFAULT
        + "ASG(ignored) {RULE(0, NONE) RULE(1, READ) {W(UAG)}}\n"
        "ASG(ro) {RULE(0, NONE) RULE(1, READ) {HAG(foo)} RULE(2, WRITE) {W(UAG)}}\n", True,
    ),
    "an unknown condition": (
        _HOSTS + _DEFAULT + 'ASG(ro) {RULE(0, NONE) RULE(1, READ) {HAG(foo) BAD("x509") WORSE("CA")}}\n', True
    ),
    "an unknown right": (_HOSTS + _DEFAULT + "ASG(ro) {RULE(0, NONE) RULE(1, MORE) {HAG(foo)}}\n", True),
    "no commas": (_HOSTS + "GENERIC(not well-formed)\n" + _RO, False),
    "no commas in a list": (_HOSTS + "GENERIC(A) {NOT WELL}\n" + _RO, False),
    "no parentheses": (_HOSTS + "GENERIC {A, B}\n" + _RO, False),
    "no commas in a block": (_HOSTS + "GENERIC(A) {BODY(BAD ARG)}\n" + _RO, False),
    "a list with a block": (_HOSTS + "GENERIC(A) {LIST, R(ARG)}\n" + _RO, False),
    "ASG of several words": (_HOSTS + "ASG(ro BAD) {RULE(0, NONE)}\n", False),
    "HAG of several words": ("HAG(BAD ARG) {localhost}\n" + _RO, False),
    "RULE without a comma": (_HOSTS + "ASG(ro) {RULE(0 BAD)}\n", False),
    "ASG of two names": (_HOSTS + "ASG(ro, UNKNOWN) {RULE(0, NONE)}\n", False),
    "an unknown option": (_HOSTS + "ASG(ro) {RULE(0, NONE, UNKNOWN_FLAG)}\n", False),
    "a block among hosts": ('HAG(foo) {localhost, NETWORK("127.0.0.1")}\n' + _RO, False),
    "a block among users": ("UAG(foo) {alice, GROUP(admin)}\n" + _DEFAULT, False),
}  # fmt: skip
BASE_ASKS: list[Ask] = [
    (group, 0, "testing", host)
    for group in ("invalid", "DEFAULT", "ro", "rw", "ignored")
    for host in ("localhost", "127.0.0.1", "guaranteed.invalid.")
]


@pytest.mark.parametrize("case", BASE_CASES)
def test_the_cases_of_base_have_the_verdicts_that_base_gives(base: Base, case: str) -> None:
    text, taken = BASE_CASES[case]
    theirs = base.verdicts(text, BASE_ASKS)
    assert (theirs is not None) == taken
    assert _ours(text, BASE_ASKS) == theirs


@pytest.mark.parametrize(
    ("group", "host", "right"),
    [
        ("invalid", "localhost", NONE), ("DEFAULT", "localhost", NONE), ("ro", "localhost", READ),
        ("rw", "localhost", WRITE), ("ro", "127.0.0.1", NONE), ("rw", "127.0.0.1", NONE),
        ("ro", "guaranteed.invalid.", NONE), ("rw", "guaranteed.invalid.", NONE),
    ],
)  # fmt: skip
def test_hosts_by_name_as_base_s_test_has_them(group: str, host: str, right: int) -> None:
    assert Conditions(parse(BASE_CASES["hosts"][0])).verdict(group, 0, "testing", host).right == right


def test_hosts_by_address_have_the_verdicts_that_base_gives(base: Base) -> None:
    text = BASE_CASES["hosts"][0]
    conditions = Conditions(parse(text).by_address({"localhost": ["127.0.0.1"]}))
    ours = [(verdict.right, verdict.trap) for verdict in (conditions.verdict(*ask) for ask in BASE_ASKS)]
    assert ours == base.verdicts(text, BASE_ASKS, check_client_ip=True)
    assert conditions.verdict("rw", 0, "testing", "127.0.0.1").right == WRITE
    assert conditions.verdict("rw", 0, "testing", "localhost").right == NONE


@pytest.mark.parametrize(
    "text",
    [
        "UAG(u) {ann} HAG(h) {WALL, desk} ASG(x) {RULE(1,READ) RULE(0,WRITE,TRAPWRITE) {UAG(u) HAG(h)}}",
        "UAG(u) {ann} UAG(v) {bob} ASG(x) {RULE(1,WRITE) {UAG(u)} RULE(1,WRITE,TRAPWRITE) {UAG(v, u)}}",
        "UAG(u) UAG(v) {bob} ASG(x) {RULE(1,WRITE) {UAG(u) UAG(v)}}",
        "HAG(h) {10.0.0.1} ASG(x) {RULE(2,WRITE,NOTRAPWRITE) {HAG(h)}}",
        "ASG(DEFAULT) {RULE(0,WRITE,TRAPWRITE)} ASG(x) ASG(y) {RULE(1,READ,TRAPWRITE) RULE(1,NONE)}",
        "ASG(DEFAULT) ASG(DEFAULT) {RULE(1,READ)}",
        "ASG(x) ASG(x)", "UAG(u) UAG(u)", "HAG(h) HAG(h)", "ASG(x) {RULE(1,WRITE) {UAG(u)}} UAG(u) {ann}",
        "UAG(u) {}", "ASG(x) {}", "ASG(x) {RULE(1,WRITE) {}}", "UAG(u) {ann,}", "UAG(u) {12}", "UAG(u) {UAG}",
        'UAG(u) {"UAG", 12a, "a b"} ASG(x) {RULE(1,WRITE) {UAG(u)}}', "HAG(h) {10.1}", "ASG(x) {RULE(-1,READ)}",
        'ASG(x) {RULE(1,WRITE) {CALC("1")}}', 'ASG(x) {INPA(a) RULE(1,WRITE) {CALC("A=0")}}',
        'ASG(x) {RULE(1,WRITE) {CALC("A:=1;A")}}', 'ASG(x) {RULE(1,WRITE) {CALC("A+")}}', "ASG(x) {INPU(a)}",
        "ASG(x) {INPV(a)}", 'ASG("x") {RULE(1,READ)}', "ASG(é)", "ASG(x) # é", 'ASG("é")', 'ASG("x)', "ASG(x", "FOO",
        "ASG(x) {RULE(1,WRITE,TRAPWRITE,X)}", "INPA(x)", "ASG(x) {RULE(1,WRITE) {METHOD(ca)} RULE(1,READ)}",
    ],
)  # fmt: skip
def test_the_same_file_gives_the_same_here_and_in_base(base: Base, text: str) -> None:
    assert _ours(text, ASKS) == base.verdicts(text, ASKS)


_Rule = tuple[int, str, str, list[str]]
_RULES = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["NONE", "READ", "WRITE"]),
    st.sampled_from(["", ", TRAPWRITE", ", NOTRAPWRITE"]),
    st.lists(st.sampled_from(["UAG(u)", "UAG(v, u)", "HAG(h)", "HAG(h, i)", 'CALC("A")', "FOO(1)"]), max_size=3),
)


@settings(max_examples=100 * SOAK, deadline=None)
@given(st.lists(_RULES, max_size=5), st.lists(_RULES, max_size=3))
def test_any_rules_give_the_same_here_and_in_base(base: Base, of_x: list[_Rule], of_default: list[_Rule]) -> None:
    text = "UAG(u) {ann} UAG(v) {bob} HAG(h) {Wall} HAG(i) {desk, 10.0.0.1}\n"
    for name, rules in (("x", of_x), ("DEFAULT", of_default)):
        lines = [
            f"RULE({level}, {right}{option})" + (f" {{{' '.join(conditions)}}}" if conditions else "")
            for level, right, option, conditions in rules
        ]
        text += f"ASG({name})" + (f" {{ {' '.join(lines)} }}\n" if lines else "\n")
    assert _ours(text, ASKS) == base.verdicts(text, ASKS)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("# none\n", ["2: UAG, HAG or ASG should stand here, not the end of the file"]),
        ("UAG(a) {x}\nUAG(a)\nASG(b)\nASG(b)\n", ["2: UAG(a) is there twice", "4: ASG(b) is there twice"]),
        (
            'UAG(a)\nASG(b) {\n  RULE(1, WRITE) {\n    UAG(c)\n    CALC("A+")\n  }\n}\n',
            [
                "4: UAG(c): there is no such UAG above; there are: a",
                '5: CALC("A+"): a value is missing at its end',
            ],
        ),
        ("ASG(b) {\n RULE(1, WRITE, LOG)\n}", ["2: LOG: must be TRAPWRITE or NOTRAPWRITE"]),
        ("ASG(b) {\n RULE(WRITE)\n}", ["2: the level, 0 or 1, should stand here, not WRITE"]),
        ("UAG(a) {\n  ann\n  bob\n}", ["3: '}' should stand here, not bob"]),
        ("UAG(a) {ann/x}", ["1: '/' cannot stand here; a name with such characters stands in quotes"]),
        ('UAG(a) {\n"ann}\n', ["2: the quote that begins here does not end in this line"]),
        ("ASG($(X)) # $(Y)\nASG(${Z})", [
            "1: $(X): no macro of this name has a value; there are: P",
            "2: ${Z}: no macro of this name has a value; there are: P",
        ]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_with_a_file_is_said_with_its_lines(text: str, problems: list[str]) -> None:
    with pytest.raises(BadRules) as refused:
        parse(text, {"P": "PX16:"})
    assert [f"{line}: {said}" for line, said in refused.value.problems] == problems


def test_what_a_later_version_may_mean_is_noted_with_its_line() -> None:
    rules = parse("NEW(a)\nASG(b) {\n RULE(1, RPC)\n RULE(1, WRITE) {METHOD(ca)}\n}")
    assert [(line, text.partition(" is not known")[0]) for line, text in rules.warnings] == [
        (1, "NEW"),
        (3, "the right RPC"),
        (4, "the condition METHOD"),
    ]


def test_a_right_that_is_not_known_costs_its_own_rule_alone() -> None:
    """Base 7.0.10 puts the conditions of such a rule to the one before."""
    text = "UAG(u) {ann} ASG(x) {RULE(1,READ) RULE(1,RPC) {UAG(u)}}"
    assert _ours(text, [("x", 0, "bob", "wall")]) == [(READ, 0)]


def test_macros_have_the_effect_that_they_have_in_base(base: Base, tmp_path: Path) -> None:
    text = 'UAG(u) {$(WHO), "${WHO}2"} # $(NOBODY)\nASG(x) {INPA($(P)Acquire) RULE(1,WRITE) {UAG(u)}} ASG($(Y=why))\n'
    rules = parse(text, {"WHO": "ann", "P": "$(Q)", "Q": "PX16:"})
    assert rules.users == {"u": {"ann", "ann2"}}
    assert rules.all_inputs == {"PX16:Acquire"}
    assert "why" in rules.groups
    file = tmp_path / "rules.acf"
    file.write_text(text.replace("# $(NOBODY)", ""))
    assert base.takes(file, "WHO=ann,P=$(Q),Q=PX16:")
    with pytest.raises(BadRules):  # Base stops reading there, and takes what it has got
        parse(text, {"WHO": "ann"})


def test_an_older_file_with_letters_in_latin_1_is_read_here_and_in_base(base: Base, tmp_path: Path) -> None:
    file = tmp_path / "rules.acf"
    file.write_bytes("# Schichtführer\nUAG(u) {ann} ASG(x) {RULE(1,WRITE) {UAG(u)}}\n".encode("latin-1"))
    assert base.takes(file, "")
    assert read_file(file, {}).users == {"u": {"ann"}}


def test_the_file_that_is_generated_serves_here_and_in_base(base: Base) -> None:
    text = access_security(of_file(DEMO))
    asks = [
        (group, level, user, "wall")
        for group in ("DEFAULT", "OP", "EX", "EN")
        for level in (0, 1)
        for user in ("operator", "expert", "engineer", "eve")
    ]
    ours = _ours(text, asks)
    assert ours == base.verdicts(text, asks)
    assert ours is not None
    given = dict(zip(asks, ours, strict=True))
    assert given["OP", 1, "operator", "wall"] == (WRITE, 1)
    assert given["EX", 1, "operator", "wall"] == (READ, 0)
    assert given["EN", 1, "engineer", "wall"] == (WRITE, 1)
    assert given["OP", 0, "eve", "wall"] == (READ, 0)
