"""An IOC whose crate is simulated behind XIA's interface, for tests and benchmarks: its configuration stands here."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from tests.hardware.simulation import Simulation
from tests.running_ioc import Ioc, ioc_folder, running

#: An IOC, and what its modules do.
Crate = tuple[Ioc, Simulation]
#: Faster than the rates of most tests: few words are needed here.
RATE = "rate 400"
_SDK = {"implementation": "sdk", "crate_file": "crate.toml"}
_SAVING = {"auto_save": True, "file_path": "data", "create_directory": True}


@contextlib.contextmanager
def crate_ioc(
    *lines: str, modules: int = 2, pypixie16: bool = False, gather: bool = False, save: bool = False,
    at_start: bool = False, write: bool = False, stop_timeout: float = 8.0, **take_data: Any,
) -> Iterator[Crate]:  # fmt: skip
    """The IOC, not started, with a folder of its own. `lines` say what the modules do, `take_data` are its parameters.

    With `gather` there is GatherData in its chain, which writes raw files with `save`, and with `write` the tasks that
    write a file of events; with `at_start` its crate boots
    as soon as the IOC is started.
    """
    chain = ["TakeData", *(["GatherData"] if gather or save else []), "ConvertToEvents"]
    chain += ["SortEvents", "GatherEvents", "WriteEvents"] if write else []
    tables: dict[str, dict[str, Any]] = {
        "pipeline": {"chain": chain},
        "crate": {"modules": modules},
        "tasks.TakeData": {**({} if pypixie16 else _SDK), "boot_at_start": at_start, **take_data},
        "tasks.GatherData": _SAVING if save else {},
        "tasks.WriteEvents": {"file": "events_run{run}.npy", "format": "npy"} if write else {},
        "run": {"stop_timeout": stop_timeout},
        "ioc": {"state_dir": "state"},
    }
    with ioc_folder() as folder:
        simulation = Simulation(folder)
        simulation.configure_pypixie16() if pypixie16 else simulation.crate_file()
        simulation.control(*(lines or (RATE,)))
        (folder / "ioc.toml").write_text(_toml({name: table for name, table in tables.items() if table}))
        ioc = Ioc(folder, "run", folder / "ioc.toml")
        ioc.environment.update(simulation.environment)
        yield ioc, simulation


@contextlib.contextmanager
def running_crate(*lines: str, **options: Any) -> Iterator[Crate]:
    """The same, started."""
    with crate_ioc(*lines, **options) as crate, running(crate[0]):
        yield crate


def until_booted(ioc: Ioc) -> None:
    """Waits for the end of the boot at the start of the IOC."""
    ioc.until("BootState_RBV", lambda state: state == "Booted", 60)


def _toml(tables: dict[str, dict[str, Any]]) -> str:
    """The text of a configuration file."""
    lines: list[str] = []
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"
