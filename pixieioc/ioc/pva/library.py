"""How p4p is loaded: quiet about clients that vanish, and without the build tools that it would bring along."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType

#: The package that finds the shared libraries of p4p. As a whole it loads setuptools: 12 MB, needed for building only.
_FINDER = "setuptools_dso"


def load() -> None:
    """Loads p4p, with nothing but the finder's part for run time; ImportError if it is not installed."""
    # Clients that vanish are no errors of ours; whoever wants to see them sets this variable.
    os.environ.setdefault("PVXS_LOG", "pvxs.tcp.io=CRIT")
    found = importlib.util.find_spec(_FINDER) if _FINDER not in sys.modules else None
    if found is None or found.submodule_search_locations is None:
        importlib.import_module("p4p")
        return
    package = ModuleType(_FINDER)
    package.__path__ = list(found.submodule_search_locations)
    sys.modules[_FINDER] = package
    try:
        package.__dict__.update(vars(importlib.import_module(f"{_FINDER}.runtime")))
        importlib.import_module("p4p")
    finally:  # whoever builds with it in this process gets the whole
        for name in [name for name in sys.modules if name.partition(".")[0] == _FINDER]:
            del sys.modules[name]
