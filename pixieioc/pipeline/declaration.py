"""What parameters and reports have in common: a name, a process variable, and a shape if they are of channels."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar, cast

from pixieioc.pipeline.channel_values import Shape

T = TypeVar("T")
Value = bool | int | float | str | list[str] | list[float] | list[list[Any]]
Per = Literal["task", "module", "channel"]

#: Integers that Channel Access can carry exactly: as LONG, or as DOUBLE.
LONG_LOW, LONG_HIGH, DOUBLE_EXACT = -(2**31), 2**31 - 1, 2**53
#: The longest text of a parameter, in bytes of UTF-8.
LONGEST_TEXT = 4096
#: The parameters of a task that say how many modules and channels there are of what it declares per channel.
MODULES, CHANNELS = "modules", "channels"
#: What the names of process variables are made of.
_PV_CHARACTERS = re.compile(r"[A-Za-z0-9_:;<>\[\]-]+")
#: States of an enum on Channel Access, and how long their names may be.
_MOST_CHOICES, _LONGEST_CHOICE = 16, 25


class Declaration:
    """A class attribute that declares something about a task; it learns its name from the class."""

    name = ""
    pv = ""
    doc = ""
    choices: tuple[str, ...] = ()
    per: Per = "task"
    times = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.pv = self.pv or pv_name(name)

    def shape(self, others: Mapping[str, Value]) -> Shape:
        """Modules, channels (0: per module), values of a channel (0: one), with the task's values `others`."""
        names = (MODULES, CHANNELS if self.per == "channel" else "", self.times)
        modules, channels, numbers = (int(cast("int", others[name])) if name else 0 for name in names)
        return modules, channels, numbers

    def check_declaration(self) -> None:
        """ValueError if the arguments that parameters and reports have in common cannot be."""
        if self.per not in ("task", "module", "channel"):
            raise ValueError(f"per = {self.per!r}: must be 'task', 'module' or 'channel'")
        if self.pv and not _PV_CHARACTERS.fullmatch(self.pv.replace("{}", "")):
            raise ValueError(
                f"pv = {self.pv!r}: a process variable has letters, digits and _ : ; < > [ ] - in its name"
            )
        if self.choices and not 2 <= len(self.choices) <= _MOST_CHOICES:
            raise ValueError(f"choices: must be 2 to {_MOST_CHOICES}, not {len(self.choices)}")
        if too_long := [choice for choice in self.choices if len(choice.encode()) > _LONGEST_CHOICE]:
            raise ValueError(f"choices: {too_long[0]!r} is longer than {_LONGEST_CHOICE} bytes")
        if len(set(self.choices)) < len(self.choices):
            raise ValueError("choices: each may be there once")


def pv_name(name: str) -> str:
    """The process variable's part of a declared name: `block_size` is `BlockSize`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def unknown_arguments(
    of: str, unknown: Iterable[str], known: Iterable[str], renamed: Mapping[str, str] | None = None
) -> str:
    """What is wrong with arguments that a declaration does not have, with those that may have been meant."""
    names = [name for name in known if name not in ("self", "unknown")]

    def instead(name: str) -> str:
        close = difflib.get_close_matches(name, names, n=1)
        meant = (renamed or {}).get(name) or (close[0] if close else "")
        return f"; did you mean {meant}?" if meant else f"; its arguments are {', '.join(names)}"

    return "; ".join(f"{of} has no argument {name}{instead(name)}" for name in unknown)


def fits(text: str, longest: int = LONGEST_TEXT) -> bool:
    """True if `text` has at most `longest` bytes."""
    return len(text.encode(errors="surrogatepass")) <= longest


def shorten(value: object) -> str:
    """A value as part of a sentence."""
    try:
        text = repr(value)
    except Exception as error:  # whatever a site's own type does when it is shown
        text = f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."
