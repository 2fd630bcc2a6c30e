"""How an exception in a task is shown: as one sentence, and as a traceback that ends at the task's own line."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from pixieioc.pipeline.error import Error
from pixieioc.pipeline.payloads import clean

#: Where the code of the pipeline is.
_OURS = f"{Path(__file__).parent}{os.sep}"


def text_of(error: BaseException) -> str:
    """The sentence."""
    try:
        return str(error) if isinstance(error, Error) else f"{type(error).__name__}: {error}".removesuffix(": ")
    except Exception as another:  # an exception whose text cannot be made
        return f"{type(error).__name__}, whose text cannot be shown: {type(another).__name__}"


def trace_of(error: BaseException) -> str:
    """The traceback of an error; of one that this package raises it ends at the line of the task that was wrong."""
    told = traceback.TracebackException.from_exception(error)
    if isinstance(error, Error):
        while len(told.stack) > 1 and told.stack[-1].filename.startswith(_OURS):
            told.stack.pop()
    return clean("".join(told.format()))
