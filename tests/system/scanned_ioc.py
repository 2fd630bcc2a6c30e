"""An IOC that bluesky takes points with, and a RunEngine with each device that is wanted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.running_ioc import Ioc, running
from tests.system.scanner import KINDS, SEARCHES, Scanner, scanner

_IOC = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "SortEvents", "GatherEvents", "FillSpectra"{writer}]
[ioc.pva]
on = true
interfaces = ["127.0.0.1"]
broadcast_port = {searches}
[crate]
modules = 1
channels = 4
adc_mhz = [500]
firmware_revision = [34688]
[tasks.DummyData]
channel_rate = 1000
[tasks.GatherData]
auto_save = {files}
file_path = "{folder}/data/"
create_directory = true
[tasks.FillSpectra]
bins = 1024
roi_low = [100]
roi_high = [200]
"""
_EVENTS = """
[tasks.WriteEvents]
file = "{folder}/events_run{{run}}.parquet"
"""


@contextmanager
def scanned_ioc(folder: Path, kinds: Iterable[str], *, files: bool = True) -> Iterator[tuple[Ioc, dict[str, Scanner]]]:
    """Both, at the end neither; with `files` a run writes its raw data and its events to the folder."""
    configuration = folder / "scan.toml"
    writer = ', "WriteEvents"' if files else ""
    text = _IOC.format(writer=writer, searches=SEARCHES, files=str(files).lower(), folder=folder)
    configuration.write_text(text + (_EVENTS.format(folder=folder) if files else ""))
    arguments = ["generate", configuration, "--out", folder, "--devices"]
    subprocess.run([sys.executable, "-m", "pixieioc", *map(str, arguments)], check=True, capture_output=True)
    with running(Ioc(folder, "run", configuration)) as ioc, ExitStack() as stack:
        made: dict[str, Scanner] = {}
        for kind in kinds:
            module, protocol = KINDS[kind]
            made[kind] = stack.enter_context(scanner(folder / "devices" / module, protocol + ioc.prefix))
        yield ioc, made
