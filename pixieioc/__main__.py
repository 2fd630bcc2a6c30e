"""`python -m pixieioc`."""

import sys
from pathlib import Path

# Python looks first into the folder in which it was started, which may hold anything. It stays if this is from there.
if (
    not sys.flags.safe_path
    and sys.path
    and Path(sys.path[0]).resolve() == Path.cwd() != Path(__file__).resolve().parents[1]
):
    del sys.path[0]

from pixieioc.cli import main

if __name__ == "__main__":
    main()
