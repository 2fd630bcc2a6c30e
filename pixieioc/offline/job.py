"""What an offline job is to do, and the checked chain and settings that follow from it."""

from __future__ import annotations

import dataclasses
import glob
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pixieioc.config import Config, ConfigError, IocTable, PipelineTable, check, load, parse_set
from pixieioc.pipeline import Error
from pixieioc.pipeline.declare import LONGEST_TEXT
from pixieioc.tasks.event_files import import_pyarrow

#: Tasks of a configuration that have no place in an offline job, or another one.
_NOT_AS_CONFIGURED = {"GatherData", "WriteEvents", "CountEvents", "FillSpectra", "SnapTraces"}
#: All modules and channels that a record can name.
_MODULES, _CHANNELS = 256, 64
#: All modules and channels that FillSpectra has room for.
_WITH_SPECTRA = {"modules": 13, "channels": 32}


@dataclasses.dataclass(frozen=True)
class Job:
    """What is to be done with `files` (names or patterns of raw files).

    `config` is a configuration file whose settings, and whose own tasks between the usual ones, are used; `sets` are
    texts `task.parameter=value`. `out` is the file for the sorted events, in `format`, `plot` a PNG file for the energy
    spectra. What is None is as in the configuration or as the task declares it, or not wanted.
    """

    files: tuple[str, ...]
    config: Path | None = None
    sets: tuple[str, ...] = ()
    adc_mhz: tuple[float, ...] | None = None
    firmware: tuple[float, ...] | None = None
    module_pattern: str | None = None
    window_us: float | None = None
    out: Path | None = None
    format: str = "parquet"
    plot: Path | None = None


def prepare(job: Job) -> Config:
    """The chain of a job with all its settings; what is wrong with the job is raised before anything is started."""
    names = _existing(job.files)
    for path in (job.out, job.plot):
        _refuse_to_overwrite(path)
    _look_for_packages(job)
    given = load(job.config) if job.config else None
    chain = _chain(given.chain if given else (), write=job.out is not None, fill=job.plot is not None)
    tables: dict[str, dict[str, Any]] = {task: {} for task in chain}
    if job.plot is not None:
        tables["FillSpectra"] |= _WITH_SPECTRA
    for task, values in given.settings.items() if given else ():
        tables.get(task, {}).update(values)
    tables["CountEvents"] |= {"modules": _MODULES, "channels": _CHANNELS}
    tables["LoadFiles"]["files"] = list(job.files)
    if tables["SortEvents"].get("time_mode", "now") == "now":
        tables["SortEvents"] |= _start_times(names)
    for task, name, value in (
        ("ConvertToEvents", "adc_mhz", job.adc_mhz),
        ("ConvertToEvents", "firmware_revision", job.firmware),
        ("LoadFiles", "module_pattern", job.module_pattern),
        ("SortEvents", "window", job.window_us),
    ):
        if value is not None:
            tables[task][name] = list(value) if isinstance(value, tuple) else value
    for text in job.sets:
        task, name, value = parse_set(text)
        tables.setdefault(task, {})[name] = value
    if job.out is not None:
        tables["WriteEvents"] |= {"file": str(job.out), "format": job.format}
    return check(PipelineTable(list(chain)), {}, tables, IocTable(), Path.cwd(), None, "replay")


def _chain(configured: Sequence[str], *, write: bool, fill: bool) -> tuple[str, ...]:
    """The usual tasks, and those of a configuration in their places; its source is LoadFiles."""
    middle = [name for name in configured[1:] if name not in _NOT_AS_CONFIGURED]
    if "ConvertToEvents" not in middle:
        middle.insert(0, "ConvertToEvents")
    if "SortEvents" not in middle:
        middle.insert(middle.index("ConvertToEvents") + 1, "SortEvents")
    return ("LoadFiles", *middle, *["WriteEvents"] * write, "CountEvents", *["FillSpectra"] * fill)


def _existing(patterns: Sequence[str]) -> list[Path]:
    """The files that are meant; ConfigError if there are none, or too many to be named."""
    found: list[Path] = []
    for pattern in patterns:
        # A file may have a name that looks like a pattern. glob, not Path.glob: a pattern may be absolute.
        names = [pattern] if Path(pattern).is_file() else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
        files = [path for name in names if (path := Path(name)).is_file()]
        if not files:
            raise ConfigError(f"no file {'matches ' * glob.has_magic(pattern)}{pattern}")
        found += files
    if len(json.dumps([str(Path.cwd() / pattern) for pattern in patterns])) > LONGEST_TEXT:
        raise ConfigError(
            f"the names of {len(patterns)} files are longer than {LONGEST_TEXT} bytes together: "
            "give a pattern in quotes instead, as in 'run*_mod*.bin'"
        )
    return found


def _refuse_to_overwrite(path: Path | None) -> None:
    if path is not None and path.exists():
        raise ConfigError(f"{path} exists already; nothing is overwritten")
    if path is not None and not path.parent.is_dir():
        raise ConfigError(f"there is no folder {path.parent}")


def _look_for_packages(job: Job) -> None:
    """Raises Error if a package is missing that would be needed at the end."""
    if job.out is not None and job.format == "parquet":
        import_pyarrow()
    if job.plot is not None:
        try:
            import matplotlib.figure  # noqa: F401 - whether it can be imported is the question
        except ImportError as error:
            raise Error(f"a plot needs the package matplotlib: pip install 'pixieioc[analysis]' ({error})") from error


def _start_times(files: Sequence[Path]) -> dict[str, Any]:
    """When the runs of the files began, if the JSON files beside them tell; otherwise time counts from 0.

    Never the present: the same files shall give the same events.
    """
    times = [time for path in files if (time := _start_time(path.with_name(path.name + ".json"))) is not None]
    if not times:
        return {"time_mode": "estimated gap", "start_times": [0.0]}
    return {"time_mode": "start times", "start_times": list(dict.fromkeys(times))}


def _start_time(sidecar: Path) -> float | None:
    try:
        return float(json.loads(sidecar.read_bytes())["start_time"])
    except (OSError, ValueError, KeyError, TypeError):  # no such file, or not one of ours
        return None
