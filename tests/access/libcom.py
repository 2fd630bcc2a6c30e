"""The access security and the expressions of EPICS Base's libCom, called directly.

A program of its own, since EPICS' libraries live as long as their process: each line of its standard input is a JSON
list, the name of a function and its arguments, and is answered by a line of JSON. It ends with its standard input.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: A group, a level, a user, a host.
Ask = tuple[str, int, str, str]
#: The members of `struct asgClient` before its level, which are pointers.
_POINTERS = 7


class Base:
    """What the program says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def verdicts(self, text: str, asks: Iterable[Ask], *, check_client_ip: bool = False) -> list[Any] | None:
        """The rights and the trap masks that Base gives; None: it does not take the file."""
        found = self._ask("verdicts", text, list(asks), check_client_ip)
        return None if found is None else [tuple(each) for each in found]

    def takes(self, file: Path, macros: str) -> bool:
        """Whether Base takes a file with these macros, `NAME=value,NAME=value`."""
        return self._ask("takes", str(file), macros)

    def calculated(self, text: str, arguments: list[float], value: float) -> float | None:
        """The value of an expression; None: Base does not take it."""
        return self._ask("calculated", text, arguments, value)

    def _ask(self, *what: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def libcom() -> Iterator[Base]:
    """The program runs meanwhile."""
    process = subprocess.Popen(
        [sys.executable, Path(__file__)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    yield Base(process)
    process.stdin.close()
    assert process.wait(60) == 0
    process.stdout.close()


# -- in the program ---------------------------------------------------------------------------------------------------


def _verdicts(lib: Any, text: str, asks: list[Ask], check_client_ip: bool) -> list[tuple[int, int]] | None:
    ctypes.c_int.in_dll(lib, "asCheckClientIP").value = check_client_ip
    if lib.asInitMem(text.encode(), None):
        return None
    return [_verdict(lib, *ask) for ask in asks]


def _verdict(lib: Any, group: str, level: int, user: str, host: str) -> tuple[int, int]:
    name, of, at = (ctypes.create_string_buffer(each.encode()) for each in (group, user, host))
    member, client = ctypes.c_void_p(), ctypes.c_void_p()
    assert lib.asAddMember(ctypes.byref(member), name) == 0
    assert lib.asAddClient(ctypes.byref(client), member, level, of, at) == 0
    assert client.value is not None
    level_right_trap = (ctypes.c_int * 3).from_address(client.value + _POINTERS * ctypes.sizeof(ctypes.c_void_p))
    assert level_right_trap[0] == level
    found = (level_right_trap[1], level_right_trap[2])
    assert lib.asRemoveClient(ctypes.byref(client)) == 0
    assert lib.asRemoveMember(ctypes.byref(member)) == 0
    return found


def _takes(lib: Any, file: str, macros: str) -> bool:
    ctypes.c_int.in_dll(lib, "asCheckClientIP").value = 0
    return lib.asInitFile(file.encode(), macros.encode()) == 0


def _calculated(lib: Any, text: str, arguments: list[float], value: float) -> float | None:
    program, error, result = ctypes.create_string_buffer(10_000), ctypes.c_short(), ctypes.c_double(value)
    if lib.postfix(text.encode(), program, ctypes.byref(error)):
        return None
    given = (ctypes.c_double * 21)(*arguments)
    assert lib.calcPerform(given, ctypes.byref(result), program) == 0
    return result.value


def main() -> None:
    """All of it."""
    from epicscorelibs.path import lib_path

    lib = ctypes.CDLL(str(Path(lib_path) / "libCom.so"))
    lib.calcPerform.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p]
    functions: dict[str, Any] = {"verdicts": _verdicts, "takes": _takes, "calculated": _calculated}
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(functions[name](lib, *arguments)), flush=True)


if __name__ == "__main__":
    main()
