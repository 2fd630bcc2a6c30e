"""A client that has a monitor on each process variable of an IOC, and gets all of them again and again.

`python -m tests.system.reader PREFIX CONFIG`: says "reading" when it begins, ends at a line of its standard input, and
prints how many values it got, the longest time in seconds that all of them took together, and what went wrong.
"""

from __future__ import annotations

import select
import subprocess
import sys
import time

from tests.ca_client import CaClient, NoAnswer

#: All values together take no longer, in seconds, also on a busy computer.
_LONGEST = 10.0


def _names(prefix: str, config: str) -> list[str]:
    command = [sys.executable, "-m", "pixieioc", "run", config, "--prefix", prefix, "--list-pvs"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split()[0].removeprefix(prefix) for line in done.stdout.splitlines() if line.startswith(prefix)]


def main() -> None:
    """The program."""
    client, gets, slowest = CaClient(sys.argv[1]), 0, 0.0
    names, problems = _names(*sys.argv[1:]), []
    with client.watch(*names):
        print("reading", flush=True)
        while not select.select([sys.stdin], [], [], 0.2)[0]:
            began = time.monotonic()
            try:
                for name in names:
                    client.raw(name, _LONGEST)
                    gets += 1
            except NoAnswer as error:
                problems.append(f"no answer: {error}")
            slowest = max(slowest, time.monotonic() - began)
    print(gets, slowest, *problems[:5], sep="\n")


if __name__ == "__main__":
    main()
