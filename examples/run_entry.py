"""Makes an entry in an electronic logbook for each run, from the record in the run's sidecars.

    python run_entry.py PX16: -- elog -h elog.example.org -l Beamtime -a "Subject={subject}"

It follows runs over Channel Access, and hands the text of the entry to the command's standard input; {subject}
in an argument stands for one line about the run. Without a command it prints the entry. Needs pixieioc[conform].
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import aioca


def subject(number: int, record: dict[str, Any]) -> str:
    """One line."""
    good = "" if record["good"] else " (bad)"
    return f"Run {number}: {record['title'] or 'no title'}, {record['end_reason']}{good}"


def entry(number: int, record: dict[str, Any], files: list[str]) -> str:
    """The text of an entry."""
    began, ended = (datetime.fromtimestamp(record[name]) for name in ("start_time", "end_time"))
    losses = record["losses"] or "none"
    lines = [
        subject(number, record),
        f"{began:%Y-%m-%d %H:%M:%S} to {ended:%H:%M:%S}, started by {record['started_by']}",
        f"Experiment: {record['experiment']}   Operator: {record['operator']}",
        record["comment"],
        f"Real time {record['elapsed_real']:.1f} s, {record['events'] or 0:.0f} events, losses: {losses}",
    ]
    for condition in record["conditions"]:
        reading = condition["end"]
        value = reading.get("value") if reading["state"] == "ok" else reading["state"]
        lines.append(f"  {condition['pv']} = {value} {reading.get('unit', '')}".rstrip())
    return "\n".join([*(line for line in lines if line), *(f"  {name}" for name in files)]) + "\n"


async def follow(prefix: str, command: list[str], runs: int) -> None:
    """Makes an entry at the end of each run; with `runs` other than 0, of so many.

    A run's number and files are posted before AcquireBusy is Done, and come in that order: what was heard last is that
    run's, also if the next one has begun meanwhile.
    """
    news: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    kinds: dict[str, Any] = {"RunId_RBV": None, "RunFiles_RBV": aioca.DBR_CHAR_STR, "AcquireBusy": None}
    for name, kind in kinds.items():
        aioca.camonitor(
            prefix + name, lambda value, name=name: news.put_nowait((name, value)), datatype=kind, all_updates=True
        )
    heard: dict[str, Any] = {"RunFiles_RBV": "[]"}
    made = 0
    while not runs or made < runs:
        name, value = await news.get()
        ended = name == "AcquireBusy" and not value and heard.get(name)
        heard[name] = value
        if not ended:
            continue
        number, files = int(heard["RunId_RBV"]), [each["file"] for each in json.loads(str(heard["RunFiles_RBV"]))]
        if not files:
            print(f"run {number} has written no file", file=sys.stderr)
            continue
        record = json.loads(Path(f"{files[0]}.json").read_bytes())["record"]
        said = [part.replace("{subject}", subject(number, record)) for part in command]
        made += 1
        if said:
            subprocess.run(said, input=entry(number, record, files), text=True, check=False)
        else:
            print(entry(number, record, files), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes an entry in an electronic logbook for each run.")
    parser.add_argument("prefix", help="of the IOC, as PX16:")
    parser.add_argument("--runs", type=int, default=0, help="end after so many; 0: never")
    parser.epilog = "What stands behind -- is a command, which gets the text of the entry on its standard input."
    own, command = sys.argv[1:], []
    if "--" in own:
        own, command = own[: own.index("--")], own[own.index("--") + 1 :]
    given = parser.parse_args(own)
    asyncio.run(follow(given.prefix, command, given.runs))
