"""Makes an entry in an electronic logbook for each run, from the record in the run's sidecars.

    python run_entry.py PX16: -- elog -h elog.example.org -l Beamtime -a "Subject={subject}"

It follows AcquireBusy over Channel Access, and hands the text of the entry to the command's standard input; {subject}
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


async def text(name: str) -> str:
    """A long string."""
    return str(await aioca.caget(name, datatype=aioca.DBR_CHAR_STR))


async def follow(prefix: str, command: list[str], runs: int) -> None:
    """Makes an entry at the end of each run; with `runs` other than 0, of so many."""
    busy: asyncio.Queue[int] = asyncio.Queue()
    aioca.camonitor(f"{prefix}AcquireBusy", lambda value: busy.put_nowait(int(value)), all_updates=True)
    running, made = False, 0
    while not runs or made < runs:
        before, running = running, bool(await busy.get())
        if running or not before:
            continue
        number = int(str(await aioca.caget(f"{prefix}RunId_RBV")))
        files = [each["file"] for each in json.loads(await text(f"{prefix}RunFiles_RBV"))]
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
    parser.add_argument("command", nargs="*", help="gets the text of the entry on its standard input")
    given = parser.parse_args()
    asyncio.run(follow(given.prefix, given.command, given.runs))
