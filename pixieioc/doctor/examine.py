"""The table of checks: what is gathered for each, and what judges it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from pixieioc import account
from pixieioc.config import Config
from pixieioc.doctor import gather, kernel, sdk, verdicts
from pixieioc.doctor.finding import Finding, Level, bad
from pixieioc.ioc.ca.environment import CannotServe, Environment
from pixieioc.ioc.last_resort import within

#: How long a check may take, in seconds: some write to a disk.
_PATIENCE = 20.0


@dataclass(frozen=True)
class Site:
    """What the IOC would be started with."""

    config: Config
    environment: Mapping[str, str]
    interfaces: Sequence[str] = ()

    @property
    def ca(self) -> Environment:
        """The EPICS_CAS_ variables; CannotServe if one of them is wrong."""
        return Environment.read(self.environment)

    @property
    def listening(self) -> list[str]:
        """Where it would listen."""
        return list(self.interfaces or self.config.ioc.interfaces or self.ca.interfaces or ["0.0.0.0"])


#: What is looked at, in this order, and how.
CHECKS: dict[str, Callable[[Site], Iterator[Finding]]] = {
    "libraries": lambda site: verdicts.packages(list(gather.packages(site.config))),
    "compiled code": lambda site: verdicts.compiled_code(account.code_complaint()),
    "names": lambda site: verdicts.names(list(gather.names(site.listening, site.ca, site.config))),
    "ports": lambda site: verdicts.ports(list(gather.ports(site.listening, site.ca, site.config, site.environment))),
    "state": lambda site: verdicts.state_lock(gather.state_lock(site.config)),
    "access": lambda site: verdicts.access(gather.access_file(site.config)),
    "folders": lambda site: verdicts.folders(
        list(gather.folders(site.config)), site.config.ioc.disk_low, site.config.ioc.disk_lolo
    ),
    "disk speed": lambda site: verdicts.speeds(list(gather.speeds(site.config))),
    "clock": lambda site: verdicts.clock(kernel.clock()),
    "limits": lambda site: verdicts.limits(kernel.limits(site.config)),
    "real time": lambda site: verdicts.real_time(gather.real_time(site.environment)),
    "hardware": lambda site: verdicts.library(sdk.library(site.config)),
}


def examine(site: Site) -> Iterator[tuple[str, Finding]]:
    """All findings with the names of their checks."""
    for name, check in CHECKS.items():
        try:
            for finding in _answer(check, site):
                yield name, finding
        except CannotServe as error:  # a variable, of which the first check that needs it tells
            if name == "names":
                yield name, bad(str(error), "mend the variable")


def _answer(check: Callable[[Site], Iterator[Finding]], site: Site) -> list[Finding]:
    """What a check finds, if no file system keeps it waiting."""
    found: list[Finding] = []
    raised: list[BaseException] = []

    def look() -> None:
        try:
            found.extend(check(site))
        except BaseException as error:  # whatever it is, it goes on below
            raised.append(error)

    if not within(_PATIENCE, look):
        what = f"a disk or file server has not answered for {_PATIENCE:g} s"
        return [*found, bad(what, "mend it, or take its folder out of the configuration: an IOC would wait, too")]
    for error in raised:
        raise error
    return found


def examined(config: Config, interfaces: Sequence[str] = ()) -> list[tuple[str, Finding]]:
    """All findings for this process's environment."""
    return list(examine(Site(config, os.environ, interfaces)))


def text(findings: Sequence[tuple[str, Finding]]) -> Iterator[str]:
    """A line for each finding, and one for what mends it."""
    for name, finding in findings:
        yield f"{finding.level.upper():6}  {name:13}  {finding.text}"
        if finding.mend:
            yield f"{'':6}  {'':13}    -> {finding.mend}"
    counts = {level: sum(finding.level is level for _, finding in findings) for level in Level}
    yield ", ".join(f"{count} {level}" for level, count in counts.items())


def as_json(findings: Sequence[tuple[str, Finding]]) -> str:
    """The same for programs."""
    return json.dumps([{"check": name, **asdict(finding)} for name, finding in findings], indent=1, ensure_ascii=False)


def healthy(findings: Sequence[tuple[str, Finding]]) -> bool:
    """Whether nothing is bad."""
    return all(finding.level is not Level.BAD for _, finding in findings)
