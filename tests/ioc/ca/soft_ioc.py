"""A soft IOC of EPICS Base, for comparison: serves a database over Channel Access until its standard input ends.

python soft_ioc.py FILE
"""

from __future__ import annotations

import os
import sys

from epicscorelibs import ioc


def main(database: str) -> None:
    """Loads the database, says so in one line, and waits."""
    ioc.start_ioc(database)
    print("running", flush=True)
    sys.stdin.read()
    os._exit(0)  # the threads of EPICS have nothing to tidy up


if __name__ == "__main__":
    main(*sys.argv[1:])
