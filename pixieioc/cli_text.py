"""What the command line shows, as text: what the demo suggests, and what a task is."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from pixieioc.pipeline import Task
from pixieioc.pipeline.chain import described
from pixieioc.pipeline.standard import StandardReports
from pixieioc.tasks.crate import is_crate_fact


def demo_hint(prefix: str, address: str) -> str:
    """What to type while the demo serves these process variables at this address."""
    p = prefix
    return f"""\
The demo's IOC is up, on this computer only ({address}). From another terminal:

    export EPICS_CA_ADDR_LIST={address} EPICS_CA_AUTO_ADDR_LIST=NO
    caput {p}Acquire 1           start a run
    caput {p}Stop 1              end it
    caput {p}PresetMode "Real time" ; caput {p}PresetReal 10 ; caput -c -w 60 {p}Acquire 1

Without EPICS' own tools, caproto-put (-S for texts), caproto-get and caproto-monitor do the same:

    PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH

Worth watching with camonitor:

    {p}DetectorState_RBV {p}State_RBV {p}RunId_RBV {p}ElapsedReal_RBV
    {p}FillSpectra:Events_RBV {p}FillSpectra:Rate_RBV {p}M00:C00:OutputCountRate_RBV
    {p}M00:C00:InputCountRate_RBV {p}DeadTime_RBV {p}M00:C00:ROI1:Net_RBV (the line of 137Cs)
    {p}StatusMessage_RBV (long string, camonitor -S), {p}M00:C00:Spectrum_RBV, {p}M00:C00:Trace_RBV (waveforms)

^C ends it."""


def task_lines(name: str, cls: type[Task]) -> Iterator[str]:
    """What a task is, what it takes and gives, its parameters, and its own reports (behind >)."""
    yield f"{name}: {next(iter((cls.__doc__ or '').strip().splitlines()), 'no description')}"
    yield f"    {described(cls)}"
    for parameter in cls.parameters().values():
        if parameter.device:  # it is no key of the configuration file
            continue
        flags = "".join(f" [{flag}]" for flag in ("live", "fixed", "shared") if getattr(parameter, flag))
        flags += f" [per {parameter.per}]" * (parameter.per != "task") + " [crate]" * is_crate_fact(cls, parameter.name)
        yield f"    {parameter.name} = {parameter.default_of_one!r}{flags}: {parameter.allowed}. {parameter.doc}"
    for report in cls.reports().values():
        if vars(StandardReports).get(report.name) is not report:
            yield f"    > {report.name}{f' ({report.unit})' if report.unit else ''}: {report.doc}"
