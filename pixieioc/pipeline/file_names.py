"""Which texts can be names of files, whatever file system they are on."""

from __future__ import annotations

import os
import sys


def why_no_name(name: str) -> str:
    """Why a text cannot be, or be part of, the name of a file for this program; empty if it can.

    Where Python is not in its UTF-8 mode, the locale says which characters there are.
    """
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        character, encoding = ascii(name[error.start]), sys.getfilesystemencoding()
        if encoding == "utf-8":
            return f"{character} is no character that the name of a file can have"
        return (
            f"{character} cannot be in the name of a file: of this program's locale, names are {encoding}; start it "
            "with LANG=C.UTF-8 or PYTHONUTF8=1 for all characters"
        )
    return ""
