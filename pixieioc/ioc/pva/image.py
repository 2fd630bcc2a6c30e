"""Arrays of equal length as one with two dimensions: an NTNDArray, as detectors' images are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from p4p.nt import NTNDArray  # pyright: ignore[reportMissingTypeStubs]

from pixieioc.ioc.pva.combined import Combined
from pixieioc.ioc.records import Record


class ImageSource(Combined):
    """A row for each record."""

    def __init__(self, rows: Iterable[Record], doc: str) -> None:
        super().__init__(rows)
        self._doc = doc
        self._type = NTNDArray()
        self._number = 0

    def structure(self, changed: Iterable[Record], *, whole: bool) -> Any:
        """All of it, with the number of the update."""
        changed = tuple(changed)
        into = self._type.wrap(np.stack([record.value for record in self.records]), attrib={"ColorMode": 0})
        self._number += 1
        into["uniqueId"] = self._number & 0x7FFFFFFF
        self.put_alarm_and_time(into, changed)
        into["dataTimeStamp"] = into["timeStamp"]
        return into
