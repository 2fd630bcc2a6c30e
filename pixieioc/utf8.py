"""This program in Python's UTF-8 mode: a setting names the same file, whoever has started the program and where."""

from __future__ import annotations

import os
import sys


def start_again_in_utf8_mode() -> None:
    """Replaces this process by the same program in UTF-8 mode if the locale, or PYTHONUTF8=0, says something else.

    From Python 3.15 on that is how Python starts; in the locales C and POSIX it always does.
    """
    if sys.getfilesystemencoding() == "utf-8" or "utf8" in sys._xoptions or not sys.executable:
        return
    os.environ["PYTHONUTF8"] = "1"  # for the processes that it will start
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
