"""What can change about a record, as bits that are added up; plain integers, as records post often."""

from __future__ import annotations


class Change:
    """`ARCHIVE` is a change that an archiver wants, which may be a larger one; `STATE` is anything that is no value."""

    VALUE, ARCHIVE, ALARM, PROPERTY, STATE = 1, 2, 4, 8, 16
