"""The one version of caproto whose tables this server was tested with."""

from __future__ import annotations

import caproto  # pyright: ignore[reportMissingTypeStubs]  # it has none

from pixieioc.ioc.ca.environment import CannotServe

CAPROTO = "1.3.0"


def check_caproto() -> None:
    """Raises CannotServe if another version is installed."""
    if caproto.__version__ != CAPROTO:
        raise CannotServe(
            f"caproto {caproto.__version__} is installed, this server needs {CAPROTO}: pip install caproto=={CAPROTO}"
        )
