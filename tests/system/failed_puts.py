"""What clients of EPICS make of a put that fails: `python -m tests.system.failed_puts` measures it and prints a table.

Each client puts to Acquire (with completion) three times: for a run that goes well, for one in which a task is killed,
and while somebody else's run is in progress, when it is refused. Clients that are not installed are left out;
PIXIEIOC_CAPUT names EPICS Base's caput if that is not on the PATH.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import tests.conftest  # noqa: F401  # first of all: libca reads its environment once
from pixieioc.testing.ioc import free_port
from tests.running_ioc import Ioc, ioc_folder, running

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
SECONDS = 20.0


def _said(call: Callable[[], Any]) -> str:
    try:
        return f"returns {call()!r}"
    except BaseException as error:
        text = str(error).splitlines()[0] if str(error) else ""
        return f"raises {type(error).__name__}: {text}"[:160]


def _caput(pv: str) -> str:
    program = os.environ.get("PIXIEIOC_CAPUT") or "caput"
    done = subprocess.run([program, "-c", "-w", str(SECONDS), pv, "1"], capture_output=True, text=True, check=False)
    return f"exit code {done.returncode}: {(done.stderr or done.stdout).strip().splitlines()[-1][:100]}"


def _caproto(pv: str) -> str:
    from caproto.threading.client import Context

    [channel] = Context().get_pvs(pv)
    return _said(lambda: channel.write(1, wait=True, timeout=SECONDS).status)


def _aioca(pv: str, **options: Any) -> str:
    import aioca

    return _said(lambda: asyncio.run(aioca.caput(pv, 1, wait=True, timeout=SECONDS, **options)))


def _aioca_quiet(pv: str) -> str:
    return _aioca(pv, throw=False)


def _pyepics(pv: str) -> str:
    import epics

    return _said(lambda: epics.caput(pv, 1, wait=True, timeout=SECONDS))


def _ophyd(pv: str) -> str:
    from ophyd import EpicsSignal

    signal_ = EpicsSignal(pv, name="acquire", put_complete=True)
    signal_.wait_for_connection(timeout=10)
    return _said(lambda: signal_.set(1).wait(SECONDS))


def _ophyd_async(pv: str, protocol: str = "ca") -> str:
    from ophyd_async.core import Device, init_devices
    from ophyd_async.epics.core import epics_signal_rw

    async def story() -> Any:
        async with init_devices():
            device = Device("acquire")
            device.signal = epics_signal_rw(bool, f"{protocol}://{pv}")  # pyright: ignore[reportAttributeAccessIssue]
        return await device.signal.set(True, timeout=SECONDS)  # pyright: ignore[reportAttributeAccessIssue]

    return _said(lambda: asyncio.run(story()))


def _ophyd_async_pva(pv: str) -> str:
    return _ophyd_async(pv, "pva")


def _p4p(pv: str) -> str:
    from p4p.client.thread import Context

    with Context("pva") as context:
        return _said(lambda: context.put(pv, 1, wait=True, timeout=SECONDS))


#: Name, what must be importable for it, and the call.
CLIENTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "`caput -c` of EPICS Base": ("", _caput),
    "caproto `PV.write(wait=True)`": ("caproto", _caproto),
    "aioca `caput(wait=True)`": ("aioca", _aioca),
    "aioca `caput(wait=True, throw=False)`": ("aioca", _aioca_quiet),
    "pyepics `caput(wait=True)`": ("epics", _pyepics),
    "ophyd `EpicsSignal.set().wait()`": ("ophyd", _ophyd),
    "ophyd-async `set()`, `ca://`": ("ophyd_async", _ophyd_async),
    "ophyd-async `set()`, `pva://`": ("ophyd_async", _ophyd_async_pva),
    "p4p `Context.put(wait=True)`": ("p4p", _p4p),
}


def _there(name: str) -> bool:
    module = CLIENTS[name][0]
    return find_spec(module) is not None if module else bool(os.environ.get("PIXIEIOC_CAPUT") or shutil.which("caput"))


def _begin(name: str, ioc: Ioc) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", __spec__.name, name, f"{ioc.prefix}Acquire"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _outcome(client: subprocess.Popen[str]) -> str:
    out, _ = client.communicate(timeout=60)
    return out.strip().splitlines()[-1]


def _three(name: str, ioc: Ioc) -> tuple[str, str, str]:
    ioc.put("PresetReal", 0.2)
    well = _outcome(_begin(name, ioc))
    ioc.put("PresetReal", 20)
    client = _begin(name, ioc)
    ioc.until("Acquire_RBV", "Acquiring", 20)
    ioc.until("FillSpectra:Events_RBV", lambda events: events > 0)
    os.kill(ioc.pid_of("FillSpectra"), signal.SIGKILL)
    killed = _outcome(client)
    ioc.put("ErrorAck", 1)
    somebodys = ioc.put_later("Acquire", 1, 60)
    ioc.until("Acquire_RBV", "Acquiring")
    refused = _outcome(_begin(name, ioc))
    ioc.put("Stop", 1)
    somebodys.result(20)
    return well, killed, refused


def main() -> None:
    """Measures all clients, or is one of them."""
    if len(sys.argv) == 3:
        began, outcome = time.monotonic(), CLIENTS[sys.argv[1]][1](sys.argv[2])
        print(outcome if time.monotonic() - began < SECONDS else f"nothing within {SECONDS:g} s; then {outcome}")
        sys.stdout.flush()
        os._exit(0)  # whatever threads a client library has
    with ioc_folder() as folder:
        with_pva = find_spec("p4p") is not None
        search = free_port()
        pva = f"{PVA}interfaces = ['127.0.0.1']\nport = {free_port()}\nbroadcast_port = {search}\n"
        os.environ |= {
            "EPICS_PVA_ADDR_LIST": "127.0.0.1",
            "EPICS_PVA_AUTO_ADDR_LIST": "NO",
            "EPICS_PVA_BROADCAST_PORT": str(search),
        }
        (folder / "puts.toml").write_text(CONFIG + (pva if with_pva else ""))
        ioc = Ioc(folder, "run", folder / "puts.toml")
        with running(ioc):
            ioc.until("Ready_RBV", "Yes", 60)
            ioc.put("PresetMode", "Real time")
            print("| client | a run that goes well | a task is killed | refused: another run is in progress |")
            print("|---|---|---|---|")
            for name in filter(_there, CLIENTS):
                print("|", " | ".join((name, *_three(name, ioc))), "|", flush=True)


if __name__ == "__main__":
    main()
