"""Which calibration an offline job has: that of a file, of its configuration, or of the runs that were recorded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pixieioc.config import ConfigError, read_toml
from pixieioc.config_calibration import FILE, by_channel, calibration_of
from pixieioc.config_input import parse_set
from pixieioc.config_tables import Problem
from pixieioc.pipeline.declare import Value, parameters_of
from pixieioc.pipeline.validate import defaults_for
from pixieioc.tasks.calibration import CALIBRATION, KEYS, Calibration
from pixieioc.tasks.crate import CRATE, CrateFacts
from pixieioc.tasks.names import shown
from pixieioc.tasks.raw_sources import read_sidecar


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """The values by parameter, module and channel, and where they are from; or why there are none, of several."""

    values: Mapping[str, Value]
    source: str
    problem: str = ""

    @property
    def calibration(self) -> Calibration:
        """As tasks have it."""
        return Calibration.of(self.values)

    @property
    def tables(self) -> dict[str, dict[str, Value]]:
        """The same as a configuration has it, by parameter."""
        return {name: by_channel(value) for name, value in self.values.items()}


def calibrated(
    file: Path | None, configured: Mapping[str, Value] | None, config: Path | None, sets: Sequence[str],
    files: Sequence[Path], facts: Mapping[str, Value],
) -> Calibrated:  # fmt: skip
    """The calibration for `facts` (modules and channels); ConfigError with all that is wrong.

    A file is taken rather than the values of a configuration, these rather than what stands beside the raw files; a
    text `calibration.gain=0.1` overrides each of them.
    """
    given = {name: value for task, name, value in map(parse_set, sets) if task == CALIBRATION}
    if FILE in given:
        raise ConfigError("--set calibration.file: give the file with --calibration")
    problem = ""
    if file is not None:
        tables, source = _of_file(file, facts), shown(file)
    elif configured is not None and Calibration.of(configured).channels:
        tables, source = {key: by_channel(configured[name]) for key, name in KEYS.items()}, shown(config or "")
    else:
        tables, problem = _beside(files)
        source = "the files beside the raw files" if tables else ""
    if given:
        tables, source, problem = {**tables, **given}, f"{source} and --set" if source else "--set", ""
    return Calibrated(_checked(tables, facts, source, Path()), source, problem)


def _checked(table: Mapping[str, Any], facts: Mapping[str, Value], source: str, folder: Path) -> dict[str, Value]:
    problems: list[Problem] = []
    values = calibration_of(table, facts, folder, problems)
    if problems:
        texts = [f"{source}: {problem.text}" if source else problem.text for problem in problems]
        raise ConfigError("; ".join(texts), problems=tuple(texts))
    return values


def _of_file(path: Path, facts: Mapping[str, Value]) -> dict[str, Any]:
    """What a CSV file has, or the table of a configuration; for its own crate, which may be smaller."""
    if path.suffix.lower() != ".toml":
        values = _checked({FILE: str(path.absolute())}, facts, "", Path())
    else:
        content = read_toml(path)[1]
        table = content.get(CALIBRATION)
        if not isinstance(table, dict):
            raise ConfigError(f"{shown(path)}: has no table [{CALIBRATION}]")
        crate = content.get(CRATE, {})
        own = defaults_for(CrateFacts, {name: crate[name] for name in parameters_of(CrateFacts) if name in crate})
        values = _checked(table, own, shown(path), path.absolute().parent)
    return {key: by_channel(values[name]) for key, name in KEYS.items()}


def _beside(files: Sequence[Path]) -> tuple[dict[str, Any], str]:
    """The calibration of the runs that raw files are of, if it is the same for all; otherwise why there is none."""
    found = list(_told(files))
    versions = {about["version"] for about in found} | ({None} if len(found) < len(files) else set())
    if len(versions) > 1:
        return {}, "the files are of runs with different calibrations, or some with none: give one with --calibration"
    if None in versions:
        return {}, ""
    table: dict[str, dict[str, Any]] = {key: {} for key in KEYS}
    for name, about in found[-1]["channels"].items():
        for key in KEYS:
            if key in about:
                table[key][name] = about[key]
    return table, ""


def _told(files: Sequence[Path]) -> Iterator[Mapping[str, Any]]:
    """What JSON files beside raw files say of the calibration: that at the end of the run, if it was changed."""
    for path in files:
        match read_sidecar(path).get("calibration"):
            case {"channels": dict() as channels, "at_end": {"version": version, "channels": dict() as news}}:
                yield {"version": version, "channels": {**channels, **news}}
            case {"version": version, "channels": dict() as channels}:
                yield {"version": version, "channels": channels}
            case _:  # of an older program, or somebody's own
                pass
