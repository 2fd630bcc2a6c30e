"""What an offline job is to do, and the checked chain and settings that follow from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pixieioc.config import Config, ConfigError, IocTable, PipelineTable, check, load, parse_set
from pixieioc.config_calibration import is_calibration
from pixieioc.config_tasks import CLASS
from pixieioc.offline.calibrated import Calibrated, calibrated
from pixieioc.pipeline import Error, Task
from pixieioc.pipeline.declare import parameters_of
from pixieioc.pipeline.validate import like
from pixieioc.tasks.calibration import CALIBRATION
from pixieioc.tasks.crate import CRATE, CrateFacts, is_crate_fact
from pixieioc.tasks.event_files import import_pyarrow
from pixieioc.tasks.event_formats import format_of
from pixieioc.tasks.names import counted, shown
from pixieioc.tasks.raw_sources import find

#: Of a file, in MB.
_ANY_SIZE = 1e7
#: Classes of a configuration's tasks that have no place in an offline job, or another one, and those that have theirs.
_NOT_AS_CONFIGURED = {"GatherData", "WriteEvents", "CountEvents", "FillSpectra", "SnapTraces"}
_USUAL = ("ConvertToEvents", "SortEvents")
#: All modules and channels that a record can name.
_MODULES, _CHANNELS = 256, 64
#: All modules and channels that FillSpectra has room for.
_WITH_SPECTRA = {"modules": 13, "channels": 32}
#: Pictures that can be drawn, by the ending of their names.
PICTURES = (".png", ".pdf", ".svg")


@dataclasses.dataclass(frozen=True)
class Job:
    """What is to be done with `files` (names or patterns of raw files).

    `calibration` is a file with one, CSV or a configuration.
    `config` is a configuration file whose settings, and whose own tasks between the usual ones, are used; `sets` are
    texts `task.parameter=value`. `out` is the file for the sorted events, in `format` (None: that of its name), `plot`
    a picture for the energy spectra. What is None is as in the configuration or as the task declares it, or not wanted.
    """

    files: tuple[str, ...]
    config: Path | None = None
    sets: tuple[str, ...] = ()
    adc_mhz: tuple[float, ...] | None = None
    firmware: tuple[float, ...] | None = None
    module_pattern: str | None = None
    window_us: float | None = None
    out: Path | None = None
    format: str | None = None
    plot: Path | None = None
    calibration: Path | None = None


def prepare(job: Job) -> tuple[Config, Calibrated]:
    """The chain of a job with all its settings; what is wrong with the job is raised before anything is started."""
    files = _existing(job.files)
    form = _check_outputs(job)
    _check_packages(job, form)
    given = load(job.config) if job.config else None
    names = _names(given) if given else {}
    chain = _chain(list(names.values()), write=job.out is not None, fill=job.plot is not None)
    tables: dict[str, dict[str, Any]] = {task: {} for task in chain}
    for task, wanted in (("FillSpectra", job.plot), ("WriteEvents", job.out)):
        if wanted is not None:
            tables[task] |= {name: given.crate[name] for name in _WITH_SPECTRA} if given else _WITH_SPECTRA
    for task, values in given.settings.items() if given else ():
        name = names.get(task, "")
        tables.get(name, {}).update(values)
        if given and name in tables and name != given.tasks[task].__name__:
            tables[name][CLASS] = given.tasks[task].__name__
    tables["CountEvents"] |= {"modules": _MODULES, "channels": _CHANNELS}
    tables["LoadFiles"]["files"] = files
    if tables["SortEvents"].get("time_mode", "now") == "now":
        # Never the present: the same files shall give the same events. Where the files tell, that is what counts.
        tables["SortEvents"] |= {"time_mode": "estimated gap", "start_times": [0.0]}
    for task, name, value in (
        (CRATE, "adc_mhz", job.adc_mhz),
        (CRATE, "firmware_revision", job.firmware),
        ("LoadFiles", "module_pattern", job.module_pattern),
        ("SortEvents", "window", job.window_us),
    ):
        if value is not None:
            tables.setdefault(task, {})[name] = list(value) if isinstance(value, tuple) else value
    found = _calibrated(job, given, files)
    for text in job.sets:
        task, name, value = parse_set(text)
        if task != CALIBRATION:
            tables.setdefault(task, {})[name] = value
    _put_facts(tables, tables.pop(CRATE, {}))
    if job.out is not None:
        # Nobody waits for an end: it is one file, whatever columns come.
        tables["WriteEvents"] |= {"file": str(job.out), "format": form, "rewrite_limit": _ANY_SIZE}
    _put_calibration(tables, found)
    return check(PipelineTable(list(chain)), {}, tables, IocTable(), Path.cwd(), None, "replay"), found


def _calibrated(job: Job, given: Config | None, files: Sequence[str]) -> Calibrated:
    facts = {name: given.crate[name] for name in _WITH_SPECTRA} if given else _WITH_SPECTRA
    configured = given.calibration if given else None
    return calibrated(job.calibration, configured, job.config, job.sets, [Path(file) for file in files], facts)


def _put_calibration(tables: Mapping[str, dict[str, Any]], found: Calibrated) -> None:
    """Gives the calibration to each task that needs it."""
    for task, table in tables.items():
        cls = table.get(CLASS, task)
        for name, values in found.tables.items():
            if cls in Task.class_registry and is_calibration(Task.class_registry[cls], name):
                table[name] = values


def _put_facts(tables: Mapping[str, dict[str, Any]], facts: Mapping[str, Any]) -> None:
    """Gives facts of the crate to each task that needs them; ConfigError if there is no such fact."""
    for name, value in facts.items():
        if name not in parameters_of(CrateFacts):
            raise ConfigError(f"crate.{name}: there is no such key{like(name, parameters_of(CrateFacts))}")
        for task, table in tables.items():
            cls = table.get(CLASS, task)
            if cls in Task.class_registry and is_crate_fact(Task.class_registry[cls], name):
                table[name] = value


def _names(config: Config) -> dict[str, str]:
    """What a job calls the tasks of a configuration that concern it: those that every job has, by their classes."""
    names: dict[str, str] = {}
    for task in config.chain:
        cls = config.tasks[task].__name__
        there = cls in names.values()
        if not (there and cls in _NOT_AS_CONFIGURED):
            names[task] = task if there or cls not in (*_USUAL, *_NOT_AS_CONFIGURED) else cls
    return names


def _chain(configured: Sequence[str], *, write: bool, fill: bool) -> tuple[str, ...]:
    """The usual tasks, and those of a configuration in their places; its source is LoadFiles."""
    middle = [name for name in configured[1:] if name not in _NOT_AS_CONFIGURED]
    if "ConvertToEvents" not in middle:
        middle.insert(0, "ConvertToEvents")
    if "SortEvents" not in middle:
        middle.insert(middle.index("ConvertToEvents") + 1, "SortEvents")
    return ("LoadFiles", *middle, *["WriteEvents"] * write, "CountEvents", *["FillSpectra"] * fill)


def _existing(names: Sequence[str]) -> list[str]:
    """The files that are meant; ConfigError if there are none."""
    try:
        return [str(path) for path in find(counted(list(names)))]
    except Error as error:
        raise ConfigError(str(error)) from None


def _check_outputs(job: Job) -> str:
    """The format of the file of events; ConfigError if what is to be written cannot be."""
    if job.plot is not None and job.plot.suffix.lower() not in PICTURES:
        raise ConfigError(f"{shown(job.plot)}: the name of a picture must end with {' or '.join(PICTURES)}")
    for path in (job.out, job.plot):
        _refuse_to_overwrite(path)
    if job.out is None:
        return ""
    try:
        return format_of(job.out, job.format)
    except Error as error:
        raise ConfigError(str(error)) from None


def _refuse_to_overwrite(path: Path | None) -> None:
    if path is not None and path.exists():
        raise ConfigError(f"{shown(path)} exists already; nothing is overwritten")
    if path is not None and not path.parent.is_dir():
        raise ConfigError(f"there is no folder {shown(path.parent)}")


def _check_packages(job: Job, form: str) -> None:
    """Raises Error if a package is missing that would be needed at the end."""
    if form == "parquet":
        import_pyarrow()
    if job.plot is not None:
        try:
            import matplotlib.figure  # noqa: F401 - whether it can be imported is the question
        except ImportError as error:
            raise Error(f"a plot needs the package matplotlib: pip install 'pixieioc[analysis]' ({error})") from error
