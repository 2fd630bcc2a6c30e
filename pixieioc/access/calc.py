"""Expressions of CALC as EPICS Base reads them: to reverse Polish notation, by the table of elements.

Base's notation has habits that a usual grammar would not keep: functions bind like signs, with or without
parentheses; a comma only leaves one more value on the stack; `?` and `:` bind least of all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pixieioc.access import calc_functions as of

#: The inputs of an access group, which are the arguments of its expressions.
ARGUMENTS = "ABCDEFGHIJKLMNOPQRSTU"
#: Base's own limit on the values that an expression may hold at a time.
_DEPTH = 80
#: Priorities of all that stands before its operand: on the stack, and when it comes.
_UNARY_ON_STACK, _UNARY_COMING = 7, 8
_NUMBER = re.compile(r"0X[0-9A-F]+|INFINITY|INF|NAN|(\d+\.?\d*|\.\d+)(E[+-]?\d+)?", re.IGNORECASE)


class BadCalc(Exception):
    """An expression that cannot be evaluated."""


class Step(NamedTuple):
    """One step of a program: puts a number, an argument or VAL on the stack, decides, or applies a function."""

    kind: Literal["number", "argument", "value", "if", "else", "end", "apply", "apply to all"]
    number: float = 0.0
    argument: int = 0
    function: Callable[..., float] = float
    arity: int = 0  #: how many values the function is applied to


@dataclass(slots=True)
class _Operator:
    """What waits on the stack until its operands are there; `effect` is what it does to the number of values."""

    name: str
    priority: int
    effect: int
    function: Callable[..., float] = float
    variadic: bool = False

    @property
    def step(self) -> Step:
        """What it comes to."""
        if self.name == ":":
            return Step("end")
        return Step("apply to all" if self.variadic else "apply", function=self.function, arity=1 - self.effect)


@dataclass(frozen=True)
class Calc:
    """An expression, ready to be evaluated; `inputs` are the indices of the arguments that it uses."""

    text: str
    program: tuple[Step, ...]
    inputs: frozenset[int]

    def __call__(self, arguments: Sequence[float], value: float = 0.0) -> float:
        """Its value; `value` is what VAL stands for."""
        stack: list[float] = []
        at = 0
        while at < len(self.program):
            step = self.program[at]
            at += 1
            match step.kind:
                case "number":
                    stack.append(step.number)
                case "argument":
                    stack.append(arguments[step.argument])
                case "value":
                    stack.append(value)
                case "if":
                    at = at if stack.pop() != 0.0 else _behind(self.program, at, "else")
                case "else":
                    at = _behind(self.program, at, "end")
                case "end":
                    pass
                case "apply":
                    stack[-step.arity :] = [float(step.function(*stack[-step.arity :]))]
                case "apply to all":
                    stack[-step.arity :] = [step.function(stack[-step.arity :])]
        return stack[-1]


def _behind(program: Sequence[Step], at: int, wanted: str) -> int:
    """Where it goes on behind the `wanted` that belongs to the condition before `at`."""
    depth = 1
    while True:
        kind = program[at].kind
        at += 1
        if kind == wanted:
            depth -= 1
            if not depth:
                return at
        elif kind == "if":
            depth += 1


def compile_calc(text: str) -> Calc:
    """The expression that a text is; BadCalc says why it is none."""
    return _Compiler(text).compile()


class _Compiler:
    """Brings one text into reverse Polish notation."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._program: list[Step] = []
        self._stack: list[_Operator] = []
        self._depth = 0  # values that there are
        self._conditions = 0  # ? without their :
        self._operand_needed = True

    def compile(self) -> Calc:
        """All of it."""
        while self._skip_blanks():
            if self._operand_needed:
                self._operand()
            else:
                self._operator()
            if not 0 <= self._depth < _DEPTH:
                raise BadCalc("too many values at a time" if self._depth > 0 else "not enough operands")
        self._finish()
        inputs = frozenset(step.argument for step in self._program if step.kind == "argument")
        return Calc(self._text, tuple(self._program), inputs)

    # -- the text -----------------------------------------------------------------------------------------------------

    def _skip_blanks(self) -> bool:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._at < len(self._text)

    def _take(self, names: Sequence[str], what: str) -> str:
        """The longest of these names that stands here."""
        rest = self._text[self._at : self._at + 8].upper()
        for name in names:
            if rest.startswith(name):
                self._at += len(name)
                return name
        raise BadCalc(f"{self._text[self._at :].split()[0]!r} is no {what}")

    # -- what stands where a value is wanted, and behind one -----------------------------------------------------------

    def _operand(self) -> None:
        found = _NUMBER.match(self._text, self._at)
        name = "" if found else self._take(_OPERANDS, "value or function")
        if found:
            self._at = found.end()
            self._put_value(Step("number", of.literal(found[0].upper())))
        elif name == "VAL":
            self._put_value(Step("value"))
        elif name in of.CONSTANTS:
            self._put_value(Step("number", of.CONSTANTS[name]))
        elif name in ARGUMENTS:
            self._put_value(Step("argument", argument=ARGUMENTS.index(name)))
        else:
            self._unwind(_UNARY_COMING)
            self._stack.append(_before_operand(name))

    def _put_value(self, step: Step) -> None:
        self._program.append(step)
        self._depth += 1
        self._operand_needed = False

    def _operator(self) -> None:
        name = self._take(_OPERATORS, "operator")
        match name:
            case ")":
                self._close()
            case ",":
                self._to_parenthesis("a comma that stands in no parentheses")
                self._stack[-1].effect -= 1
                self._operand_needed = True
            case "?" | ":":
                self._condition(name)
            case ":=" | ";":
                raise BadCalc(f"{name!r}: a right depends on a value, it assigns none")
            case _:
                priority, function = of.BINARY[name]
                self._unwind(priority)
                self._stack.append(_Operator(name, priority, -1, function))
                self._operand_needed = True

    def _close(self) -> None:
        self._to_parenthesis("')' without '('")
        parenthesis = self._stack.pop()
        if self._stack and self._stack[-1].variadic:
            self._stack[-1].effect = parenthesis.effect

    def _condition(self, name: str) -> None:
        while self._stack and self._stack[-1].priority > 0:
            self._pop()
        self._depth -= 1
        self._operand_needed = True
        if name == "?":
            self._program.append(Step("if"))
            self._conditions += 1
            return
        if not self._conditions:
            raise BadCalc("':' without '?'")
        self._conditions -= 1
        self._program.append(Step("else"))
        self._stack.append(_Operator(":", 0, 0))

    # -- the stack ----------------------------------------------------------------------------------------------------

    def _unwind(self, priority: int) -> None:
        while self._stack and self._stack[-1].priority >= priority:
            self._pop()

    def _to_parenthesis(self, otherwise: str) -> None:
        while self._stack and self._stack[-1].name != "(":
            self._pop()
        if not self._stack:
            raise BadCalc(otherwise)

    def _pop(self) -> None:
        operator = self._stack.pop()
        self._program.append(operator.step)
        self._depth += operator.effect
        if self._depth < 1:
            raise BadCalc("not enough operands")

    def _finish(self) -> None:
        if self._operand_needed:
            raise BadCalc("a value is missing at its end" if self._program or self._stack else "it is empty")
        while self._stack:
            if self._stack[-1].name == "(":
                raise BadCalc("'(' without ')'")
            self._pop()
        if self._conditions:
            raise BadCalc("'?' without ':'")
        if self._depth != 1:
            raise BadCalc(f"{self._depth} values are left, one is wanted")


def _before_operand(name: str) -> _Operator:
    """A sign, a function or a parenthesis."""
    if name == "(":
        return _Operator(name, 0, 0)
    if name in of.VARIADIC:
        return _Operator(name, _UNARY_ON_STACK, 0, of.VARIADIC[name], variadic=True)
    if name in of.PAIRS:
        return _Operator(name, _UNARY_ON_STACK, -1, of.PAIRS[name])
    if name not in of.UNARY:
        raise BadCalc(f"{name}: a right does not depend on chance")
    return _Operator(name, _UNARY_ON_STACK, 0, of.UNARY[name])


def _longest_first(*names: str) -> tuple[str, ...]:
    return tuple(sorted(set(names), key=len, reverse=True))


_OPERANDS = _longest_first("(", "VAL", "RNDM", *of.CONSTANTS, *ARGUMENTS, *of.UNARY, *of.PAIRS, *of.VARIADIC)
_OPERATORS = _longest_first(")", ",", "?", ":", ":=", ";", *of.BINARY)
