"""Which modules' times are not those of the others."""

from __future__ import annotations

from collections.abc import Mapping

from pixieioc.listmode.streams import Position


def apart_from_most(positions: Mapping[int, Position], gap_ns: int) -> set[int]:
    """The modules that are not among the largest number whose times are each within `gap_ns` of a next one's.

    Of several that are as large, the earliest is meant.
    """
    together: list[list[int]] = []
    latest: Position | None = None
    for module, position in sorted(positions.items(), key=lambda item: item[1]):
        near = latest is not None and position.period == latest.period and position.time - latest.time <= gap_ns
        if near:
            together[-1].append(module)
        else:
            together.append([module])
        latest = position
    most = max(together, key=len, default=[])
    return set(positions) - set(most)
