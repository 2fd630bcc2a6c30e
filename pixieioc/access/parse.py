"""Access security files, in the grammar of EPICS Base 7.0.10: text in, rules out, or all problems with their lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn

from pixieioc.access.calc import ARGUMENTS, BadCalc, Calc, compile_calc
from pixieioc.access.lexer import Kind, Token, substituted, tokens
from pixieioc.access.model import DEFAULT, BadRules, Group, Input, Problem, Right, Rule, Rules

_OPTIONS = {"TRAPWRITE": True, "NOTRAPWRITE": False}


def parse(text: str, macros: Mapping[str, str] | None = None) -> Rules:
    """The rules of a file; BadRules has everything that is wrong with it. `macros` are the values of its `$(NAME)`."""
    parser = _Parser(list(tokens(substituted(text, macros or {}))))
    parser.file()
    if parser.problems:
        raise BadRules(parser.problems)
    return parser.rules()


@dataclass
class _Body:
    """What has been read of a rule."""

    users: list[str] = field(default_factory=list[str])
    hosts: list[str] = field(default_factory=list[str])
    calc: Calc | None = None
    never: bool = False


class _Parser:
    """Descends into a list of words. What is no grammar ends it; what has no meaning is collected."""

    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._at = 0
        self._users: dict[str, frozenset[str]] = {}
        self._hosts: dict[str, frozenset[str]] = {}
        self._groups: dict[str, Group] = {DEFAULT: Group(DEFAULT)}
        self._warnings: list[Problem] = []
        self.problems: list[Problem] = []

    def rules(self) -> Rules:
        """What has been read."""
        return Rules(self._users, self._hosts, self._groups, tuple(self._warnings))

    # -- words --------------------------------------------------------------------------------------------------------

    @property
    def _next(self) -> Token:
        return self._words[self._at]

    def _take(self, kind: Kind, text: str = "", wanted: str = "") -> Token:
        """The next word, which must be of a kind."""
        token = self._next
        if token.kind != kind or (text and token.text != text):
            self._fail(wanted or f"'{text}'")
        self._at += 1
        return token

    def _fail(self, wanted: str) -> NoReturn:
        self.problems.append(Problem(self._next.line, f"{wanted} should stand here, not {self._next}"))
        raise BadRules(sorted(set(self.problems)))

    def _mark(self, text: str) -> None:
        self._take("mark", text)

    def _is_mark(self, text: str) -> bool:
        return self._next.kind == "mark" and self._next.text == text

    def _string(self, wanted: str) -> Token:
        return self._take("string", wanted=wanted)

    def _strings(self, wanted: str) -> list[Token]:
        """A list with commas between, of at least one."""
        found = [self._string(wanted)]
        while self._is_mark(","):
            self._mark(",")
            found.append(self._string(wanted))
        return found

    def _in(self, marks: str, inside: Callable[[], list[Token]]) -> list[Token]:
        self._mark(marks[0])
        found = inside()
        self._mark(marks[1])
        return found

    def _bad(self, line: int, text: str) -> None:
        self.problems.append(Problem(line, text))

    # -- the file -----------------------------------------------------------------------------------------------------

    def file(self) -> None:
        """All of it, which is at least one group."""
        while True:
            match self._next:
                case Token("keyword", "UAG"):
                    self._access_group("UAG", "a user", self._users)
                case Token("keyword", "HAG"):
                    self._access_group("HAG", "a host", self._hosts)
                case Token("keyword", "ASG"):
                    self._security_group()
                case Token("string"):
                    self._unknown()
                case _:
                    self._fail("UAG, HAG or ASG")
            if self._next.kind == "end":
                return

    def _access_group(self, keyword: str, wanted: str, groups: dict[str, frozenset[str]]) -> None:
        """`UAG(name) {user, user}`, or the same of hosts."""
        self._take("keyword", keyword)
        name = self._in("()", lambda: [self._string("a name")])[0]
        members = self._in("{}", lambda: self._strings(wanted)) if self._is_mark("{") else []
        if name.text in groups:
            self._bad(name.line, f"{keyword}({name.text}) is there twice")
        lower = keyword == "HAG"
        groups[name.text] = frozenset(member.text.lower() if lower else member.text for member in members)

    def _unknown(self) -> None:
        token = self._string("a name")
        self._anything()
        self._warnings.append(Problem(token.line, f"{token.text} is not known, and has no effect"))

    # -- access groups ------------------------------------------------------------------------------------------------

    def _security_group(self) -> None:
        """`ASG(name) {INPA(pv) RULE(...)}`."""
        self._take("keyword", "ASG")
        name = self._in("()", lambda: [self._string("a name")])[0]
        before = self._groups.get(name.text)
        if before is not None and (name.text != DEFAULT or before.inputs or before.rules):
            self._bad(name.line, f"ASG({name.text}) is there twice")
        inputs: list[Input] = []
        rules: list[Rule] = []
        if self._is_mark("{"):
            self._mark("{")
            self._member(inputs, rules)
            while not self._is_mark("}"):
                self._member(inputs, rules)
            self._mark("}")
        self._groups[name.text] = Group(name.text, tuple(inputs), tuple(rules))

    def _member(self, inputs: list[Input], rules: list[Rule]) -> None:
        if self._next.kind == "input":
            letter = self._take("input")
            pv = self._in("()", lambda: [self._string("the name of a PV")])[0].text
            inputs.append(Input(ARGUMENTS.index(letter.text[3]), pv, letter.line))
        elif self._next.kind == "keyword" and self._next.text == "RULE":
            rule = self._rule()
            if rule is not None:
                rules.append(rule)
        else:
            self._fail("INPA to INPU, or RULE,")

    def _rule(self) -> Rule | None:
        """`RULE(level, right, option) {conditions}`; None if it gives a right that is not known."""
        self._take("keyword", "RULE")
        self._mark("(")
        level = self._take("integer", wanted="the level, 0 or 1,")
        self._mark(",")
        right = self._string("NONE, READ or WRITE")
        option = None
        if self._is_mark(","):
            self._mark(",")
            option = self._string("TRAPWRITE or NOTRAPWRITE")
        self._mark(")")
        body = self._conditions() if self._is_mark("{") else _Body()
        if int(level.text) < 0:
            self._bad(level.line, f"level {level.text}: must be 0 or 1")
        if option is not None and option.text not in _OPTIONS:
            self._bad(option.line, f"{option.text}: must be TRAPWRITE or NOTRAPWRITE")
        if right.text not in Right.__members__:
            there = ", ".join(Right.__members__)
            text = f"the right {right.text} is not known, and its rule has no effect; there are: {there}"
            self._warnings.append(Problem(right.line, text))
            return None
        trap = option is not None and _OPTIONS.get(option.text, False)
        rule = Rule(int(level.text), Right[right.text], trap)
        return replace(rule, users=tuple(body.users), hosts=tuple(body.hosts), calc=body.calc, never=body.never)

    def _conditions(self) -> _Body:
        """`{UAG(name) HAG(name) CALC("expression")}`, at least one of them."""
        body = _Body()
        self._mark("{")
        self._condition(body)
        while not self._is_mark("}"):
            self._condition(body)
        self._mark("}")
        return body

    def _condition(self, body: _Body) -> None:
        match self._next:
            case Token("keyword", "UAG"):
                body.users += self._names("UAG", self._users)
            case Token("keyword", "HAG"):
                body.hosts += self._names("HAG", self._hosts)
            case Token("keyword", "CALC"):
                self._calc(body)
            case Token("keyword" | "string" | "input") as token:
                self._at += 1
                self._anything()
                body.never = True
                text = f"the condition {token.text} is not known: its rule gives nothing to anybody"
                self._warnings.append(Problem(token.line, text))
            case _:
                self._fail("UAG, HAG or CALC")

    def _names(self, keyword: str, groups: Mapping[str, frozenset[str]]) -> list[str]:
        self._take("keyword", keyword)
        names = self._in("()", lambda: self._strings("a name"))
        for name in names:
            if name.text not in groups:
                there = ", ".join(groups) or "none"
                self._bad(name.line, f"{keyword}({name.text}): there is no such {keyword} above; there are: {there}")
        return [name.text for name in names]

    def _calc(self, body: _Body) -> None:
        self._take("keyword", "CALC")
        expression = self._in("()", lambda: [self._string("an expression in quotes")])[0]
        if body.calc is not None:
            self._warnings.append(Problem(expression.line, "of several CALC in a rule the last one counts alone"))
        try:
            body.calc = compile_calc(expression.text)
        except BadCalc as error:
            self._bad(expression.line, f'CALC("{expression.text}"): {error}')

    # -- what later versions may have ---------------------------------------------------------------------------------

    def _anything(self) -> None:
        """`(elements)`, and maybe `{elements}` or `{name(elements) ...}`: how what is not known must be built."""
        self._mark("(")
        if not self._is_mark(")"):
            self._elements()
        self._mark(")")
        if self._is_mark("{"):
            self._mark("{")
            self._block()
            self._mark("}")

    def _elements(self) -> None:
        self._element()
        while self._is_mark(","):
            self._mark(",")
            self._element()

    def _element(self) -> None:
        if self._next.kind in ("mark", "end"):
            self._fail("a name, string or number")
        self._at += 1

    def _block(self) -> None:
        self._element()
        if not self._is_mark("("):
            if self._is_mark(","):
                self._mark(",")
                self._elements()
            return
        self._anything()
        while self._next.kind in ("keyword", "input", "string"):
            self._element()
            self._anything()
