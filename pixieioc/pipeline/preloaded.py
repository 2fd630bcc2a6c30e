"""Imported once, by the process that tasks are forked from: what nearly all of them need, and what takes them longest.

What the compiler knows of types and functions takes three times as long to load as the loops of all tasks. Nothing of
all this is garbage: the tasks do not look for any in it, so that they share its memory.

Numpy keeps the memory of arrays that are gone for later ones of the same size: up to 7 for each number of bytes below
1024, 3.6 MB in all. The columns of small blocks have all these sizes, at random, so that a task would fill this cache
for hours and seem to have a leak. It is filled here, once for all tasks.
"""

from __future__ import annotations

import gc

#: How many arrays of one size numpy keeps, and the least size, in bytes, of which it keeps none.
_KEPT, _NOT_KEPT = 7, 1024


def _load() -> None:
    from pixieioc.listmode import jit
    from pixieioc.pipeline import task as task

    jit.load_compiler()


def fill_cache_of_small_arrays() -> None:
    """Has numpy keep as many small arrays as it ever keeps."""
    import numpy as np

    for size in range(_NOT_KEPT):
        _ = [np.empty(size, np.uint8) for _ in range(_KEPT)]  # they are alive together, and kept together


gc.disable()
_load()
fill_cache_of_small_arrays()
gc.freeze()
gc.enable()
