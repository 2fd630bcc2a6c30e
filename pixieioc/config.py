"""Configuration files: which tasks make the chain, and the initial values of all parameters.

Everything is checked when a file is read; what is wrong is reported with its place, its value and what is allowed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pixieioc import account
from pixieioc.config_calibration import calibration_of, with_calibration
from pixieioc.config_conditions import read_conditions
from pixieioc.config_input import ConfigError, given_by_options, override, parse_set, read_toml
from pixieioc.config_ioc import access_file_of, macros_of, problems_of
from pixieioc.config_lines import KeyPath, lines_of
from pixieioc.config_regions import with_regions
from pixieioc.config_run import RUN, RunParameters
from pixieioc.config_schema import (
    LONGEST_PREFIX,
    ConditionsTable,
    IocTable,
    LimitsTable,
    PipelineTable,
    PutLogTable,
)
from pixieioc.config_tables import Problem, about, keys_of, located, path_from, plain_tables, read_table
from pixieioc.config_tasks import (
    class_names,
    classes_of,
    disagreements,
    import_modules,
    missing_files,
    shared_settings,
    where_written,
    with_crate,
    without_devices,
)
from pixieioc.config_values import absolute, to_json, with_defaults
from pixieioc.pipeline.declare import Value, parameters_of
from pixieioc.pipeline.error import Refused
from pixieioc.pipeline.graph import Graph
from pixieioc.pipeline.registry import TASKS
from pixieioc.pipeline.validate import like, meant, validate
from pixieioc.tasks.calibration import CALIBRATION
from pixieioc.tasks.crate import CRATE, CrateFacts, is_crate_fact

if TYPE_CHECKING:
    from pixieioc.pipeline.task import Task

__all__ = [
    "LONGEST_PREFIX",
    "RUN",
    "ConditionsTable",
    "Config",
    "ConfigError",
    "Examined",
    "IocTable",
    "LimitsTable",
    "PipelineTable",
    "PutLogTable",
    "RunParameters",
    "absolute",
    "check",
    "examine",
    "load",
    "parse_set",
    "read_toml",
    "to_json",
    "with_defaults",
]


@dataclasses.dataclass(frozen=True)
class Config:
    """A configuration that has been checked: `settings` are all initial values by task, `run` those of runs."""

    graph: Graph
    #: The classes of the tasks, by their names: those of the chain, then those of the branches.
    tasks: Mapping[str, type[Task]]
    prefix: str
    settings: Mapping[str, Mapping[str, Value]]
    run: Mapping[str, Value]
    ioc: IocTable
    folder: Path
    #: What is known of the crate, with defaults: each task that needs some of it has it among its settings.
    crate: Mapping[str, Value] = dataclasses.field(default_factory=dict[str, Value])
    #: What energies mean, by parameter, module and channel, likewise.
    calibration: Mapping[str, Value] = dataclasses.field(default_factory=dict[str, Value])
    #: The settings that the command line says, by task (RUN: of none) and parameter.
    overridden: frozenset[tuple[str, str]] = frozenset()
    #: What the file says without the command line, if that says something.
    of_file: Config | None = None
    #: The site's own process variables that are kept with each run.
    conditions: ConditionsTable = dataclasses.field(default_factory=ConditionsTable)

    @property
    def chain(self) -> tuple[str, ...]:
        """The tasks of the chain from source to sink, without those of its branches."""
        return self.graph.chain

    @property
    def access_file(self) -> Path | None:
        """The file that says who may write."""
        return access_file_of(self.ioc, self.folder)

    @property
    def put_log_file(self) -> Path | None:
        """The file that puts are logged in."""
        return path_from(self.folder, self.ioc.put_log.file)

    @property
    def state_folder(self) -> Path:
        """Where the run number and the like survive a restart."""
        if folder := path_from(self.folder, self.ioc.state_dir):
            return folder
        return account.state_home() / "pixieioc" / (self.prefix.strip(":").replace("/", "_") or "_")


@dataclasses.dataclass(frozen=True)
class Examined:
    """What was found in a configuration file: sentences with their places, and the configuration if there are none."""

    problems: tuple[str, ...]
    config: Config | None
    #: The file that says who may write, if that could be read at all, and its macros.
    access_file: Path | None = None
    macros: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])


def load(path: Path, sets: Collection[str] = (), prefix: str | None = None) -> Config:
    """A configuration file that texts `task.parameter=value` override; ConfigError with every problem found."""
    examined = examine(path, sets, prefix)
    if examined.config is None:
        raise ConfigError("; ".join(examined.problems), problems=examined.problems)
    return dataclasses.replace(examined.config, of_file=examine(path, (), prefix).config if sets else None)


def examine(path: Path, sets: Iterable[str] = (), prefix: str | None = None, *, files: bool = False) -> Examined:
    """Everything that is wrong with a configuration file, each with file and line; with `files`, missing files too."""
    text, content = read_toml(path)
    overridden = override(content, sets, prefix)
    problems: list[Problem] = []
    folder = path.parent.resolve()
    unknown = [name for name in content if name not in _TABLES]
    for name in unknown:
        kind = "table" if isinstance(content[name], Mapping) else "key"
        hint = _ELSEWHERE.get(name) or like(name, list(_TABLES))
        problems.append(Problem((name,), f"{name}: unknown {kind}{hint}"))
    if "pipeline" not in content and all(meant(name, list(_TABLES)) != ["pipeline"] for name in unknown):
        problems.append(Problem((), "pipeline: this table is missing"))
    given = content.get("pipeline", {"chain": []})
    pipeline = read_table(PipelineTable, given, ("pipeline",), problems, _ELSEWHERE)
    ioc = read_table(IocTable, content.get("ioc", {}), ("ioc",), problems, _ELSEWHERE)
    tables = {
        name: plain_tables(content.get(name, {}), (name,), problems, deep=name == "tasks")
        for name in (CRATE, CALIBRATION, RUN, "tasks")
    }
    crate = _crate(tables[CRATE], problems)
    calibration = calibration_of(tables[CALIBRATION], crate, folder, problems)
    conditions = read_conditions(tables[RUN], problems)
    config = None
    if pipeline is not None and "pipeline" in content:
        of_ioc = ioc or IocTable()
        config = _check(
            pipeline, tables[RUN], tables["tasks"], of_ioc, folder, prefix, problems,
            crate=crate, calibration=calibration, files=files,
        )  # fmt: skip
    else:
        _check_the_rest(given, tables["tasks"], crate, folder, problems, files=files)
        _resolve(RUN, RunParameters, tables[RUN], (RUN,), problems)
    of_access = list(problems_of(ioc, folder, files=files)) if ioc is not None else []
    problems += of_access
    texts = located(problems, path, lines_of(text), overridden)
    if config is not None and not texts:
        config = dataclasses.replace(
            config, overridden=given_by_options(overridden, config.tasks), conditions=conditions
        )
    if ioc is None or of_access:
        return Examined(texts, None)
    own = pipeline.prefix if pipeline is not None else ""
    access_file, macros = access_file_of(ioc, folder), macros_of(ioc, own if prefix is None else prefix)
    return Examined(texts, None if texts else config, access_file, macros)


_TABLES = ("pipeline", CRATE, CALIBRATION, RUN, "tasks", "ioc")
#: For a key that stands in the wrong table: where it belongs, as the end of a sentence.
_ELSEWHERE = {
    name: f"; it belongs in [{table}]"
    for table, names in (
        ("ioc.limits", keys_of(LimitsTable)),
        (RUN, parameters_of(RunParameters)),
        (CRATE, parameters_of(CrateFacts)),
        ("ioc", keys_of(IocTable)),
        ("pipeline", keys_of(PipelineTable)),
    )
    for name in names
}


def check(
    pipeline: PipelineTable,
    run: Mapping[str, Any],
    tasks: Mapping[str, Mapping[str, Any]],
    ioc: IocTable,
    folder: Path,
    prefix: str | None,
    where: str,
) -> Config:
    """The configuration that these tables describe; ConfigError with every problem found."""
    problems: list[Problem] = []
    config = _check(pipeline, run, tasks, ioc, folder, prefix, problems)
    if config is None:
        texts = tuple(f"{where}: {problem.text}" for problem in problems)
        raise ConfigError("; ".join(texts), problems=texts)
    return config


def _check(
    pipeline: PipelineTable,
    run: Mapping[str, Any],
    tasks: Mapping[str, Mapping[str, Any]],
    ioc: IocTable,
    folder: Path,
    prefix: str | None,
    problems: list[Problem],
    *,
    crate: Mapping[str, Value] | None = None,
    calibration: Mapping[str, Value] | None = None,
    files: bool = False,
) -> Config | None:
    before = len(problems)
    prefix = pipeline.prefix if prefix is None else prefix
    if not 0 < len(prefix) <= LONGEST_PREFIX or any(c in prefix for c in " ./$") or not prefix.isprintable():
        allowed = f"must have 1 to {LONGEST_PREFIX} characters, no space, dot, slash or dollar"
        problems.append(Problem(("pipeline", "prefix"), f"prefix {prefix!r}: {allowed}"))
    not_imported = list(import_modules(pipeline.imports, folder))
    problems += not_imported
    given, tasks = class_names(tasks, problems)
    graph = pipeline.graph
    classes, wrong = classes_of(graph, given, complete=not not_imported)
    problems += wrong
    tasks = with_crate(classes, tasks, crate or {}, problems)
    if calibration is not None:
        tasks = with_calibration(classes, tasks, calibration, problems)
        tasks = with_regions(classes, tasks, calibration, problems)
    tasks = without_devices(classes, tasks, problems)
    written, tasks = tasks, shared_settings(classes, tasks, problems)
    for name in tasks:
        if name not in graph.tasks:
            known = name in TASKS  # then only a name that is no task's can be a slip of it
            slips = [each for each in graph.tasks if not (known and each in TASKS)]
            close = like(name, slips) if slips else ""
            where = "pipeline.chain or a branch" if graph.branches else "pipeline.chain"
            text = f"tasks.{name}: not in {where} ({', '.join(graph.tasks)})"
            problems.append(Problem(("tasks", name), text + (close if close.endswith("?") else "")))
    settings: dict[str, dict[str, Value]] = {}
    for name, cls in classes.items():
        settings[name] = _settings(name, cls, tasks.get(name, {}), folder, problems, files=files)
    problems[before:] = where_written(classes, written, problems[before:])
    of_run = _resolve(RUN, RunParameters, run, (RUN,), problems)
    if len(problems) > before:
        return None
    return Config(
        graph=graph,
        tasks=classes,
        prefix=prefix,
        settings=settings,
        run=with_defaults(RunParameters, of_run),
        ioc=ioc,
        folder=folder,
        crate=crate or {},
        calibration=calibration or {},
    )


def _crate(given: Mapping[str, Any], problems: list[Problem]) -> dict[str, Value]:
    """The facts of the crate; what is wrong with them, each and together, is added to `problems`."""
    before = len(problems)
    crate = with_defaults(CrateFacts, _resolve(CRATE, CrateFacts, given, (CRATE,), problems))
    wrong = {problem.key_path[-1] for problem in problems[before:]}
    problems += [problem for problem in disagreements(CrateFacts, crate, (CRATE,)) if not about(problem, wrong)]
    return crate


def _settings(
    name: str, cls: type[Task], given: Mapping[str, Any], folder: Path, problems: list[Problem], *, files: bool
) -> dict[str, Value]:
    """One task's settings; what is wrong with them, each and together, is added to `problems`."""
    key_path, before = ("tasks", name), len(problems)
    settings = absolute(cls, with_defaults(cls, _resolve(name, cls, given, key_path, problems)), folder)
    wrong = {problem.key_path[-1] for problem in problems[before:]}
    found = list(disagreements(cls, settings, key_path)) + list(missing_files(cls, settings, key_path) if files else ())
    known = {problem.key_path for problem in problems}
    found = [_at_crate(problem, cls) for problem in found if not about(problem, wrong)]
    problems += [problem for problem in found if problem.key_path[0] != CRATE or problem.key_path not in known]
    return settings


def _at_crate(problem: Problem, cls: type) -> Problem:
    """What a task says against a fact of the crate, at the fact's place."""
    task, name = problem.key_path[1], problem.key_path[-1]
    if not is_crate_fact(cls, name):
        return problem
    return Problem((CRATE, name), f"{CRATE}.{name}, for {task}: {problem.text.partition(': ')[2]}")


def _check_the_rest(
    pipeline: object,
    tasks: Mapping[str, Mapping[str, Any]],
    crate: Mapping[str, Value],
    folder: Path,
    problems: list[Problem],
    *,
    files: bool,
) -> None:
    """The tasks that are known by name, where the chain cannot be read: what else is wrong is found at once, too."""
    imports: Any = cast("Mapping[str, Any]", pipeline).get("imports", []) if isinstance(pipeline, Mapping) else []
    names = cast("list[Any]", imports) if isinstance(imports, list) else []
    problems += import_modules([name for name in names if isinstance(name, str)], folder)
    given, tasks = class_names(tasks, problems)
    known = [name for name in tasks if given.get(name, name) in TASKS]
    classes = classes_of(Graph(tuple(known)), given)[0]
    tasks = with_crate(classes, tasks, crate, problems)
    for name, cls in classes.items():
        _settings(name, cls, tasks[name], folder, problems, files=files)


def _resolve(
    task: str, cls: type, given: Mapping[str, Any], key_path: KeyPath, problems: list[Problem]
) -> dict[str, Value]:
    try:
        return validate({task: given}, {task: cls}, commands=False).get(task, {})
    except Refused as error:
        above = "".join(f"{part}." for part in key_path[:-1])
        for text, (_, name) in zip(error.problems, error.about, strict=True):
            if name in _ELSEWHERE and name not in parameters_of(cls):
                text = f"{task}.{name}: {task} has no such parameter{_ELSEWHERE[name]}"
            problems.append(Problem((*key_path, name) if name else key_path, above + text))
        wrong = {name for _, name in error.about}
        rest = {name: value for name, value in given.items() if name not in wrong}
        if not wrong or len(rest) == len(given):
            return {}
        more: list[Problem] = []  # values are compared only when each is right by itself
        accepted = _resolve(task, cls, rest, key_path, more)
        problems += [problem for problem in more if not about(problem, wrong)]
        return accepted
