"""Whether what the processes of an IOC use has grown: `python -m tests.system.soak.verdict FOLDER`.

Each process is compared with itself only, since it is warm: after 20 minutes, and after half of the time for which it
was seen, because what is kept on purpose (histories, pools, caches) fills up at first. The slope is the median of
those between all pairs of samples that are at least a tenth of an hour apart (Theil and Sen): one that a few
large runs do not change. Of memory, what is no file's is judged, and all of it: a share of pages, of libraries or of
the fork server, grows whenever another process that had them, too, ends. Counts must not grow at all. Memory may by
1 MB per hour: less cannot be told from its noise in hours; what was found is in the table.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

#: What is looked at, in the units of the samples, and by how much it may grow per hour.
MOST: Mapping[str, float] = {
    "anonymous": 1024, "shared": 0, "open": 0, "sockets": 0, "pipes": 0, "memfds": 0, "files": 0,
    "threads": 0,
}  # fmt: skip
#: How old a process must be, and how far apart samples must be that are compared, in seconds.
WARM, APART = 1200.0, 360.0
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Finding:
    """One quantity of the processes of one role."""

    role: str
    what: str
    first: float  #: at the beginning
    last: float
    most: float
    slope: float | None  #: per hour; None if no process of that role became old enough
    limit: float

    @property
    def grows(self) -> bool:
        """Whether it does so faster than it may."""
        return self.slope is not None and self.slope > self.limit


def slope(processes: Iterable[Points]) -> float | None:
    """By how much a quantity grows per hour, from its values in time (s), process by process."""
    found: list[float] = []
    for points in processes:
        began, lasted = points[0][0], points[-1][0] - points[0][0]
        warm = [point for point in points if point[0] - began >= max(WARM, lasted / 2)]
        found += [
            3600 * (later[1] - earlier[1]) / (later[0] - earlier[0])
            for index, later in enumerate(warm)
            for earlier in warm[:index]
            if later[0] - earlier[0] >= APART
        ]
    return median(found) if found else None


def findings(rows: Iterable[Mapping[str, str]]) -> Iterator[Finding]:
    """Those of all roles, from the rows of samples.csv."""
    roles: dict[str, dict[str, list[Mapping[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        roles[row["role"]][row["pid"]].append(row)
    for role, processes in roles.items():
        for what, limit in MOST.items():
            series = [[(float(row["time"]), float(row[what])) for row in rows] for rows in processes.values()]
            values = [value for points in series for _, value in points]
            yield Finding(role, what, values[0], values[-1], max(values), slope(series), limit)


def table(rows: Iterable[Finding]) -> list[str]:
    """As Markdown; of what never changed only what does not fit."""
    lines = ["| process | what | first | last | most | per hour |", "|---|---|---|---|---|---|"]
    for each in rows:
        if each.first != each.most or each.grows:
            grown = "too young" if each.slope is None else f"{each.slope:+.1f}{' GROWS' if each.grows else ''}"
            lines.append(
                f"| {each.role} | {each.what} | {each.first:.0f} | {each.last:.0f} | {each.most:.0f} | {grown} |"
            )
    return lines


def judged(folder: Path) -> tuple[list[str], list[str]]:
    """The table of a folder's samples, and what has grown."""
    with (folder / "samples.csv").open(newline="") as file:
        found = list(findings(csv.DictReader(file)))
    return table(found), [
        f"{each.what} of {each.role} grows by {each.slope:.1f} per hour" for each in found if each.grows
    ]


if __name__ == "__main__":
    _lines, _grown = judged(Path(sys.argv[1]))
    print("\n".join([*_lines, "", *(_grown or ["nothing grows"])]))
    sys.exit(bool(_grown))
