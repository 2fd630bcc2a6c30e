"""The words of an access security file, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from pixieioc.access.model import BadRules, Problem

Kind = Literal["keyword", "input", "integer", "number", "string", "mark", "end"]

#: Words with a meaning of their own; in quotes they are strings.
KEYWORDS = ("UAG", "HAG", "ASG", "RULE", "CALC")
_WORD = re.compile(
    r"""(?P<blank>[ \t\r]+|\#.*)
    | (?P<line>\n)
    | (?P<mark>[(){},])
    | (?P<quoted>"(?:[^"\n\\]|\\.)*")
    | (?P<name>[a-zA-Z0-9_\-+:.\[\]<>;]+)""",
    re.VERBOSE,
)
_MACRO = re.compile(r"\$(?:\((?P<round>[^()$]*)\)|\{(?P<curly>[^{}$]*)\})")


class Token(NamedTuple):
    """One word: a string or name as `text`."""

    kind: Kind
    text: str
    line: int

    def __str__(self) -> str:
        return "the end of the file" if self.kind == "end" else f'"{self.text}"' if " " in self.text else self.text


def tokens(text: str) -> Iterator[Token]:
    """The words of a text, and its end; BadRules at what cannot be one."""
    at, line = 0, 1
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None:
            raise BadRules([Problem(line, _wrong(text[at]))])
        at = found.end()
        match found.lastgroup:
            case "line":
                line += 1
            case "mark":
                yield Token("mark", found[0], line)
            case "quoted":
                yield Token("string", found[0][1:-1], line)
            case "name":
                yield Token(_kind(found[0]), found[0], line)
            case _:
                pass
    yield Token("end", "", line)


def _kind(word: str) -> Kind:
    if word in KEYWORDS:
        return "keyword"
    if re.fullmatch("INP[A-U]", word):
        return "input"
    if re.fullmatch(r"[-+]?\d+", word):
        return "integer"
    if re.fullmatch(r"[-+]?\d*\.\d+([eE][-+]?\d+)?", word):
        return "number"
    return "string"


def _wrong(character: str) -> str:
    if character == '"':
        return "the quote that begins here does not end in this line"
    hint = "; a name with such characters stands in quotes" if character.isprintable() else ""
    return f"{character!r} cannot stand here{hint}"


def substituted(text: str, macros: Mapping[str, str]) -> str:
    """The text with its macros replaced: `$(NAME)` or `${NAME}`, with `=` and a default if it may have no value.

    Comments stay as they are. BadRules names what has no value.
    """
    problems: list[Problem] = []
    lines = [_substituted(line, number, macros, problems) for number, line in enumerate(text.split("\n"), 1)]
    if problems:
        raise BadRules(problems)
    return "\n".join(lines)


def _substituted(line: str, number: int, macros: Mapping[str, str], problems: list[Problem]) -> str:
    code = re.match(r'(?:[^#"]|"(?:[^"\\]|\\.)*"|")*', line)
    end = code.end() if code else 0
    used, comment = line[:end], line[end:]
    for _ in range(10):  # a value may have macros itself
        found = _MACRO.search(used)
        if found is None:
            return used + comment
        name, equals, default = (found["round"] if found["round"] is not None else found["curly"]).partition("=")
        value = macros.get(name.strip(), default if equals else None)
        if value is None:
            there = ", ".join(macros) or "none"
            problems.append(Problem(number, f"{found[0]}: no macro of this name has a value; there are: {there}"))
            return comment
        used = used[: found.start()] + value + used[found.end() :]
    problems.append(Problem(number, f"{line.strip()}: its macros have each other as values"))
    return comment
