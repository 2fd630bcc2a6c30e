"""What clients of EPICS make of a put that fails: `python -m tests.system.failed_puts` measures it and prints a table.

Each client puts to Acquire (with completion) three times: for a run that goes well, for one in which a task is killed,
and while somebody else's run is in progress, when it is refused. Clients that are not installed are left out;
PIXIEIOC_CAPUT names EPICS Base's caput if that is not on the PATH.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.util import find_spec

import tests.conftest  # noqa: F401  # first of all: libca reads its environment once
from tests.ports import free_port
from tests.running_ioc import Ioc, ioc_folder, running
from tests.system.put_clients import CLIENTS, there

CONFIG = """
[pipeline]
chain = ["DummyData", "ConvertToEvents", "FillSpectra"]
[run]
stop_timeout = 2
[crate]
channels = 2
[ioc]
state_dir = "state"
"""
PVA = "[ioc.pva]\non = true\n"


def begin(name: str, ioc: Ioc) -> subprocess.Popen[str]:
    """Has a client put to Acquire."""
    command = [sys.executable, "-m", "tests.system.put_clients", name, f"{ioc.prefix}Acquire"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def outcome(client: subprocess.Popen[str]) -> str:
    """What it makes of the answer."""
    out, _ = client.communicate(timeout=240)
    return out.strip().splitlines()[-1]


def _three(name: str, ioc: Ioc) -> tuple[str, str, str]:
    ioc.put("PresetReal", 0.2)
    well = outcome(begin(name, ioc))
    ioc.put("PresetReal", 20)
    client = begin(name, ioc)
    ioc.until("Acquire_RBV", "Acquiring", 60)
    ioc.until("FillSpectra:Events_RBV", lambda events: events > 0)
    os.kill(ioc.pid_of("FillSpectra"), signal.SIGKILL)
    killed = outcome(client)
    ioc.put("ErrorAck", 1)
    somebodys = ioc.put_later("Acquire", 1, 60)
    ioc.until("Acquire_RBV", "Acquiring")
    refused = outcome(begin(name, ioc))
    ioc.put("Stop", 1)
    somebodys.result(60)
    return well, killed, refused


def main() -> None:
    """Measures all clients that are installed."""
    with ioc_folder() as folder:
        with_pva = find_spec("p4p") is not None
        search = free_port()
        pva = f"{PVA}interfaces = ['127.0.0.1']\nport = {free_port()}\nbroadcast_port = {search}\n"
        os.environ |= {"EPICS_PVA_ADDR_LIST": "127.0.0.1", "EPICS_PVA_AUTO_ADDR_LIST": "NO"}
        os.environ["EPICS_PVA_BROADCAST_PORT"] = str(search)
        (folder / "puts.toml").write_text(CONFIG + (pva if with_pva else ""))
        ioc = Ioc(folder, "run", folder / "puts.toml")
        with running(ioc):
            ioc.until("Ready_RBV", "Yes", 60)
            ioc.put("PresetMode", "Real time")
            print("| client | a run that goes well | a task is killed | refused: another run is in progress |")
            print("|---|---|---|---|")
            for name in filter(there, CLIENTS):
                print("|", " | ".join((name, *_three(name, ioc))), "|", flush=True)


if __name__ == "__main__":
    main()
