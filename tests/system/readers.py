"""Programs of each kind of client that read all process variables of an IOC while it is in trouble."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.running_ioc import ROOT, Ioc
from tests.system.reader import KINDS, there
from tests.system.rounds import PVA_ENVIRONMENT, Campaign, begun

_PATIENCE = 120.0


class Readers:
    """They have a monitor on each process variable and get all of them, again and again."""

    def __init__(self) -> None:
        self._programs: dict[str, subprocess.Popen[str]] = {}
        self._coming_back = False

    @contextlib.contextmanager
    def one(self, kind: str, what: str, campaign: Campaign, names: Path) -> Iterator[None]:
        """Meanwhile a client of this kind reads what the file names."""
        command = [sys.executable, "-m", "tests.system.reader", kind, names]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | PVA_ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as reader:
            self._programs[kind] = reader
            assert reader.stdout is not None
            assert reader.stdout.readline() == "reading\n", f"{kind} cannot read"
            yield
            told, _ = reader.communicate("end\n", timeout=_PATIENCE)
        _note(campaign, f"{kind} reads {what} PVs meanwhile", [line for line in told.splitlines() if line != "back"])

    def away(self) -> None:
        """The IOC is about to end; everybody who was waiting for the one before must have found it."""
        self.have_come_back()
        self._tell("away")

    def back(self) -> None:
        """The IOC is there again: from now on everybody must find it."""
        self._tell("back")
        self._coming_back = True

    def have_come_back(self) -> None:
        """Waits until each of them has all values again."""
        for kind, reader in self._programs.items() if self._coming_back else ():
            assert reader.stdout is not None
            assert reader.stdout.readline() == "back\n", f"{kind} has died"
        self._coming_back = False

    def _tell(self, word: str) -> None:
        for reader in self._programs.values():
            assert reader.stdin is not None
            reader.stdin.write(f"{word}\n")
            reader.stdin.flush()


def _note(campaign: Campaign, name: str, told: list[str]) -> None:
    seen = campaign.table.row(f"{name}: values got")
    gets, slowest, *problems = told or ["0", "0", "it has died"]
    seen.rounds += int(gets)
    seen.answered.append(float(slowest))
    seen.violations += problems if int(gets) else ["it has got nothing"]


def _listed(ioc: Ioc) -> list[str]:
    command = [sys.executable, "-m", "pixieioc", "run", ioc.arguments[-1], "--prefix", ioc.prefix, "--list-pvs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line.split()[0] for line in done.stdout.splitlines() if line.startswith(ioc.prefix)]


@contextlib.contextmanager
def being_read(campaign: Campaign, ioc: Ioc, *, shared: bool = False) -> Iterator[Readers]:
    """Meanwhile, a program of each kind of client that is installed reads all process variables.

    `shared`: each reads a share of them, all together read all; what finds all of them again takes a computer long.
    """
    readers, listed = Readers(), _listed(ioc)
    with contextlib.ExitStack() as programs:
        for number, kind in enumerate(KINDS):
            names = ioc.folder / f"names of {kind}"
            names.write_text("\n".join(listed[number :: len(KINDS)] if shared else listed))
            if there(kind):
                programs.enter_context(readers.one(kind, "a share of all" if shared else "all", campaign, names))
            else:
                campaign.leave_out(f"{kind} reads all PVs meanwhile", "it is not installed")
        yield readers


def begin_again(ioc: Ioc, readers: Readers) -> None:
    """Starts an IOC that has ended; its readers must find it."""
    ioc.log.close()
    ioc.launch()
    begun(ioc)
    readers.back()
