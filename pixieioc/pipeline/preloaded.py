"""Imported once, by the process that tasks are forked from: what nearly all of them need, and what takes them longest.

What the compiler knows of types and functions takes three times as long to load as the loops of all tasks. Nothing of
all this is garbage: the tasks do not look for any in it, so that they share its memory.
"""

from __future__ import annotations

import gc


def _load() -> None:
    from pixieioc.listmode import jit
    from pixieioc.pipeline import task as task

    jit.load_compiler()


gc.disable()
_load()
gc.freeze()
gc.enable()
